package httpfront

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"asgibox/asgi"
)

// traffic counts the messages of one WebSocket.
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

// A ConnectionView is a snapshot of one WebSocket.
type ConnectionView struct {
	Channel  string // its reply channel
	Path     string
	Client   string // host:port
	Protocol string // selected sub-protocol
	Opened   time.Time
	Waiting  bool // the handshake waits for a reply

	// Number of messages, and the bytes in them.
	FramesIn, FramesOut int64
	BytesIn, BytesOut   int64

	// Messages that wait to be written, and their size.
	Mailbox      int
	MailboxBytes int

	// The most messages and bytes that may wait.
	MailboxRoom int
	BytesRoom   int
}

// Connections returns up to limit WebSockets, oldest first, and the number of
// all.
func (s *Server) Connections(limit int) (views []ConnectionView, all int) {
	if limit == 0 {
		return nil, s.Sockets()
	}
	sockets := s.conns.list()
	slices.SortFunc(sockets, func(a, b *socket) int {
		return cmp.Or(a.started.Compare(b.started), cmp.Compare(a.channel, b.channel))
	})
	for _, c := range sockets[:min(limit, len(sockets))] {
		views = append(views, c.view())
	}
	return views, len(sockets)
}

func (g *registry) list() []*socket {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Keys(g.sockets))
}

func (c *socket) view() ConnectionView {
	v := ConnectionView{
		Channel:   c.channel,
		Path:      c.path,
		Client:    endpointString(c.client),
		Opened:    c.started,
		Waiting:   !c.open.Load(),
		FramesIn:  c.traffic.framesIn.Load(),
		FramesOut: c.traffic.framesOut.Load(),
		BytesIn:   c.traffic.bytesIn.Load(),
		BytesOut:  c.traffic.bytesOut.Load(),

		MailboxRoom: mailboxMessages,
		BytesRoom:   mailboxBytes,
	}
	if !v.Waiting {
		v.Protocol = c.protocol
	}
	v.Mailbox, v.MailboxBytes = c.box.waiting()
	return v
}

// waiting returns the number and size of the waiting messages.
func (b *mailbox) waiting() (messages, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue) - b.head, b.bytes
}

// CloseConnection closes the WebSocket of a reply channel with a code and a
// reason, after the messages that wait for it are written.
func (s *Server) CloseConnection(channel string, code int, reason string) error {
	if !asgi.CanSendCloseCode(int64(code)) {
		return fmt.Errorf("the close code %d may not be sent", code)
	}
	for _, c := range s.conns.list() {
		if c.channel == channel {
			c.end(ending{code, c.truncateReason(reason), byHand})
			return nil
		}
	}
	return fmt.Errorf("there is no open WebSocket %s", channel)
}
