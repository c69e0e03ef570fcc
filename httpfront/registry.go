package httpfront

import (
	"sync"

	"asgibox/asgi"
)

// lateNames is how many timed-out channels are remembered, to tell a reply
// that came too late from one to a client that left.
const lateNames = 1000

// A registry knows the connections that there are. Each is known by its reply
// channel from join to part, and counted until leave.
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

// join lets a connection in, unless the server is shutting down. The socket is
// nil for a request.
func (g *registry) join(channel string, b *mailbox, c *socket) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining {
		return false
	}
	g.boxes[channel] = b
	if c != nil {
		g.sockets[c] = struct{}{}
	}
	g.count++
	return true
}

// part ends a channel: nothing is delivered to it any more.
func (g *registry) part(channel string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.boxes, channel)
}

// leave uncounts a connection of which everything has been said.
func (g *registry) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count--
	g.checkEmptyLocked()
}

// hold counts one more for a goroutine that outlives its connection.
func (g *registry) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count++
}

func (g *registry) checkEmptyLocked() {
	if g.draining && g.count == 0 {
		close(g.empty)
		g.count = -1 << 40 // once
	}
}

// drain lets nobody in any more and answers the sockets that are open.
func (g *registry) drain() []*socket {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.draining {
		g.draining = true
		g.checkEmptyLocked()
	}
	open := make([]*socket, 0, len(g.sockets))
	for c := range g.sockets {
		open = append(open, c)
	}
	return open
}

func (g *registry) closed(c *socket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sockets, c)
}

func (g *registry) openSockets() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sockets)
}

func (g *registry) box(channel string) *mailbox {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.boxes[channel]
}

// timedOut remembers a channel whose replies come too late from now on.
func (g *registry) timedOut(channel string) {
	g.mu.Lock()
	defer g.mu.Unlock()
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

// deliver is what the layer calls with every reply, on its sender's goroutine.
func (s *Server) deliver(d asgi.Delivery) error {
	if box := s.conns.box(d.Channel); box != nil {
		return box.put(d)
	}
	if s.conns.isLate(d.Channel) {
		s.log.Warn("a reply came after the time-out and was dropped", keyChannel, d.Channel)
	} else {
		s.log.Debug("a reply came after its connection had ended and was dropped", keyChannel, d.Channel)
	}
	return asgi.ErrGone
}
