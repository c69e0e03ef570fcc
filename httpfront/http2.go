package httpfront

import (
	"net/http"
	"slices"
	"strings"

	"asgibox/internal/logkey"
)

// forbiddenHTTP2 are headers of the application that HTTP/2 forbids (RFC 9113,
// 8.2.2), because they describe an HTTP/1 connection. Clients refuse a response
// that has one. net/http removes Connection, and parseHeaders removes
// Transfer-Encoding.
var forbiddenHTTP2 = []string{"Keep-Alive", "Proxy-Connection", "Te", "Upgrade"}

// dropForbidden removes the headers that HTTP/2 forbids and logs each name once.
func (x *exchange) dropForbidden(h http.Header) {
	if x.q.http.ProtoMajor != 2 {
		return
	}
	for _, name := range forbiddenHTTP2 {
		values, ok := h[name]
		if !ok || name == "Te" && !slices.ContainsFunc(values, func(v string) bool { return !strings.EqualFold(strings.TrimSpace(v), "trailers") }) {
			continue
		}
		delete(h, name)
		if x.s.firstDrop(name) {
			x.s.log.Warn("a response header was dropped because HTTP/2 forbids it; further ones are dropped silently",
				"header", name, logkey.Channel, x.channel, logkey.Path, x.q.path)
		}
	}
}

// firstDrop reports whether the server has not dropped this header before.
func (s *Server) firstDrop(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dropped[name] {
		return false
	}
	s.dropped[name] = true
	return true
}
