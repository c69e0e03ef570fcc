package httpfront

import (
	"net/http"

	"asgibox/internal/guard"
)

// A request holds the parts of an HTTP request that HTTP and WebSocket messages
// share.
type request struct {
	target
	http     *http.Request
	peer     *peer
	rootPath string
	headers  any // a list of pairs of byte strings
	size     int // approximate bytes of target and headers on the wire
	lines    int // number of header lines
}

// newRequest parses a request. Its errors are caused by the client.
func (s *Server) newRequest(r *http.Request) (*request, error) {
	t, err := parseTarget(r)
	if err != nil {
		return nil, err
	}
	conn := peerOf(r)
	q := &request{target: t, http: r, peer: conn, rootPath: s.opts.RootPath}
	if s.opts.ProxyHeaders {
		q.peer = forwarded(r.Header, q.peer)
		if v := r.Header.Get(headerRootPath); v != "" {
			if q.rootPath, err = decodePath(v); err != nil {
				q.rootPath = validText(v)
			}
			r.Header.Del(headerRootPath)
		}
	}
	guard.RemoveCookie(r.Header) // the application and recordings must not get the token of the control server
	q.size = len(r.Method) + len(r.RequestURI) + len(r.Proto) + 4
	return q, q.collectHeaders(conn)
}

// usualHead is how much memory the head of a request may use outside of the
// budget while the body arrives, in bytes.
const usualHead = 8 << 10

// headMemory returns the approximate memory of the head, in bytes, without the
// usual part.
func (q *request) headMemory() int64 { return max(0, int64(2*q.size+256*q.lines)-usualHead) }

// httpVersion returns a text. Like the methods below it returns constants, which
// can be stored in an interface without an allocation.
func (q *request) httpVersion() any {
	switch {
	case q.http.ProtoMajor == 2:
		return "2"
	case q.http.ProtoMajor == 1 && q.http.ProtoMinor == 0:
		return "1.0"
	}
	return "1.1"
}

// method returns the method in upper case.
func (q *request) method() any {
	switch m := upper(q.http.Method); m {
	case "GET":
		return "GET"
	case "POST":
		return "POST"
	case "HEAD":
		return "HEAD"
	case "PUT":
		return "PUT"
	case "DELETE":
		return "DELETE"
	case "OPTIONS":
		return "OPTIONS"
	default:
		return m
	}
}

func (q *request) httpScheme() any {
	if q.peer.secure {
		return "https"
	}
	return "http"
}

func (q *request) socketScheme() any {
	if q.peer.secure {
		return "wss"
	}
	return "ws"
}
