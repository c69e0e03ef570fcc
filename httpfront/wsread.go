package httpfront

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// receiveTimeout is how long a frame waits for room before its socket is closed.
const receiveTimeout = 5 * time.Second

// read is the goroutine that owns an open socket. It sends the client's
// messages to the application until one side ends the connection.
func (c *socket) read() {
	code := asgi.CloseFailed
	defer func() { c.finish(code) }()
	defer c.recoverPanic()
	defer c.arrival.end()
	code = c.readAll()
}

// recoverPanic ends a socket whose goroutine panics. Other connections continue.
func (c *socket) recoverPanic() {
	if v := recover(); v != nil {
		c.s.log.Error("a WebSocket was aborted: its goroutine panicked", logkey.Channel, c.channel, logkey.Path, c.path, logkey.Error, v, "stack", string(debug.Stack()))
		c.abort()
	}
}

// readAll reads until the connection ends and returns its close code.
func (c *socket) readAll() int {
	for {
		kind, payload, err := c.readMessage()
		code := 0
		if err == nil {
			code = c.handle(kind, payload)
		}
		// The message counts in the budget until the layer has accepted it.
		refused := c.arrival.end()
		switch {
		case code != 0:
			return code
		case refused:
			return c.closeSilent()
		case err != nil:
			return c.codeFor(err)
		}
	}
}

// handle sends a message to the application. It returns zero, or the code that
// the socket was closed with.
func (c *socket) handle(kind websocket.MessageType, payload string) int {
	c.seen.Store(time.Now().UnixNano())
	c.traffic.in(len(payload))
	switch {
	case c.ending() != nil:
		return 0 // the server has closed the socket and ignores further messages
	case kind == websocket.MessageText && !utf8.ValidString(payload):
		return c.fail(asgi.CloseInvalidText, "text that is not UTF-8")
	}
	return c.receive(kind, payload)
}

// closeSilent closes the socket because the rest of its frame did not come while
// others needed the memory.
func (c *socket) closeSilent() int {
	c.s.log.Warn("a WebSocket was closed: its client stopped within a frame while others waited for memory (--body-memory)",
		logkey.Channel, c.channel, logkey.Path, c.path)
	return c.closeFromReader(asgi.CloseBusy, "the server is busy")
}

// errTooLong is the error of a message over the limit.
var errTooLong = errors.New("the message is too long")

func (c *socket) readMessage() (websocket.MessageType, string, error) {
	kind, r, err := c.conn.Reader(context.Background())
	if err != nil {
		return 0, "", err
	}
	limit := int64(-1)
	if n := int64(c.s.set.MaxMessage); n > 0 {
		limit = n + 1
	}
	payload, end, err := c.arrival.readAll(c.life, r, limit, false)
	switch {
	case err != nil && c.life.Err() != nil:
		// The server closes the socket. Reading on leaves the connection to
		// the goroutine that sends the close frame.
		c.arrival.end()
		_, err = io.Copy(io.Discard, r)
	case err == nil && !end:
		err = errTooLong
	}
	return kind, payload, err
}

// interrupt ends the reading of a frame.
func (c *socket) interrupt() { c.wire.Conn.SetReadDeadline(time.Unix(1, 0)) }

var frameShape = asgi.NewShape(asgi.KeyReplyChannel, asgi.KeyPath, asgi.KeyBytes, asgi.KeyText, asgi.KeyOrder)

// receive sends one frame on websocket.receive. While the channel is full or the
// layer cannot be reached, the client is not read. receive returns zero, or the code that the socket was
// closed with.
func (c *socket) receive(kind websocket.MessageType, payload string) int {
	c.order++
	var text, data any
	if kind == websocket.MessageText {
		text = payload
	} else {
		data = asgi.Bytes(payload)
	}
	m, err := frameShape.Message(c.channelValue, c.pathValue, data, text, c.order)
	cause := c.s.cause()
	if err == nil {
		err = c.s.layer.Send(c.s.life, cause, asgi.WebSocketReceive, m, asgi.Volatile)
	}
	if err != nil && passes(err) {
		err = c.waitReceive(cause, m)
	}
	switch {
	case err == nil:
		return 0
	case c.ending() != nil:
		c.order--
		return 0 // the next read fails
	}
	c.order--
	switch {
	case errors.Is(err, asgi.ErrChannelFull):
		c.s.log.Warn("a WebSocket was closed: for "+receiveTimeout.String()+" there was no room for its next frame", logkey.Error, err, logkey.Channel, c.channel, logkey.Path, c.path)
		return c.closeFromReader(asgi.CloseBusy, "the server is busy")
	case errors.Is(err, asgi.ErrMessageTooLarge):
		return c.failTooLarge()
	}
	c.s.log.Error("a frame could not be sent to the application", logkey.Channel, c.channel, logkey.Error, err)
	return c.closeFromReader(asgi.CloseFailed, "")
}

