package httpfront

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

const (
	// slowness is how long a write may be blocked before a full mailbox ends
	// its socket.
	slowness = 30 * time.Second
	// closing is how long a socket that the server ends may take for what is
	// still to be written and for the closing handshake.
	closing = 15 * time.Second
	// reasonBytes is what a close frame has room for.
	reasonBytes = 123
)

// pump writes what the mailbox holds and ends with it. What can be had without
// waiting goes out in one write.
func (c *socket) pump(first *socketReply) {
	defer c.pumps.Done()
	defer c.survive()
	var scratch []byte
	c.wire.hold()
	if first != nil {
		scratch = c.carry(*first, scratch)
	}
	for {
		c.beat()
		if e, ok := c.box.take(); ok {
			scratch = c.write(e, scratch)
			c.box.release(e)
			if c.wire.full() {
				c.wire.flush() // an error ends the reader, and that everything
				c.wire.hold()
			}
			continue
		}
		c.wire.flush()
		c.seen.Store(time.Now().UnixNano())
		if c.box.rest() {
			return
		}
		c.wire.hold()
	}
}

// write carries out one entry of the mailbox.
func (c *socket) write(e entry, scratch []byte) []byte {
	switch {
	case e.last != nil:
		c.conclude(*e.last)
		return scratch
	case e.err != nil:
		c.s.log.Error("a WebSocket was closed, since what it was to be told could not be stored", keyChannel, c.channel, keyError, e.err)
		c.conclude(ending{code: 1011, by: byServer})
		return scratch
	}
	p, bad := parseSocketReply(e.message, false)
	if bad != nil {
		c.ignored(bad)
		return scratch
	}
	return c.carry(p, scratch)
}

// carry sends a reply's frame and close.
func (c *socket) carry(p socketReply, scratch []byte) []byte {
	if p.hasData {
		kind := websocket.MessageBinary
		if p.text {
			kind = websocket.MessageText
		}
		scratch = append(scratch[:0], p.data...)
		c.traffic.out(len(p.data))
		if err := c.conn.Write(context.Background(), kind, scratch); err != nil {
			c.s.log.Debug("a frame could not be written", keyChannel, c.channel, keyError, err)
		}
	}
	switch {
	case p.badCode:
		c.s.log.Warn("a WebSocket was closed with 1011: the code it was to be closed with may not be sent",
			keyChannel, c.channel, keyKey, "close", keyCode, p.close)
		c.conclude(ending{code: 1011, by: byServer})
	case p.close != 0:
		c.conclude(ending{p.close, c.fitReason(p.reason), byApplication})
	}
	return scratch
}

// fitReason cuts a reason at a character, so that it fits a close frame.
func (c *socket) fitReason(s string) string {
	if len(s) <= reasonBytes {
		return s
	}
	c.s.log.Warn("the reason of a close was cut to 123 bytes", keyChannel, c.channel, keyKey, "reason")
	n := reasonBytes
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// conclude closes the socket from the pump: after what was written, with
// nothing behind.
func (c *socket) conclude(e ending) {
	e = c.decide(e)
	c.box.close()
	c.wire.flush()
	c.goodbye(e)
}

// end has the socket closed once its mailbox is written, in bounded time.
func (c *socket) end(e ending) {
	c.box.end(&e)
	if c.open.Load() {
		c.forceAfter(closing)
	}
}

// full is told by the mailbox, under its lock, that a message was refused.
func (c *socket) full() {
	if !c.open.Load() || c.wire.blockedFor() < slowness {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.slow && c.last == nil {
		c.slow = true
		c.pumps.Add(1)
		go c.tooSlow()
	}
}

// tooSlow ends a socket whose client does not read. The close frame stands
// behind what is stuck; it arrives if the client reads after all.
func (c *socket) tooSlow() {
	defer c.pumps.Done()
	e := c.decide(ending{1013, "too slow", byServer})
	if n := c.box.close(); n > 0 {
		c.s.log.Warn("a WebSocket was closed: its client has read nothing for 30 s and messages to it were dropped",
			keyChannel, c.channel, keyPath, c.path, keyCode, e.code, "dropped", n)
	}
	c.goodbye(e)
}
