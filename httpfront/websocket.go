package httpfront

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"asgibox/asgi"
)

const (
	channelConnect          = "websocket.connect"
	channelReceive          = "websocket.receive"
	channelSocketDisconnect = "websocket.disconnect"
)

// A socket is one WebSocket, from its handshake on. The goroutine of its HTTP
// request waits for the answer; once that is yes, a reading goroutine owns the
// socket to its end and a writing one, the pump, comes and goes.
type socket struct {
	s       *Server
	channel string
	path    string
	// Both as values of messages, which are many.
	channelValue, pathValue any

	target   string
	client   any
	began    time.Time
	offered  []string
	protocol string // chosen
	box      mailbox
	open     atomic.Bool  // the handshake was accepted
	trace    asgi.TraceID // of its handshake
	traffic  traffic

	// Of the handshake only.
	w      http.ResponseWriter
	q      *request
	wakeup chan struct{}

	// Of the open socket.
	wire  *wire
	conn  *websocket.Conn
	pumps sync.WaitGroup
	order int64        // of the last message that was received; the reader's
	seen  atomic.Int64 // when data last came or went; Unix nanoseconds

	mu    sync.Mutex // guards the rest
	last  *ending    // how the server ended it
	slow  bool       // it is being ended for its slowness
	beats heartbeat
}

// An ending is how the server ends a socket.
type ending struct {
	code   int
	reason string
	by     string // empty if the client is lost
}

// Who ended a WebSocket.
const (
	byClient      = "client"
	byApplication = "application"
	byHand        = "hand" // somebody who called [Server.CloseConnection]
	byServer      = "server"
)

// serveSocket carries out a handshake. An accepted socket goes on by itself.
func (s *Server) serveSocket(w http.ResponseWriter, q *request, began time.Time) {
	r := q.http
	if f, ok := checkUpgrade(r); !ok {
		s.refuse(w, r, began, f)
		return
	}
	if !s.origins.allows(r) {
		s.log.Warn("a WebSocket from a page of another origin was refused; --allow-origin would let it in",
			"origin", r.Header.Get("Origin"), "host", r.Host, keyPath, q.path, keyClient, endpointString(q.peer.client))
		s.refuse(w, r, began, refusedOrigin)
		return
	}
	c := &socket{
		s: s, channel: s.names.next(s.prefix), path: q.path, target: r.RequestURI, client: q.peer.client,
		began: began, w: w, q: q, wakeup: make(chan struct{}, 1),
	}
	c.channelValue, c.pathValue = c.channel, c.path
	c.offered = tokens(r.Header["Sec-Websocket-Protocol"])
	c.protocol = s.choose(c.offered)
	c.box.owner, c.box.all = c, &s.bytes
	if !s.conns.join(c.channel, &c.box, c) {
		s.refuse(w, r, began, refusedStopping)
		return
	}
	c.handshake()
}

// handshake sends websocket.connect and waits for its answer.
func (c *socket) handshake() {
	cause := c.s.cause()
	c.trace = cause.Trace()
	m, err := c.connectMessage()
	if err == nil {
		err = c.s.layer.Send(c.q.http.Context(), cause, channelConnect, m, asgi.Volatile)
	}
	if err != nil {
		c.refuseConnect(err)
		c.forget()
		return
	}
	c.event(SocketConnecting, 0)
	p, f := c.wait()
	if f == nil {
		if err = c.upgrade(c.chosen(p)); err == nil {
			c.run(p)
			return
		}
		c.s.log.Warn("a WebSocket was accepted but could not be opened", keyChannel, c.channel, keyPath, c.path, keyError, err)
		if errors.Is(err, http.ErrNotSupported) {
			f = &refusedNoUpgrade
		}
	}
	switch {
	case f == nil:
	case f.status == 0: // nobody is left to tell
		c.event(SocketDisconnected, 1006)
	default:
		f.write(c.w, c.q.http)
		c.event(SocketRefused, f.status)
	}
	c.finish(1006)
	if f != nil && f.status == 0 {
		panic(http.ErrAbortHandler) // or net/http would answer 200 in our name
	}
}

func (c *socket) connectMessage() (asgi.Message, error) {
	q := c.q
	return asgi.NewMessage(
		asgi.Field{Key: "reply_channel", Value: c.channel},
		asgi.Field{Key: "http_version", Value: q.httpVersion()},
		asgi.Field{Key: "scheme", Value: q.socketScheme()},
		asgi.Field{Key: "path", Value: q.path},
		asgi.Field{Key: "query_string", Value: asgi.Bytes(q.query)},
		asgi.Field{Key: "root_path", Value: q.rootPath},
		asgi.Field{Key: "headers", Value: q.headers},
		asgi.Field{Key: "client", Value: q.peer.client},
		asgi.Field{Key: "server", Value: q.peer.server},
		asgi.Field{Key: "order", Value: 0},
	)
}

func (c *socket) refuseConnect(err error) {
	f := refusedBroken(err)
	switch {
	case errors.Is(err, asgi.ErrChannelFull):
		f = refusedFull
	case errors.Is(err, asgi.ErrMessageTooLarge):
		f = refusedHeaders
	default:
		c.s.log.Error("a WebSocket handshake could not be sent", keyPath, c.path, keyError, err)
	}
	f.write(c.w, c.q.http)
	c.event(SocketRefused, f.status)
}

