// Package http1 reads requests and writes responses of HTTP/1.0 and HTTP/1.1, as
// RFC 9112 defines them. It knows bytes only: the caller has the connection, its
// time limits and its goroutines.
//
// It refuses what RFC 9112 forbids or lets a recipient refuse, because two
// programs that read such a request may disagree about where the next one
// starts. There are three exceptions. A line of a head may end in LF without CR.
// Empty lines may come before a request. A request target may contain characters
// that a URL must escape but that browsers send, such as | and {.
package http1

// A Header is a field of a request or response.
type Header struct{ Name, Value string }

// A Request is the head of a request. It does not change until the next call of
// [Reader.Next], which reuses it and its Headers. The caller may keep its strings
// but must not change its Headers.
type Request struct {
	Method  string // as sent
	Target  string // as sent: only visible ASCII without #, in a form that the method allows
	Minor   int    // the minor version: 0, or 1 for HTTP/1.1 and later
	Headers []Header

	// Host is the host of a target in absolute form, or the value of the Host
	// header. In the first case Headers has it too, in place of the value sent.
	Host string

	Length   int64 // bytes of the body, -1 if it is chunked
	Close    bool  // the connection must end after the response
	Continue bool  // the client may wait for 100 (Continue) before it sends the body
	Upgrade  bool  // there is an Upgrade header
	Size     int   // bytes of the head

	// Repeated reports whether Headers are the same as those of the last request
	// on the connection.
	Repeated bool
}

// Get returns the value of the first header with the name, which must be in
// lower case, or "".
func (q *Request) Get(name string) string {
	for _, h := range q.Headers {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

// An Error says why a request is refused. The connection must end after the
// response, because the start of the next request is unknown.
type Error struct {
	Status int    // 400, 414, 417, 431, 501, 503 or 505
	Reason string // a clause, like "the request has no Host header"
}

func (e *Error) Error() string { return e.Reason }

func bad(reason string) *Error { return &Error{400, reason} }
