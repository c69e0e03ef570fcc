package httpfront

import (
	"context"
	"errors"
	"runtime/debug"
	"time"
	"unicode/utf8"

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
	defer c.arrival.End()
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
		op, payload, err := c.readMessage()
		if err == nil {
			err = c.handle(op, payload)
		}
		// The message counts in the budget until the layer has accepted it.
		refused := c.arrival.End()
		switch {
		case refused:
			c.closeSilent()
		case err != nil && !errors.Is(err, context.Canceled):
			return c.codeFor(err)
		}
	}
}

// handle sends a message to the application.
func (c *socket) handle(op byte, payload string) error {
	c.seen.Store(time.Now().UnixNano())
	c.traffic.in(len(payload))
	switch {
	case c.ending() != nil: // the server has closed the socket and ignores further messages
	case op == opText && !utf8.ValidString(payload):
		return errText
	default:
		return c.receive(op, payload)
	}
	return nil
}

// closeSilent closes the socket because its client was silent within a message while
// others needed the memory.
func (c *socket) closeSilent() {
	c.s.log.Warn("a WebSocket was closed: its client sent the rest of a message too slowly while others waited for memory (--body-memory)",
		logkey.Channel, c.channel, logkey.Path, c.path)
	c.closeFromReader(asgi.CloseBusy, "the server is busy")
}

// readMessage reads a message. It fails with [context.Canceled] if the server has
// closed the socket meanwhile; the next call drops the rest of the message.
func (c *socket) readMessage() (op byte, payload string, err error) {
	if op, err = c.frames.next(); err != nil {
		return 0, "", err
	}
	if b := c.frames.arrived(); b != nil {
		return op, string(b), nil // less than each connection may buffer
	}
	limit := int64(-1)
	if n := int64(c.s.set.MaxMessage); n > 0 {
		limit = min(n, c.frames.longest()) + 1
	}
	if c.frames.packed && !c.frames.isComplete() {
		if err = c.arrival.Reserve(c.whenEnded(), inflaterSize, inflaterSize); err != nil {
			return 0, "", err
		}
	}
	payload, end, err := readAll(c.arrival, c.whenEnded(), &c.frames, limit, false)
	if err == nil && !end {
		err = errTooLong
	}
	return op, payload, err
}

// Interrupt ends the reading of a frame.
func (c *socket) Interrupt() { c.wire.Conn.SetReadDeadline(time.Unix(1, 0)) }

var frameShape = asgi.NewShape(asgi.KeyReplyChannel, asgi.KeyPath, asgi.KeyBytes, asgi.KeyText, asgi.KeyOrder)

// receive sends one frame on websocket.receive. While the channel is full or the
// layer cannot be reached, the client is not read.
func (c *socket) receive(op byte, payload string) error {
	c.order++
	var text, data any
	if op == opText {
		text = payload
	} else {
		data = asgi.Bytes(payload)
	}
	m, err := frameShape.Message(c.channelValue, c.pathValue, data, text, c.order)
	if err == nil {
		cause := c.s.cause()
		err = c.s.layer.Send(c.s.life, cause, asgi.WebSocketReceive, m, asgi.Volatile)
		if err != nil && passes(err) {
			err = c.waitReceive(cause, m)
		}
	}
	switch {
	case errors.Is(err, asgi.ErrUncertain): // it counts as sent
		c.s.log.Warn("a frame may be lost, because the layer was lost while it was sent", logkey.Channel, c.channel, logkey.Path, c.path, logkey.Error, err)
	case err != nil:
		c.order--
		return c.unsent(err)
	}
	return nil
}

// unsent closes the socket because a frame could not be sent.
func (c *socket) unsent(err error) error {
	switch {
	case c.ending() != nil: // the next read fails
	case errors.Is(err, asgi.ErrChannelFull):
		c.s.log.Warn("a WebSocket was closed: for "+receiveTimeout.String()+" there was no room for its next frame", logkey.Error, err, logkey.Channel, c.channel, logkey.Path, c.path)
		c.closeFromReader(asgi.CloseBusy, "the server is busy")
	case errors.Is(err, asgi.ErrMessageTooLarge):
		return errTooLong
	default:
		c.s.log.Error("a frame could not be sent to the application", logkey.Channel, c.channel, logkey.Error, err)
		c.closeFromReader(asgi.CloseFailed, "")
	}
	return nil
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

// closeFromReader closes the socket from the reading goroutine, which must go on
// to read.
func (c *socket) closeFromReader(code int, reason string) {
	e := c.setEnding(ending{code, reason, byServer})
	c.box.close()
	c.closeHandshake(e)
}

// fail closes the socket because its client has violated the protocol. It sends
// a close frame and does not wait for the client's (RFC 6455, 7.1.7). Only the
// reading goroutine may call it, and must not read again. It returns the close
// code.
func (c *socket) fail(code int, reason string) int {
	e := c.setEnding(ending{code, reason, byServer})
	c.box.close()
	c.wire.fail()
	c.wire.close(e)
	return e.code
}

// closeHandshake sends a close frame. The reader ends the socket when it has read
// the client's, or after lingerTimeout.
func (c *socket) closeHandshake(e ending) {
	c.wire.Conn.SetReadDeadline(time.Now().Add(lingerTimeout))
	c.wire.close(e)
}

// codeFor returns the close code for an error of reading. If the client caused the
// error, codeFor sends a close frame.
func (c *socket) codeFor(err error) int {
	var closed closedError
	var bad *violation
	switch last := c.ending(); {
	case last != nil:
		return last.code
	case errors.As(err, &closed):
		c.wire.frame(opClose, string(closed))
		return closed.code()
	case !errors.As(err, &bad):
		return asgi.CloseLost
	case bad == errTooLong:
		c.s.log.Warn("a WebSocket was closed: a message from its client was longer than the limit (--max-message)",
			logkey.Channel, c.channel, logkey.Path, c.path, "limit", c.s.set.MaxMessage)
	default:
		c.s.log.Debug("a WebSocket client violated the protocol", logkey.Channel, c.channel, keyCode, bad.code)
	}
	return c.fail(bad.code, bad.reason)
}

// setEnding records how the server ends the socket. The first call decides.
func (c *socket) setEnding(e ending) ending {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.serverEnd == nil {
		c.endLocked(&e)
	}
	if c.stopWait != nil {
		c.stopWait()
	}
	return *c.serverEnd
}

func (c *socket) endLocked(e *ending) {
	c.serverEnd = e
	if c.ended != nil {
		close(c.ended)
	}
}

// whenEnded returns a channel that is closed when the server has ended the socket. Few
// sockets need one.
func (c *socket) whenEnded() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		c.ended = make(chan struct{})
		if c.serverEnd != nil {
			close(c.ended)
		}
	}
	return c.ended
}

// ending returns how the server ended the socket, or nil.
func (c *socket) ending() *ending {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.serverEnd
}
