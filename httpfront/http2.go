package httpfront

import (
	"slices"
	"strings"

	"asgibox/httpfront/http1"
	"asgibox/internal/logkey"
)

// forbiddenHTTP2 are headers of the application that HTTP/2 forbids (RFC 9113,
// 8.2.2), because they describe an HTTP/1 connection. Clients refuse a response
// that has one. net/http removes Connection, and parseHeaders removes
// Transfer-Encoding.
var forbiddenHTTP2 = []string{"Keep-Alive", "Proxy-Connection", "Te", "Upgrade"}

// dropForbidden removes the headers that HTTP/2 forbids and logs each name once.
func (x *exchange) dropForbidden(list []http1.Header) []http1.Header {
	if x.q.version != "2" {
		return list
	}
	return slices.DeleteFunc(list, func(h http1.Header) bool {
		i := slices.IndexFunc(forbiddenHTTP2, func(name string) bool { return strings.EqualFold(name, h.Name) })
		if i < 0 || strings.EqualFold(h.Name, "te") && strings.EqualFold(h.Value, "trailers") {
			return false
		}
		if name := forbiddenHTTP2[i]; x.s.firstDrop(name) {
			x.s.log.Warn("a response header was dropped because HTTP/2 forbids it; further ones are dropped silently",
				"header", name, logkey.Channel, x.channel, logkey.Path, x.q.path)
		}
		return true
	})
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
