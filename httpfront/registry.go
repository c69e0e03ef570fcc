package httpfront

import (
	"maps"
	"slices"
	"sync"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// lateNames is how many channels of timed-out requests are remembered, to
// distinguish a late reply from a reply to a client that disconnected.
const lateNames = 1000

// maxRequests is how many HTTP requests may run, or be held by the application. Each
// needs about 13 KB.
const maxRequests = 20_000

// A registry holds the open connections by reply channel. A connection is in it
// from add to remove, and counts until done.
type registry struct {
	mu       sync.Mutex // guards the rest
	boxes    map[string]*mailbox
	sockets  map[*socket]struct{}
	count    int
	draining bool
	empty    chan struct{} // closed when draining and count is zero
	late     map[string]struct{}
	lateRing [lateNames]string
	lateNext int
}

func newRegistry() *registry {
	return &registry{
		boxes:   make(map[string]*mailbox),
		sockets: make(map[*socket]struct{}),
		empty:   make(chan struct{}),
		late:    make(map[string]struct{}),
	}
}

// add adds a connection. The socket is nil for an HTTP request. It returns a refusal if
// the server is shutting down, or too many requests run.
func (g *registry) add(channel string, b *mailbox, c *socket) *refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.draining:
		return &refusedStopping
	case c == nil && len(g.boxes)-len(g.sockets) >= maxRequests:
		return &refusedMany
	}
	g.boxes[channel] = b
	if c != nil {
		g.sockets[c] = struct{}{}
	}
	g.count++
	return nil
}

// remove removes a channel. Later messages to it are dropped.
func (g *registry) remove(channel string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.boxes, channel)
}

// done removes a finished connection from the count.
func (g *registry) done() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count--
	g.checkEmptyLocked()
}

// retain adds one to the count for a goroutine that outlives its connection.
func (g *registry) retain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count++
}

func (g *registry) checkEmptyLocked() {
	if g.draining && g.count == 0 {
		close(g.empty)
		g.count = -1 << 40 // so that empty is closed only once
	}
}

// drain refuses further connections and returns the open sockets.
func (g *registry) drain() []*socket {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.draining {
		g.draining = true
		g.checkEmptyLocked()
	}
	return slices.Collect(maps.Keys(g.sockets))
}

func (g *registry) removeSocket(c *socket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sockets, c)
}

func (g *registry) openSockets() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sockets)
}

func (g *registry) mailboxes() []*mailbox {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Values(g.boxes))
}

func (g *registry) box(channel string) *mailbox {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.boxes[channel]
}

// timedOut removes the channel of a request that timed out and remembers it.
func (g *registry) timedOut(channel string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.boxes, channel)
	delete(g.late, g.lateRing[g.lateNext])
	g.late[channel] = struct{}{}
	g.lateRing[g.lateNext] = channel
	g.lateNext = (g.lateNext + 1) % lateNames
}

func (g *registry) isLate(channel string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, late := g.late[channel]
	return late
}

// deliver receives every reply. The layer calls it on the sender's goroutine.
func (s *Server) deliver(d asgi.Delivery) error {
	box := s.conns.box(d.Channel)
	switch {
	case box != nil:
		return box.put(d)
	case d.Probe:
	case s.conns.isLate(d.Channel):
		s.log.Warn("a reply came after the time-out and was dropped", logkey.Channel, d.Channel)
	default:
		s.log.Debug("a reply came after its connection had ended and was dropped", logkey.Channel, d.Channel)
	}
	return asgi.ErrGone
}
