package httpfront

import (
	"bytes"
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"asgibox/asgi"
)

// receivePatience is how long a client waits for room on websocket.receive.
const receivePatience = 5 * time.Second

var payloads = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// read is the goroutine that owns an open socket: it sends what the client
// says until one side ends the connection.
func (c *socket) read() {
	code := 1011
	defer func() { c.finish(code) }()
	defer c.survive()
	code = c.readAll()
}

// survive ends a socket whose goroutine panics, and nothing else.
func (c *socket) survive() {
	if v := recover(); v != nil {
		c.s.log.Error("a WebSocket was cut: serving it went wrong", keyChannel, c.channel, keyPath, c.path, keyError, v, "stack", string(debug.Stack()))
		c.cut()
	}
}

// readAll answers the code that the connection ended with.
func (c *socket) readAll() int {
	for {
		kind, payload, err := c.readMessage()
		if err != nil {
			return c.ended(err)
		}
		c.seen.Store(time.Now().UnixNano())
		c.traffic.in(len(payload))
		switch {
		case c.ending() != nil:
			continue // the server has closed; what comes now is not listened to
		case kind == websocket.MessageText && !utf8.ValidString(payload):
			return c.shut(1007, "text that is not UTF-8")
		}
		if code := c.receive(kind, payload); code != 0 {
			return code
		}
	}
}

func (c *socket) readMessage() (websocket.MessageType, string, error) {
	kind, r, err := c.conn.Reader(context.Background())
	if err != nil {
		return 0, "", err
	}
	b := payloads.Get().(*bytes.Buffer)
	b.Reset()
	_, err = b.ReadFrom(r)
	payload := b.String()
	if b.Cap() <= 64<<10 {
		payloads.Put(b)
	}
	return kind, payload, err
}

// receive sends one frame on websocket.receive. A client for whom there is no
// room is not read from meanwhile. It answers zero, or the code that the
// socket was closed with.
func (c *socket) receive(kind websocket.MessageType, payload string) int {
	c.order++
	var text, data any
	if kind == websocket.MessageText {
		text = payload
	} else {
		data = asgi.Bytes(payload)
	}
	m, err := asgi.Converter(nil).OwnMessage(asgi.Fields{
		{Key: "reply_channel", Value: c.channelValue},
		{Key: "path", Value: c.pathValue},
		{Key: "bytes", Value: data},
		{Key: "text", Value: text},
		{Key: "order", Value: c.order},
	})
	cause := c.s.cause()
	if err == nil {
		err = c.s.layer.Send(c.s.life, cause, channelReceive, m, asgi.Volatile)
	}
	if errors.Is(err, asgi.ErrChannelFull) {
		err = c.receiveLater(cause, m)
	}
	switch {
	case err == nil:
		return 0
	case c.ending() != nil:
		c.order--
		return 0 // the next read tells
	}
	c.order--
	switch {
	case errors.Is(err, asgi.ErrChannelFull):
		c.s.log.Warn("a WebSocket was closed: there was no room on "+channelReceive, keyChannel, c.channel, keyPath, c.path)
		return c.shut(1013, "the server is busy")
	case errors.Is(err, asgi.ErrMessageTooLarge):
		return c.shut(1009, "message too large")
	}
	c.s.log.Error("a frame could not be sent to the application", keyChannel, c.channel, keyError, err)
	return c.shut(1011, "")
}

// receiveLater tries again until there is room, for as long as a client may be
// kept waiting.
func (c *socket) receiveLater(cause *asgi.Cause, m asgi.Message) error {
	ctx, cancel := context.WithTimeout(c.s.life, receivePatience)
	defer cancel()
	return retry(ctx, func() error {
		if c.ending() != nil {
			return asgi.ErrGone
		}
		return c.s.layer.Send(ctx, cause, channelReceive, m, asgi.Volatile)
	})
}

// shut closes the socket from the reading goroutine, which does not read on,
// and answers the code.
func (c *socket) shut(code int, reason string) int {
	e := c.decide(ending{code, reason, byServer})
	c.box.close()
	c.goodbye(e)
	return e.code
}

// goodbye sends a close frame, waits for the peer's and closes the connection.
// The WebSocket library waits five seconds for the beginning of a frame but
// for ever for the rest of one.
func (c *socket) goodbye(e ending) {
	c.wire.Conn.SetReadDeadline(time.Now().Add(lastReads))
	c.conn.Close(websocket.StatusCode(e.code), e.reason)
}

// ended answers the code for an error of the WebSocket library, and lets the
// peer read the close frame if it was at fault.
func (c *socket) ended(err error) int {
	switch last := c.ending(); {
	case last != nil:
		return last.code
	case websocket.CloseStatus(err) != -1:
		if c.wire.closeCode() == 1007 {
			return 1007 // its reason was not UTF-8
		}
		return int(websocket.CloseStatus(err))
	case errors.Is(err, websocket.ErrMessageTooBig):
		c.s.log.Debug("a WebSocket message was too large", keyChannel, c.channel, "limit", c.s.set.MaxMessage)
		return c.shut(1009, "")
	case c.wire.lost.Load():
		return 1006
	}
	c.s.log.Debug("a WebSocket client broke the protocol", keyChannel, c.channel, keyError, err)
	return c.shut(1002, "")
}

// decide settles how the server ends the socket: the first word counts.
func (c *socket) decide(e ending) ending {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last = &e
	}
	return *c.last
}

// ending answers how the server has ended the socket, or nil.
func (c *socket) ending() *ending {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}
