package httpfront

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// traffic counts what has gone over one WebSocket.
type traffic struct {
	framesIn, framesOut atomic.Int64
	bytesIn, bytesOut   atomic.Int64
}

func (t *traffic) in(bytes int) {
	t.framesIn.Add(1)
	t.bytesIn.Add(int64(bytes))
}

func (t *traffic) out(bytes int) {
	t.framesOut.Add(1)
	t.bytesOut.Add(int64(bytes))
}

// A ConnectionView is what one WebSocket looks like now.
type ConnectionView struct {
	Channel  string // its reply channel
	Path     string
	Client   string // host:port
	Protocol string // chosen sub-protocol
	Opened   time.Time
	Waiting  bool // for the answer to its handshake

	// Totals of messages, and of the bytes in them.
	FramesIn, FramesOut int64
	BytesIn, BytesOut   int64

	// What waits to be written.
	Mailbox      int
	MailboxBytes int

	// What it may hold at most, in messages and bytes.
	MailboxRoom int
	BytesRoom   int
}

// Connections answers up to limit WebSockets, the oldest first, and how many
// there are.
func (s *Server) Connections(limit int) (views []ConnectionView, all int) {
	if limit == 0 {
		return nil, s.Sockets()
	}
	sockets := s.conns.list()
	slices.SortFunc(sockets, func(a, b *socket) int {
		return cmp.Or(a.began.Compare(b.began), cmp.Compare(a.channel, b.channel))
	})
	for _, c := range sockets[:min(limit, len(sockets))] {
		views = append(views, c.view())
	}
	return views, len(sockets)
}

func (g *registry) list() []*socket {
	g.mu.Lock()
	defer g.mu.Unlock()
	sockets := make([]*socket, 0, len(g.sockets))
	for c := range g.sockets {
		sockets = append(sockets, c)
	}
	return sockets
}

func (c *socket) view() ConnectionView {
	v := ConnectionView{
		Channel:   c.channel,
		Path:      c.path,
		Client:    endpointString(c.client),
		Opened:    c.began,
		Waiting:   !c.open.Load(),
		FramesIn:  c.traffic.framesIn.Load(),
		FramesOut: c.traffic.framesOut.Load(),
		BytesIn:   c.traffic.bytesIn.Load(),
		BytesOut:  c.traffic.bytesOut.Load(),

		MailboxRoom: mailboxMessages,
		BytesRoom:   mailboxBytes,
	}
	if !v.Waiting {
		v.Protocol = c.conn.Subprotocol()
	}
	v.Mailbox, v.MailboxBytes = c.box.waiting()
	return v
}

// waiting answers how many messages and bytes wait.
func (b *mailbox) waiting() (messages, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue) - b.head, b.bytes
}

// CloseConnection ends the WebSocket of a reply channel with a code and a
// reason, once what waits for it is written.
func (s *Server) CloseConnection(channel string, code int, reason string) error {
	if !maySend(int64(code)) {
		return fmt.Errorf("the close code %d may not be sent", code)
	}
	for _, c := range s.conns.list() {
		if c.channel == channel {
			c.end(ending{code, c.fitReason(reason), byHand})
			return nil
		}
	}
	return fmt.Errorf("there is no open WebSocket %s", channel)
}
