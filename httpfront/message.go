package httpfront

import "net/http"

// A request is what both protocols take from the head of an HTTP request.
type request struct {
	target
	http     *http.Request
	peer     *peer
	rootPath string
	headers  any // a list of pairs of byte strings
	size     int // of target and headers on the wire, about
}

// newRequest translates a head. Its errors are the client's mistakes.
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
	q.size = len(r.Method) + len(r.RequestURI) + len(r.Proto) + 4
	return q, q.collect(conn)
}

// httpVersion answers a text; being a constant it is in an interface for free,
// like the others below.
func (q *request) httpVersion() any {
	switch {
	case q.http.ProtoMajor == 2:
		return "2"
	case q.http.ProtoMajor == 1 && q.http.ProtoMinor == 0:
		return "1.0"
	}
	return "1.1"
}

// method answers the method in upper case.
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
