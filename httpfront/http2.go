package httpfront

import (
	"slices"
	"strings"

	"asgibox/httpfront/http1"
	"asgibox/internal/logkey"
)

const (
	// maxStreams is how many requests of a connection run.
	maxStreams = 100
	// streamBuffer is how many bytes of a body net/http reads ahead. It may not be less,
	// because clients may send this much before they learn of another limit.
	streamBuffer = 64 << 10
	// streamsMemory is how much memory net/http may use for the bodies that it reads ahead.
	// Each connection may use one streamBuffer besides.
	streamsMemory = 64 << 20
)

// holdStream reserves the memory for the part of a body that net/http reads ahead, until
// the exchange ends. It reports whether there was enough.
func (x *exchange) holdStream() bool {
	if x.q.version != "2" {
		return true
	}
	n := int64(streamBuffer)
	if x.q.length >= 0 {
		n = min(n, x.q.length)
	}
	all := x.q.peer.ahead.Add(n)
	x.ahead, x.shared = n, min(n, max(0, all-streamBuffer))
	if x.s.ahead.Add(x.shared) > streamsMemory && x.shared > 0 {
		x.releaseStream()
		return false
	}
	return true
}

func (x *exchange) releaseStream() {
	x.q.peer.ahead.Add(-x.ahead)
	x.s.ahead.Add(-x.shared)
	x.ahead, x.shared = 0, 0
}

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
