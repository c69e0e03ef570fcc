package httpfront

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"asgibox/internal/budget"
)

// maxHTTP2 is how many connections may use HTTP/2. net/http holds up to 190 KB for each.
const maxHTTP2 = 2000

// http2Conns limits the connections that use HTTP/2. A new one takes the place of the
// one that has been without a request for the longest time, at least
// [budget.SilentTimeout].
type http2Conns struct {
	log *slog.Logger
	max int

	mu       sync.Mutex             // guards the rest
	reserved int                    // places of connections that are about to be added
	conns    map[net.Conn]time.Time // since when each is without a request; zero if it has one
	warned   time.Time              // when the log last said that there is no place
}

// reserve reserves a place for a connection. If all are taken, it closes an idle
// connection or returns false.
func (h *http2Conns) reserve() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reserved+len(h.conns) >= h.max {
		c := h.longestIdleLocked()
		if c == nil {
			h.warnLocked()
			return false
		}
		delete(h.conns, c)
		abandon(c)
	}
	h.reserved++
	return true
}

func (h *http2Conns) longestIdleLocked() (longest net.Conn) {
	since := time.Now().Add(-budget.SilentTimeout)
	for c, t := range h.conns {
		if !t.IsZero() && !t.After(since) {
			longest, since = c, t
		}
	}
	return longest
}

// abandon closes a connection without a TLS alert, which might have to wait for the
// client to read.
func abandon(c net.Conn) {
	if secured, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = secured.NetConn()
	}
	c.Close()
}

// release gives a reserved place back.
func (h *http2Conns) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reserved--
}

// add adds a connection in a reserved place.
func (h *http2Conns) add(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reserved--
	h.conns[c] = time.Now()
}

// note notes whether a connection has a request, or that it has ended.
func (h *http2Conns) note(c net.Conn, state http.ConnState) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.conns[c]; !ok {
		return
	}
	switch state {
	case http.StateActive:
		h.conns[c] = time.Time{}
	case http.StateIdle:
		h.conns[c] = time.Now()
	case http.StateClosed, http.StateHijacked:
		delete(h.conns, c)
	}
}

// warnLocked logs once a minute that all places are taken.
func (h *http2Conns) warnLocked() {
	now := time.Now()
	if now.Sub(h.warned) < time.Minute {
		return
	}
	h.warned = now
	h.log.Warn(fmt.Sprintf("%d connections use HTTP/2 and none has been idle for %v, so new ones get HTTP/1.1, or are refused if they do not offer it", h.max, budget.SilentTimeout))
}
