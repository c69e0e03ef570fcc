package httpfront

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
	"asgibox/internal/budget"
	"asgibox/internal/logkey"
)

// A socket is one WebSocket from its handshake on. The goroutine of its HTTP
// request waits for the reply to the handshake. After the socket is accepted, a
// reading goroutine owns it until its end. A writing goroutine, the pump, runs
// whenever there is something to write.
type socket struct {
	s       *Server
	channel string
	path    string
	// Both as interface values, which every message from the client shares.
	channelValue, pathValue any

	target   string
	client   any
	started  time.Time
	offered  []string
	protocol string // selected by the server; of an open socket the one in use
	box      mailbox
	open     atomic.Bool  // the handshake was accepted
	trace    asgi.TraceID // of its handshake
	traffic  traffic

	// Used only during the handshake.
	t      transport // set to nil under the mutex
	q      *request
	wakeup chan struct{}

	// Used only while the socket is open.
	wire    *wire
	frames  frameReader     // used by the reader only, except compressed
	pumps   sync.WaitGroup  // and functions of timers; finish waits for them
	order   int64           // order of the last message received; used by the reader only
	seen    atomic.Int64    // when data was last read or written, in Unix nanoseconds
	arrival *budget.Arrival // memory of the message that is being read; used by the reader only

	mu        sync.Mutex    // guards the rest
	serverEnd *ending       // how the server ended it
	ended     chan struct{} // closed when serverEnd is set; nil until it is used
	slow      bool          // it is being closed because its client does not read
	stopWait  func()        // ends the wait of a frame for room; nil if none waits
	heartbeat heartbeat
}

// An ending describes how the server ends a socket.
type ending struct {
	code   int
	reason string
	by     string // empty if the connection was lost
}

// Values of Event.By: the side that ended a WebSocket.
const (
	byClient      = "client"
	byApplication = "application"
	byHand        = "hand" // a call of [Server.CloseConnection]
	byServer      = "server"
)

// serveSocket serves a handshake. It returns when the socket is accepted or has
// ended.
func (s *Server) serveSocket(t transport, q *request) error {
	if f, ok := checkUpgrade(q); !ok {
		return s.refuse(t, q, f)
	}
	if len(q.uri) > maxSocketTarget {
		return s.refuse(t, q, refusedSocketTarget)
	}
	if !s.origins.allows(q) {
		s.log.Warn("a WebSocket from another origin was refused; to allow it, use --allow-origin",
			"origin", q.get("origin"), "host", q.host, logkey.Path, q.path, logkey.Client, endpointString(q.peer.client))
		return s.refuse(t, q, refusedOrigin)
	}
	if s.disconnects.tooMany() {
		return s.refuse(t, q, refusedEnded)
	}
	head := q.headMemory()
	if !holdHead(&s.heads, head) {
		return s.refuse(t, q, refusedCrowded)
	}
	defer s.heads.Add(-head)
	c := &socket{
		s: s, channel: s.names.next(s.prefix), client: q.peer.client,
		path: strings.Clone(q.path), target: strings.Clone(q.uri), // not the head of the request
		started: q.started, t: t, q: q, wakeup: make(chan struct{}, 1),
	}
	c.channelValue, c.pathValue = c.channel, c.path
	c.offered = tokens(q.values("sec-websocket-protocol"))
	c.protocol = s.selectProtocol(c.offered)
	c.box.owner, c.box.outputs = c, &s.outputs
	if refused := s.conns.add(c.channel, &c.box, c); refused != nil {
		return s.refuse(t, q, *refused)
	}
	return c.handshake()
}

// handshake sends websocket.connect and waits for the reply. It fails with
// errAborted if the client is gone.
func (c *socket) handshake() error {
	cause := c.s.cause()
	c.trace = cause.Trace()
	m, err := c.connectMessage()
	if err == nil {
		err = c.s.layer.Send(c.t.context(), cause, asgi.WebSocketConnect, m, asgi.Volatile)
	}
	if err != nil {
		c.refuseConnect(err)
		c.discard()
		return c.t.finish()
	}
	c.event(SocketConnecting, 0)
	c.t.watch(c, 0)
	p, size, f := c.waitForReply()
	c.t.unwatch()
	if f == nil {
		if err = c.upgrade(c.protocolFor(p), p.headers); err == nil {
			c.detach(p, size)
			return nil
		}
		c.s.log.Warn("a WebSocket was accepted but could not be opened", logkey.Channel, c.channel, logkey.Path, c.path, logkey.Error, err)
		if errors.Is(err, http.ErrNotSupported) {
			f = &refusedNoUpgrade
		}
	}
	switch {
	case f == nil:
	case f.status == 0: // the client is gone
		c.event(SocketDisconnected, asgi.CloseLost)
	default:
		c.s.public(*f).write(c.t, c.q)
		c.event(SocketRefused, f.status)
	}
	c.box.release(size)
	c.finish(asgi.CloseLost)
	if f != nil && f.status == 0 {
		return errAborted
	}
	return c.t.finish()
}

