package httpfront

import (
	"strconv"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// maxPongs is the most pongs that wait to be sent. Older ones are dropped: only
// the newest ping needs a pong.
const maxPongs = 16

// A heartbeat is the part of a socket that depends on time. One timer pings a
// silent client, finds missing pongs and enforces the longest lifetime.
type heartbeat struct {
	timer    *time.Timer
	force    *time.Timer // closes the connection
	deadline time.Time   // end of the longest lifetime; zero means never
	pings    uint64      // number of pings sent or due
	pingDue  bool        // the pump must send a ping
	waiting  bool        // a pong is missing
	pingedAt time.Time   // when the oldest ping without a pong was sent, or the client showed later that it lives
	read     int64       // what the client had read at pingedAt, in bytes
	pongs    []string    // payloads of the pongs that the pump must send
	paused   bool        // the client is not read, so no pong can arrive
	stopped  bool
}

func (c *socket) startHeartbeat() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.s.opts.SocketTimeout; d > 0 {
		c.heartbeat.deadline = time.Now().Add(d)
	}
	if next := c.nextTickLocked(time.Now()); next > 0 {
		c.pumps.Add(1)
		c.heartbeat.timer = time.AfterFunc(next, c.tick)
	}
}

func (c *socket) stopHeartbeat() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heartbeat.stopped = true
	for _, t := range []*time.Timer{c.heartbeat.timer, c.heartbeat.force} {
		if t != nil && t.Stop() {
			c.pumps.Done()
		}
	}
}

// forceAfter closes the connection after d, unless the socket has ended by then.
func (c *socket) forceAfter(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.heartbeat.stopped && c.heartbeat.force == nil {
		c.pumps.Add(1)
		c.heartbeat.force = time.AfterFunc(d, func() {
			defer c.pumps.Done()
			c.wire.Conn.Close()
		})
	}
}

// tick does the work that is due and resets the timer.
func (c *socket) tick() {
	defer c.pumps.Done()
	now := time.Now()
	c.mu.Lock()
	b := &c.heartbeat
	if b.stopped || c.serverEnd != nil {
		c.mu.Unlock()
		return
	}
	if c.stopWait != nil { // a frame waits for room, and pongs behind it are not read
		c.seen.Store(now.UnixNano())
		b.pingedAt = now
	}
	if b.waiting { // the ping may wait behind what the client reads slowly
		if n := c.wire.delivered(); n-b.read >= corkSize {
			b.pingedAt, b.read = now, n
		}
	}
	expired := !b.deadline.IsZero() && !now.Before(b.deadline)
	pongLate := b.waiting && !b.paused && c.s.opts.PingTimeout > 0 && now.Sub(b.pingedAt) >= c.s.opts.PingTimeout
	ping := !expired && !pongLate && c.s.opts.PingInterval > 0 && c.idleTime(now) >= c.s.opts.PingInterval
	if ping {
		c.pingLocked(now)
	}
	if pongLate {
		c.endLocked(&ending{code: asgi.CloseLost})
	}
	if expired || pongLate {
		c.mu.Unlock()
		c.expire(expired)
		return
	}
	c.pumps.Add(1)
	b.timer.Reset(c.nextTickLocked(now))
	c.mu.Unlock()
	if ping {
		c.box.nudge()
	}
}

func (c *socket) expire(expired bool) {
	if expired {
		c.end(ending{asgi.CloseNormal, "this connection has lived as long as it may", byServer})
		return
	}
	c.s.log.Info("a WebSocket was closed: no pong came in time", logkey.Channel, c.channel, logkey.Path, c.path, "timeout", c.s.opts.PingTimeout)
	c.wire.Conn.Close()
}

func (c *socket) pingLocked(now time.Time) {
	b := &c.heartbeat
	b.pingDue = true
	b.pings++
	if !b.waiting {
		b.waiting, b.pingedAt, b.read = true, now, c.wire.delivered()
	}
	c.seen.Store(now.UnixNano())
}

// Pause stops the time limit of the pong while the client is not read.
func (c *socket) Pause(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heartbeat.paused, c.heartbeat.pingedAt = on, time.Now()
}

// heard notes that bytes of a message have arrived. Its client is not silent, and cannot
// send a pong before the end of the frame.
func (c *socket) heard(n int) {
	c.arrival.Heard(n)
	now := time.Now()
	c.seen.Store(now.UnixNano())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heartbeat.pingedAt = now
}

// idleTime returns how long no data has been read or written.
func (c *socket) idleTime(now time.Time) time.Duration {
	return now.Sub(time.Unix(0, c.seen.Load()))
}

// nextTickLocked returns the time until tick has work, or zero for never.
func (c *socket) nextTickLocked(now time.Time) time.Duration {
	const never = time.Duration(1<<63 - 1)
	next := never
	if d := c.s.opts.PingInterval; d > 0 {
		next = min(next, d-c.idleTime(now))
	}
	if d := c.s.opts.PingTimeout; d > 0 && c.heartbeat.waiting && !c.heartbeat.paused {
		next = min(next, d-now.Sub(c.heartbeat.pingedAt))
	}
	if !c.heartbeat.deadline.IsZero() {
		next = min(next, c.heartbeat.deadline.Sub(now))
	}
	if next == never {
		return 0
	}
	return max(next, time.Millisecond)
}

// sendHeartbeat writes the ping and the pongs that are due. The pump calls it.
func (c *socket) sendHeartbeat() {
	c.mu.Lock()
	due, n, pongs := c.heartbeat.pingDue, c.heartbeat.pings, c.heartbeat.pongs
	c.heartbeat.pingDue, c.heartbeat.pongs = false, nil
	c.mu.Unlock()
	for _, payload := range pongs {
		c.wire.frame(opPong, payload)
	}
	if due {
		c.wire.frame(opPing, strconv.FormatUint(n, 10))
	}
}

// onControl handles a ping or pong of the client. The pump sends the pong for a
// ping, so that a client that does not read does not block the reader.
func (c *socket) onControl(op byte, payload []byte) {
	if op == opPong {
		c.onPong(payload)
		return
	}
	c.mu.Lock()
	if len(c.heartbeat.pongs) == maxPongs {
		c.heartbeat.pongs = c.heartbeat.pongs[1:]
	}
	c.heartbeat.pongs = append(c.heartbeat.pongs, string(payload))
	c.mu.Unlock()
	c.box.nudge()
}

func (c *socket) onPong(payload []byte) {
	n, err := strconv.ParseUint(string(payload), 10, 64)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && 0 < n && n <= c.heartbeat.pings {
		c.heartbeat.waiting = false
	}
}
