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
	pairs    []any // what the pairs are made of
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
	q.pairs = make([]any, 0, 2*(len(r.Header)+2))
	q.size = len(r.Method) + len(r.RequestURI) + len(r.Proto) + 4
	if r.Host != "" {
		q.header(nameHost, r.Host)
	}
	if len(r.TransferEncoding) > 0 {
		q.header(nameTransferEncoding, strings.Join(r.TransferEncoding, ", "))
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

// header adds one; its name is a byte string, put into an interface already.
func (q *request) header(name any, value string) {
	n := string(name.(asgi.Bytes))
	q.size += len(n) + len(value) + 4
	if strings.IndexByte(n, '_') >= 0 {
		return // x_y and x-y are one to whoever makes environment variables of them
	}
	q.pairs = append(q.pairs, name, asgi.Bytes(value))
	q.headers = append(q.headers, q.pairs[len(q.pairs)-2:len(q.pairs):len(q.pairs)])
}

var (
	nameHost             any = asgi.Bytes("host")
	nameTransferEncoding any = asgi.Bytes("transfer-encoding")
)

// lowerNames are the headers that most requests have.
var lowerNames = func() map[string]any {
	m := make(map[string]any)
	for _, name := range strings.Fields(`Accept Accept-Encoding Accept-Language Authorization Cache-Control
		Connection Content-Length Content-Type Cookie Dnt If-Modified-Since If-None-Match Origin Pragma Priority
		Range Referer Sec-Ch-Ua Sec-Ch-Ua-Mobile Sec-Ch-Ua-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site
		Sec-Fetch-User Sec-Gpc Sec-Websocket-Extensions Sec-Websocket-Key Sec-Websocket-Protocol
		Sec-Websocket-Version Upgrade Upgrade-Insecure-Requests User-Agent X-Forwarded-For X-Forwarded-Host
		X-Forwarded-Port X-Forwarded-Proto X-Real-Ip X-Request-Id X-Requested-With`) {
		m[name] = asgi.Bytes(strings.ToLower(name))
	}
	return m
}()

// lowerName is strings.ToLower for a header name, as a byte string.
func lowerName(name string) any {
	if v, ok := lowerNames[name]; ok {
		return v
	}
	return asgi.Bytes(strings.ToLower(name))
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
