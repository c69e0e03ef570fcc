package httpfront

import (
	"time"
	"unicode/utf8"

	"asgibox/asgi"
	"asgibox/internal/budget"
	"asgibox/internal/logkey"
)

const (
	// slowTimeout is how long a write may be blocked before a full mailbox
	// closes its socket.
	slowTimeout = 30 * time.Second
	// closeTimeout is how long a socket that the server closes may take for
	// the rest of its mailbox and for the closing handshake.
	closeTimeout = 15 * time.Second
	// maxReason is the most bytes of a reason in a close frame.
	maxReason = 123
)

// pump writes the entries of the mailbox until it is empty. It sends all
// entries that are ready in one write. First is the reply that accepted the socket, with
// its size in the mailbox, or nil.
func (c *socket) pump(first *socketReply, size int) {
	defer c.pumps.Done()
	defer c.recoverPanic()
	c.wire.cork()
	if first != nil {
		c.send(&outgoing{reply: *first})
	}
	gathered := size // of the messages that wait in the wire
	for {
		c.sendHeartbeat()
		if e, ok := c.box.take(); ok {
			c.write(&e)
			gathered += e.size
			if c.wire.full() {
				c.wire.flush() // an error ends the reader, which ends the socket
				c.wire.cork()
				c.box.release(gathered)
				gathered = 0
			}
			continue
		}
		if c.wire.flush() != nil {
			c.box.close() // the reader may have frames to handle before it notices
		}
		c.box.release(gathered)
		gathered = 0
		c.seen.Store(time.Now().UnixNano())
		if c.box.idle() {
			return
		}
		c.wire.cork()
	}
}

// write processes one entry of the mailbox.
func (c *socket) write(e *entry) {
	switch {
	case e.ending != nil:
		c.closeFromPump(*e.ending)
		return
	case e.err != nil:
		c.s.log.Error("a WebSocket was closed because the data of a message to it could not be stored", logkey.Channel, c.channel, logkey.Error, e.err)
		c.closeFromPump(ending{code: asgi.CloseFailed, by: byServer})
		return
	}
	o := e.outgoing()
	if o.bad != nil {
		o.ignored.Do(func() { c.ignored(e.problemLevel(), o.bad) })
		return
	}
	c.send(o)
}

// send writes the frame of a reply and closes the socket if the reply says so.
func (c *socket) send(o *outgoing) {
	p := &o.reply
	if p.hasData {
		c.traffic.out(len(p.data))
		if err := c.sendData(o); err != nil {
			c.s.log.Debug("a frame could not be written", logkey.Channel, c.channel, logkey.Error, err)
		}
	}
	switch {
	case p.badCode:
		c.s.log.Warn("a WebSocket was closed with 1011 because the close code of the application may not be sent",
			logkey.Channel, c.channel, keyKey, "close", keyCode, p.close)
		c.closeFromPump(ending{code: asgi.CloseFailed, by: byServer})
	case p.close != 0:
		c.closeFromPump(ending{p.close, c.truncateReason(p.reason), byApplication})
	}
}

// sendData writes the frame of a message, compressed if that is worth it.
func (c *socket) sendData(o *outgoing) error {
	op := byte(opBinary)
	if o.reply.text {
		op = opText
	}
	if c.frames.compressed && len(o.reply.data) >= compressFrom {
		return c.wire.frame(op|flagCompressed, o.compressed())
	}
	return c.wire.frame(op, o.reply.data)
}

// truncateReason shortens a reason to the size of a close frame, without
// splitting a character.
func (c *socket) truncateReason(s string) string {
	if len(s) <= maxReason {
		return s
	}
	c.s.log.Warn("a close reason was shortened to 123 bytes", logkey.Channel, c.channel, keyKey, "reason")
	n := maxReason
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// closeFromPump closes the socket from the pump. The entries written before go
// first; later ones are dropped.
func (c *socket) closeFromPump(e ending) {
	e = c.setEnding(e)
	c.box.close()
	c.wire.flushLast()
	c.closeHandshake(e)
}

// end closes the socket when its mailbox is written, but after closeTimeout at
// the latest.
func (c *socket) end(e ending) {
	c.box.end(&e)
	if c.open.Load() {
		c.forceAfter(closeTimeout)
	}
}

// ends reports whether a message closes the socket.
func (c *socket) ends(m asgi.Message) bool {
	p, bad := parseSocketReply(m, !c.open.Load())
	return bad == nil && p.close != 0
}

// full closes the socket if its client does not read. The mailbox calls it,
// with its lock held, when it refuses a message.
func (c *socket) full(bool) {
	if c.open.Load() && c.wire.blockedFor() >= slowTimeout {
		c.startClose("has read nothing for 30 s")
	}
}

// drop closes the socket because its client is silent. If it is being closed or refused
// already, drop ends the connection.
func (c *socket) drop() {
	t := c.handshakeOn()
	switch {
	case t != nil:
		t.abort()
	case c.ending() != nil:
		c.abort()
	case c.open.Load():
		c.startClose("has read " + budget.Silence + ", and others wait")
	}
}

// cuts reports whether a message says that the client is too slow.
func (c *socket) cuts(m asgi.Message) bool { return m.Int(asgi.KeyClose) == asgi.CloseBusy }

func (c *socket) delivered() int64 {
	if t := c.handshakeOn(); t != nil {
		return t.delivered()
	}
	if !c.open.Load() {
		return 0
	}
	return c.wire.delivered()
}

// handshakeOn returns the transport of the handshake, or nil after it.
func (c *socket) handshakeOn() transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

// startClose starts the end of a socket whose client does not read.
func (c *socket) startClose(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.slow && c.serverEnd == nil {
		c.slow = true
		c.pumps.Add(1)
		go c.closeSlow(why)
	}
}

// closeSlow closes a socket whose client does not read. The close frame waits
// behind the blocked write and arrives if the client reads again.
func (c *socket) closeSlow(why string) {
	defer c.pumps.Done()
	e := c.setEnding(ending{asgi.CloseBusy, "too slow", byServer})
	if n := c.box.close(); n > 0 {
		c.s.log.Warn("a WebSocket was closed: its client "+why+"; messages to it were dropped",
			logkey.Channel, c.channel, logkey.Path, c.path, keyCode, e.code, "dropped", n)
	}
	c.closeHandshake(e)
}