// watching does nothing: a handshake always checks whether its client has left.
func (c *socket) watching() {}

func (c *socket) connectMessage() (asgi.Message, error) {
	q := c.q
	return asgi.NewMessage(
		asgi.Field{Key: asgi.KeyReplyChannel, Value: c.channel},
		asgi.Field{Key: asgi.KeyHTTPVersion, Value: q.httpVersion()},
		asgi.Field{Key: asgi.KeyScheme, Value: q.socketScheme()},
		asgi.Field{Key: asgi.KeyPath, Value: q.path},
		asgi.Field{Key: asgi.KeyQueryString, Value: asgi.Bytes(q.query)},
		asgi.Field{Key: asgi.KeyRootPath, Value: q.rootPath},
		asgi.Field{Key: asgi.KeyHeaders, Value: q.headers},
		asgi.Field{Key: asgi.KeyClient, Value: q.peer.client},
		asgi.Field{Key: asgi.KeyServer, Value: q.peer.server},
		asgi.Field{Key: asgi.KeyOrder, Value: 0},
	)
}

func (c *socket) refuseConnect(err error) {
	f, known := refusedLayer(err)
	if !known {
		c.s.log.Error("a WebSocket handshake could not be sent", logkey.Path, c.path, logkey.Error, err)
	}
	c.s.public(f).write(c.t, c.q)
	c.event(SocketRefused, f.status)
}

// waitForReply returns the reply that accepts, or the refusal that ends the handshake.
// The refusal has no status if the client is gone. The reply keeps its size in the
// mailbox until it is written.
func (c *socket) waitForReply() (p socketReply, size int, f *refusal) {
	var late <-chan time.Time
	if d := c.s.opts.ConnectTimeout; d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		late = timer.C
	}
	for {
		e, ok := c.box.take()
		if ok {
			p, f, done := c.checkReply(e)
			if done {
				return p, e.size, f
			}
			c.box.release(e.size)
			continue
		}
		if !c.box.idle() {
			continue
		}
		c.s.reportUnattended(asgi.WebSocketConnect, c.path)
		select {
		case <-c.wakeup:
		case <-c.t.left():
			return socketReply{}, 0, &refusal{}
		case <-c.s.life.Done():
			return socketReply{}, 0, &refusedStopping
		case <-late:
			c.s.log.Warn("a WebSocket handshake got no reply in time; check that a worker receives "+asgi.WebSocketConnect+" and replies {accept: True}",
				logkey.Channel, c.channel, logkey.Path, c.path, "timeout", c.s.opts.ConnectTimeout)
			return socketReply{}, 0, &refusedHandshakeLate
		}
	}
}

// checkReply checks one entry of the mailbox during the handshake. It reports
// whether the handshake is done.
func (c *socket) checkReply(e entry) (p socketReply, f *refusal, done bool) {
	switch {
	case e.ending != nil && e.ending.code != asgi.CloseGoingAway:
		return p, &refusedDenied, true
	case e.ending != nil:
		return p, &refusedStopping, true
	case e.err != nil:
		c.s.log.Error("a WebSocket handshake was refused because the data of its reply could not be stored", logkey.Channel, c.channel, logkey.Error, e.err)
		return p, &refusedUnstored, true
	}
	p, bad := parseSocketReply(e.message, true)
	switch {
	case bad != nil:
		c.ignored(e.problemLevel(), bad)
		return p, nil, false
	case p.deny:
		return p, &refusedDenied, true
	case p.accept || p.hasData:
		return p, nil, true
	case p.close != 0:
		return p, p.refusal(), true
	}
	c.s.log.Log(context.Background(), e.problemLevel(), "a message to a WebSocket was ignored: it neither accepts nor closes the waiting handshake", logkey.Channel, c.channel)
	return p, nil, false
}