// waitReceive sends a frame when there is room for it: in the channel or, if an
// earlier frame of the socket waits, behind that one. It also waits for a layer that
// cannot be reached, for as long as the socket is open.
func (c *socket) waitReceive(cause *asgi.Cause, m asgi.Message) error {
	ctx, cancel := context.WithCancel(c.s.life)
	defer cancel()
	defer c.setStopWait(nil)
	if c.setStopWait(cancel) {
		return asgi.ErrGone
	}
	return c.s.sendWhenRoom(ctx, cause, receiveTimeout, asgi.WebSocketReceive, m)
}

// setStopWait sets the function that ends the wait of a frame. It reports
// whether the server has ended the socket already.
func (c *socket) setStopWait(stop func()) (ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopWait = stop
	return c.serverEnd != nil
}

// closeFromReader closes the socket from the reading goroutine, which must not
// read again. It returns the close code.
func (c *socket) closeFromReader(code int, reason string) int {
	c.arrival.end() // before the handshake, which takes time
	e := c.setEnding(ending{code, reason, byServer})
	c.box.close()
	c.closeHandshake(e)
	return e.code
}

// fail closes the socket because its client has violated the protocol. It sends
// a close frame, if the WebSocket library has not, and does not wait for the
// client's (RFC 6455, 7.1.7). Only the reading goroutine may call it, and must
// not read again. It returns the close code.
func (c *socket) fail(code int, reason string) int {
	e := c.setEnding(ending{code, reason, byServer})
	c.box.close()
	c.wire.fail()
	c.conn.Close(websocket.StatusCode(e.code), e.reason)
	return e.code
}

func (c *socket) failTooLarge() int {
	c.s.log.Warn("a WebSocket was closed: a message from its client was longer than the limit (--max-message)",
		logkey.Channel, c.channel, logkey.Path, c.path, "limit", c.s.set.MaxMessage)
	return c.fail(asgi.CloseTooLarge, "message too large")
}

// closeHandshake sends a close frame, waits for the peer's and closes the
// connection. The WebSocket library waits at most five seconds for the start of
// a frame but forever for the rest of it, so there is a read deadline.
func (c *socket) closeHandshake(e ending) {
	c.wire.Conn.SetReadDeadline(time.Now().Add(lingerTimeout))
	c.conn.Close(websocket.StatusCode(e.code), e.reason)
}

// codeFor returns the close code for an error of the WebSocket library. If the
// peer caused the error, codeFor sends a close frame.
func (c *socket) codeFor(err error) int {
	switch last := c.ending(); {
	case last != nil:
		return last.code
	case websocket.CloseStatus(err) != -1:
		if c.wire.closeCode() == asgi.CloseInvalidText {
			return asgi.CloseInvalidText // the reason in the peer's close frame was not UTF-8
		}
		return int(websocket.CloseStatus(err))
	case errors.Is(err, errTooLong):
		return c.failTooLarge()
	case c.wire.lost.Load():
		return asgi.CloseLost
	}
	c.s.log.Debug("a WebSocket client violated the protocol", logkey.Channel, c.channel, logkey.Error, err)
	return c.fail(asgi.CloseProtocolError, "")
}

// setEnding records how the server ends the socket. The first call decides.
func (c *socket) setEnding(e ending) ending {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.serverEnd == nil {
		c.serverEnd = &e
		c.endLife()
	}
	if c.stopWait != nil {
		c.stopWait()
	}
	return *c.serverEnd
}

// ending returns how the server ended the socket, or nil.
func (c *socket) ending() *ending {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.serverEnd
}
