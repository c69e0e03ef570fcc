package httpfront

import (
	"net/http"
	"slices"
	"strings"

	"asgibox/asgi"
)

// A request is what both protocols take from the head of an HTTP request.
type request struct {
	target
	http     *http.Request
	peer     *peer
	rootPath string
	headers  []any // pairs of byte strings
	size     int   // of target and headers on the wire, about
}

// newRequest translates a head. Its errors are the client's mistakes.
func (s *Server) newRequest(r *http.Request) (*request, error) {
	t, err := parseTarget(r)
	if err != nil {
		return nil, err
	}
	q := &request{target: t, http: r, peer: peerOf(r), rootPath: s.opts.RootPath}
	if s.opts.ProxyHeaders {
		q.peer = forwarded(r.Header, q.peer)
		if v := r.Header.Get(headerRootPath); v != "" {
			if q.rootPath, err = decodePath(v); err != nil {
				q.rootPath = validText(v)
			}
			r.Header.Del(headerRootPath)
		}
	}
	q.collect()
	return q, nil
}

// collect makes the list of headers. net/http keeps the order of values, not
// of names, so names are sorted; it takes host and transfer-encoding out, so
// they are put back.
func (q *request) collect() {
	r := q.http
	q.headers = make([]any, 0, len(r.Header)+2)
	q.size = len(r.Method) + len(r.RequestURI) + len(r.Proto) + 4
	if r.Host != "" {
		q.header("host", r.Host)
	}
	if len(r.TransferEncoding) > 0 {
		q.header("transfer-encoding", strings.Join(r.TransferEncoding, ", "))
	}
	var room [24]string
	names := room[:0]
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		lower := lowerName(name)
		for _, value := range r.Header[name] {
			q.header(lower, value)
		}
	}
}

func (q *request) header(name, value string) {
	q.size += len(name) + len(value) + 4
	if strings.IndexByte(name, '_') >= 0 {
		return // x_y and x-y are one to whoever makes environment variables of them
	}
	q.headers = append(q.headers, []any{asgi.Bytes(name), asgi.Bytes(value)})
}

// lowerName is strings.ToLower for a header name.
func lowerName(name string) string { return strings.ToLower(name) }

func (q *request) httpVersion() string {
	switch {
	case q.http.ProtoMajor == 2:
		return "2"
	case q.http.ProtoMajor == 1 && q.http.ProtoMinor == 0:
		return "1.0"
	}
	return "1.1"
}

func (q *request) scheme(plain, secure string) string {
	if q.peer.secure {
		return secure
	}
	return plain
}