func (c *socket) ignored(level slog.Level, bad *problem) {
	c.s.log.Log(context.Background(), level, "a message to a WebSocket was ignored", logkey.Channel, c.channel, keyKey, bad.key, logkey.Problem, bad.what)
}

// refusal returns the refusal for a handshake that the application closes.
func (p socketReply) refusal() *refusal {
	if p.response == nil {
		return &refusedDenied
	}
	return &refusal{status: p.response.status, response: p.response, closeConn: true}
}

// protocolFor returns the sub-protocol that the application selected. If it
// selected none, or one that the client did not offer, it returns the server's.
func (c *socket) protocolFor(p socketReply) string {
	if p.subprotocol == "" {
		if c.protocol == "" && len(c.offered) > 0 {
			c.s.log.Warn("a WebSocket has no sub-protocol, because the server has none that the client offers; to add one, use --ws-protocol",
				logkey.Channel, c.channel, logkey.Path, c.path, "offered", c.offered, "supported", c.s.opts.Protocols)
		}
		return c.protocol
	}
	if slices.Contains(c.offered, p.subprotocol) {
		return p.subprotocol
	}
	c.s.log.Warn("a sub-protocol that the client did not offer was ignored",
		logkey.Channel, c.channel, keyKey, "subprotocol", "subprotocol", p.subprotocol, "offered", c.offered)
	return c.protocol
}

// detach makes the socket independent of its HTTP request. The reply that accepted it has
// a size in the mailbox.
func (c *socket) detach(first socketReply, size int) {
	c.event(SocketConnected, http.StatusSwitchingProtocols)
	c.arrival = c.s.budget.Arrival(c, c.q.peer.arriving, Forever)
	c.arrival.CountsItself()
	c.frames.heard = c.heard
	c.mu.Lock()
	c.t = nil
	c.mu.Unlock()
	c.q, c.offered = nil, nil
	c.seen.Store(time.Now().UnixNano())
	c.open.Store(true)
	c.startHeartbeat()
	c.pumps.Add(1)
	go c.pump(&first, size) // the pump replaces the handshake as consumer of the mailbox
	go c.read()
}

// wake wakes the handshake or starts a pump. The mailbox calls it.
func (c *socket) wake() {
	if c.open.Load() {
		c.pumps.Add(1)
		go c.pump(nil, 0)
		return
	}
	select {
	case c.wakeup <- struct{}{}:
	default:
	}
}

// finish ends the socket and sends websocket.disconnect. It must be called
// once, by the handshake or the reader.
func (c *socket) finish(code int) {
	c.box.close()
	defer c.s.conns.done()
	if c.open.Load() {
		c.stopHeartbeat()
		c.wire.Close()
		c.pumps.Wait()
		c.event(SocketDisconnected, code)
		var draining sync.WaitGroup
		draining.Go(c.wire.drain)
		defer draining.Wait()
	}
	c.s.unregister(c.channel)
	c.s.conns.removeSocket(c)
	if c.s.hasReader(asgi.WebSocketDisconnect) {
		c.s.disconnect(c.disconnectMessage(code))
	}
}

// discard ends a handshake that was not sent to the application.
func (c *socket) discard() {
	c.box.close()
	c.s.unregister(c.channel)
	c.s.conns.removeSocket(c)
	c.s.conns.done()
}

// disconnectMessage returns the message for websocket.disconnect.
func (c *socket) disconnectMessage(code int) asgi.Message {
	return asgi.MustMessage(
		asgi.Field{Key: asgi.KeyReplyChannel, Value: c.channel},
		asgi.Field{Key: asgi.KeyPath, Value: c.path},
		asgi.Field{Key: asgi.KeyCode, Value: code},
		asgi.Field{Key: asgi.KeyOrder, Value: c.order + 1},
	)
}

// endedBy returns the side that ended a socket with that code.
func (c *socket) endedBy(code int) string {
	switch last := c.ending(); {
	case last != nil && last.code == code:
		return last.by
	case code == asgi.CloseLost:
		return ""
	}
	return byClient
}

func (c *socket) event(kind EventKind, status int) {
	by := ""
	if kind == SocketDisconnected {
		by = c.endedBy(status)
	}
	c.s.event(Event{
		Kind: kind, Client: c.client, Method: http.MethodGet, Target: c.target, Version: "1.1",
		Path: c.path, Status: status, Started: c.started, Duration: time.Since(c.started), Channel: c.channel, Trace: c.trace, By: by,
	})
}
