package httpfront

import (
	"sync/atomic"
	"time"
)

// A request holds the parts of an HTTP request that HTTP and WebSocket messages
// share.
type request struct {
	target
	*headerSet
	started time.Time
	method  string // as sent: only HEAD has a response without a body, and head has not
	uri     string // the target as sent
	version string // "1.0", "1.1" or "2"
	host    string
	length  int64 // of the body, -1 if unknown
	size    int   // of the head, about
}

// serve serves a request. It fails with errAborted if the client must not get a
// response, or not the rest of it.
func (s *Server) serve(t transport, q *request) (err error) {
	if q.target, err = parseTarget(q.method, q.uri); err != nil {
		return s.refuse(t, q, badRequest(err))
	}
	if q.socket && q.version != "2" {
		return s.serveSocket(t, q)
	}
	if s.isOwn(q) {
		return s.serveOwn(t, q)
	}
	return s.serveRequest(t, q)
}

// usualHead is how much memory the head of a request may use outside of the
// budget while the body arrives, in bytes.
const usualHead = 8 << 10

// headsMemory is how much memory the heads of all requests that run may use
// together, and again those that arrive, without the usual parts, in bytes.
const headsMemory = 64 << 20

// holdHead reserves n bytes for a head, or gives them back if n is negative. It
// reports whether there was enough memory.
func holdHead(used *atomic.Int64, n int64) bool {
	if used.Add(n) > headsMemory && n > 0 {
		used.Add(-n)
		return false
	}
	return true
}

// holdHead reserves the memory of the head of a request until it ends, and reports
// whether there was enough.
func (x *exchange) holdHead() bool {
	n := x.q.headMemory()
	if !holdHead(&x.s.heads, n) {
		return false
	}
	x.head = n
	return true
}

// headMemory returns the approximate memory of the head, in bytes, without the
// usual part.
func (q *request) headMemory() int64 { return max(0, int64(2*q.size+256*len(q.fields))-usualHead) }

// httpVersion returns a text. Like the methods below it returns constants, which
// can be stored in an interface without an allocation.
func (q *request) httpVersion() any {
	switch q.version {
	case "2":
		return "2"
	case "1.0":
		return "1.0"
	}
	return "1.1"
}

// methodValue returns the method in upper case.
func (q *request) methodValue() any {
	switch m := upper(q.method); m {
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
