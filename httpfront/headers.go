package httpfront

import (
	"strings"

	"asgibox/asgi"
	"asgibox/httpfront/http1"
	"asgibox/internal/guard"
)

// A headerSet holds the headers of a request and what they mean to the server. A
// connection keeps it for its next request, because most clients send the same
// headers again and again.
type headerSet struct {
	fields   []http1.Header // in the order sent; names are in lower case
	headers  any            // in message form: a list of pairs of byte strings
	peer     *peer          // the ends that the application sees
	rootPath any            // text
	socket   bool           // they ask for a WebSocket, even if in a wrong way
}

// newHeaderSet returns the headers of a request that came from p.
func (s *Server) newHeaderSet(fields []http1.Header, p *peer) *headerSet {
	h := &headerSet{fields: fields, peer: p, rootPath: s.opts.RootPath}
	h.socket = hasToken(h.values("upgrade"), "websocket")
	if s.opts.ProxyHeaders {
		h.peer = h.forwarded(p)
		if v := h.get(headerRootPath); v != "" {
			path, err := decodePath(v)
			if err != nil {
				path = validText(v)
			}
			h.rootPath = path
		}
	}
	pairs := make([]any, 0, len(fields))
	items := make([]any, 0, 2*len(fields))
	for _, f := range fields {
		switch {
		case strings.IndexByte(f.Name, '_') >= 0:
			continue // X_Y and X-Y get the same name in environment variables
		case f.Name == headerRootPath && s.opts.ProxyHeaders:
			continue
		case f.Name == "cookie": // the application and recordings must not get the token of the control server
			rest := guard.RemoveCookie(f.Value)
			if rest == "" && f.Value != "" {
				continue
			}
			f.Value = rest
		}
		items = append(items, nameValue(f.Name), asgi.Bytes(f.Value))
		pairs = append(pairs, items[len(items)-2:len(items):len(items)])
	}
	h.headers, _ = asgi.Converter(nil).OwnValue(pairs) // byte strings are always valid
	return h
}

// get returns the first value of a header, or "".
func (h *headerSet) get(name string) string {
	for _, f := range h.fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// values returns all values of a header.
func (h *headerSet) values(name string) (values []string) {
	for _, f := range h.fields {
		if f.Name == name {
			values = append(values, f.Value)
		}
	}
	return values
}

// nameValues are the most common header names as values of messages.
var nameValues = func() map[string]any {
	m := make(map[string]any)
	for name := range strings.FieldsSeq(`host transfer-encoding accept accept-encoding accept-language authorization cache-control
		connection content-length content-type cookie dnt if-modified-since if-none-match origin pragma priority
		range referer sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site
		sec-fetch-user sec-gpc sec-websocket-extensions sec-websocket-key sec-websocket-protocol
		sec-websocket-version upgrade upgrade-insecure-requests user-agent x-forwarded-for x-forwarded-host
		x-forwarded-port x-forwarded-proto x-real-ip x-request-id x-requested-with`) {
		m[name] = asgi.Bytes(name)
	}
	return m
}()

// nameValue returns a header name as a byte string.
func nameValue(name string) any {
	if v, ok := nameValues[name]; ok {
		return v
	}
	return asgi.Bytes(name)
}