// wait answers the reply that accepts, or the refusal that ends the handshake:
// one without a status if there is nobody left to tell.
func (c *socket) wait() (socketReply, *refusal) {
	var late <-chan time.Time
	if d := c.s.opts.ConnectTimeout; d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		late = timer.C
	}
	for {
		e, ok := c.box.take()
		if ok {
			p, f, done := c.judge(e)
			c.box.release(e)
			if done {
				return p, f
			}
			continue
		}
		if !c.box.rest() {
			continue
		}
		select {
		case <-c.wakeup:
		case <-c.q.http.Context().Done():
			return socketReply{}, &refusal{}
		case <-c.s.life.Done():
			return socketReply{}, &refusedStopping
		case <-late:
			c.s.log.Warn("nobody answered a WebSocket handshake in time; does a worker listen to "+channelConnect+" and reply {accept: True}?",
				keyChannel, c.channel, keyPath, c.path, "timeout", c.s.opts.ConnectTimeout)
			return socketReply{}, &refusedHandshakeLate
		}
	}
}

// judge looks at one entry while the handshake waits.
func (c *socket) judge(e entry) (p socketReply, f *refusal, done bool) {
	switch {
	case e.last != nil && e.last.code != 1001:
		return p, &refusedDenied, true
	case e.last != nil:
		return p, &refusedStopping, true
	case e.err != nil:
		c.s.log.Error("a handshake was not answered, since what the answer tells of could not be stored", keyChannel, c.channel, keyError, e.err)
		broken := refusedBroken(e.err)
		return p, &broken, true
	}
	p, bad := parseSocketReply(e.message, true)
	switch {
	case bad != nil:
		c.ignored(bad)
		return p, nil, false
	case p.deny:
		return p, &refusedDenied, true
	case p.accept || p.hasData:
		return p, nil, true
	case p.close != 0:
		return p, p.refusal(), true
	}
	c.s.log.Warn("a message to a waiting WebSocket neither accepts nor closes it and was ignored", keyChannel, c.channel)
	return p, nil, false
}

func (c *socket) ignored(bad *problem) {
	c.s.log.Warn("a message to a WebSocket was ignored", keyChannel, c.channel, keyKey, bad.key, keyProblem, bad.what)
}

// refusal is how a waiting handshake is closed.
func (p socketReply) refusal() *refusal {
	if p.response == nil {
		return &refusedDenied
	}
	return &refusal{status: p.response.status, response: p.response}
}

// chosen answers the sub-protocol: the application's word goes before the
// server's, if the client offered it.
func (c *socket) chosen(p socketReply) string {
	if p.subprotocol == "" {
		return c.protocol
	}
	for _, name := range c.offered {
		if name == p.subprotocol {
			return name
		}
	}
	c.s.log.Warn("a sub-protocol that the client did not offer was ignored",
		keyChannel, c.channel, keyKey, "subprotocol", "subprotocol", p.subprotocol, "offered", c.offered)
	return c.protocol
}

// run makes the socket independent of its HTTP request.
func (c *socket) run(first socketReply) {
	c.event(SocketConnected, http.StatusSwitchingProtocols)
	c.w, c.q, c.offered = nil, nil, nil
	c.seen.Store(time.Now().UnixNano())
	c.open.Store(true)
	c.startBeats()
	c.pumps.Add(1)
	go c.pump(&first) // the handshake's place at the mailbox is now the pump's
	go c.read()
}

// wake is the mailbox's way to fetch a consumer: the handshake, or a pump.
func (c *socket) wake() {
	if c.open.Load() {
		c.pumps.Add(1)
		go c.pump(nil)
		return
	}
	select {
	case c.wakeup <- struct{}{}:
	default:
	}
}

// finish ends the socket for good and tells the application, once. Only the
// handshake or the reader calls it.
func (c *socket) finish(code int) {
	c.box.close()
	if c.open.Load() {
		c.stopBeats()
		c.wire.Close() // before CloseNow, which may wait for a handshake
		c.conn.CloseNow()
		c.pumps.Wait()
		c.event(SocketDisconnected, code)
	}
	c.s.depart(c.channel)
	c.s.conns.closed(c)
	defer c.s.conns.leave()
	if c.s.hasReader(channelSocketDisconnect) {
		c.disconnect(code)
	}
}

// forget ends a handshake that the application has not heard of.
func (c *socket) forget() {
	c.box.close()
	c.s.depart(c.channel)
	c.s.conns.closed(c)
	c.s.conns.leave()
}

// disconnect sends websocket.disconnect, waiting for room as long as the
// message would live.
func (c *socket) disconnect(code int) {
	ctx, cancel := context.WithTimeout(c.s.life, c.s.set.Expiry)
	defer cancel()
	m, err := asgi.NewMessage(
		asgi.Field{Key: "reply_channel", Value: c.channel},
		asgi.Field{Key: "path", Value: c.path},
		asgi.Field{Key: "code", Value: code},
		asgi.Field{Key: "order", Value: c.order + 1},
	)
	if err == nil {
		cause := c.s.cause()
		err = retry(ctx, func() error {
			return c.s.layer.Send(ctx, cause, channelSocketDisconnect, m, asgi.Volatile)
		})
	}
	if err != nil {
		c.s.log.Warn("the end of a WebSocket could not be told", keyChannel, c.channel, keyCode, code, keyError, err)
	}
}

// ender answers who ended a socket that ended with that code.
func (c *socket) ender(code int) string {
	switch last := c.ending(); {
	case last != nil && last.code == code:
		return last.by
	case code == 1006:
		return ""
	}
	return byClient
}

func (c *socket) event(kind EventKind, status int) {
	by := ""
	if kind == SocketDisconnected {
		by = c.ender(status)
	}
	c.s.event(Event{
		Kind: kind, Client: c.client, Method: http.MethodGet, Target: c.target, Version: "1.1",
		Path: c.path, Status: status, Duration: time.Since(c.began), Channel: c.channel, Trace: c.trace, By: by,
	})
}
