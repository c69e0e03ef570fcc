package httpfront

import (
	"context"
	"strconv"
	"time"
)

// pongsKept is how many pings of a client are answered at once; only the
// newest need be.
const pongsKept = 16

// A heartbeat is what a socket does by the clock, on one timer: it pings a
// silent client, misses pongs and ends a life.
type heartbeat struct {
	timer   *time.Timer
	force   *time.Timer
	dies    time.Time // zero: never
	pings   uint64    // sent, or due
	due     bool      // the pump is to send one
	waiting bool      // for a pong
	since   time.Time
	pongs   [][]byte // the pump is to send
	stopped bool
}

func (c *socket) startBeats() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.s.opts.SocketTimeout; d > 0 {
		c.beats.dies = time.Now().Add(d)
	}
	if next := c.nextBeatLocked(time.Now()); next > 0 {
		c.beats.timer = time.AfterFunc(next, c.tick)
	}
}

func (c *socket) stopBeats() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beats.stopped = true
	for _, t := range []*time.Timer{c.beats.timer, c.beats.force} {
		if t != nil {
			t.Stop()
		}
	}
}

// forceAfter cuts the connection if it is still there then.
func (c *socket) forceAfter(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.beats.stopped && c.beats.force == nil {
		c.beats.force = time.AfterFunc(d, func() { c.wire.Conn.Close() })
	}
}

// tick does what is due and sets the timer anew.
func (c *socket) tick() {
	now := time.Now()
	c.mu.Lock()
	b := &c.beats
	if b.stopped || c.last != nil {
		c.mu.Unlock()
		return
	}
	died := !b.dies.IsZero() && !now.Before(b.dies)
	silent := b.waiting && c.s.opts.PingTimeout > 0 && now.Sub(b.since) >= c.s.opts.PingTimeout
	ping := !died && !silent && c.s.opts.PingInterval > 0 && c.silence(now) >= c.s.opts.PingInterval
	if ping {
		c.pingLocked(now)
	}
	if silent {
		c.last = &ending{code: 1006}
	}
	if died || silent {
		c.mu.Unlock()
		c.expire(died)
		return
	}
	b.timer.Reset(c.nextBeatLocked(now))
	c.mu.Unlock()
	if ping {
		c.box.nudge()
	}
}

func (c *socket) expire(died bool) {
	if died {
		c.end(ending{1000, "this connection has lived as long as it may", byServer})
		return
	}
	c.s.log.Info("a WebSocket was dropped: no pong came", keyChannel, c.channel, keyPath, c.path, "timeout", c.s.opts.PingTimeout)
	c.wire.Conn.Close()
}

func (c *socket) pingLocked(now time.Time) {
	b := &c.beats
	b.due = true
	b.pings++
	if !b.waiting {
		b.waiting, b.since = true, now
	}
	c.seen.Store(now.UnixNano())
}

// silence answers for how long no data has come or gone.
func (c *socket) silence(now time.Time) time.Duration {
	return now.Sub(time.Unix(0, c.seen.Load()))
}

// nextBeatLocked answers when tick has something to do, or zero for never.
func (c *socket) nextBeatLocked(now time.Time) time.Duration {
	const never = time.Duration(1<<63 - 1)
	next := never
	if d := c.s.opts.PingInterval; d > 0 {
		next = min(next, d-c.silence(now))
	}
	if d := c.s.opts.PingTimeout; d > 0 && c.beats.waiting {
		next = min(next, d-now.Sub(c.beats.since))
	}
	if !c.beats.dies.IsZero() {
		next = min(next, c.beats.dies.Sub(now))
	}
	if next == never {
		return 0
	}
	return max(next, time.Millisecond)
}

// beat writes the pings and pongs that are due; the pump calls it.
func (c *socket) beat() {
	c.mu.Lock()
	due, n, pongs := c.beats.due, c.beats.pings, c.beats.pongs
	c.beats.due, c.beats.pongs = false, nil
	c.mu.Unlock()
	for _, payload := range pongs {
		c.wire.control(opPong, payload)
	}
	if due {
		c.wire.control(opPing, strconv.AppendUint(nil, n, 10))
	}
}

// pinged has the pump answer a ping, so that the reader is not held up by a
// client that does not read.
func (c *socket) pinged(_ context.Context, payload []byte) bool {
	c.mu.Lock()
	if len(c.beats.pongs) == pongsKept {
		c.beats.pongs = c.beats.pongs[1:]
	}
	c.beats.pongs = append(c.beats.pongs, append([]byte(nil), payload...))
	c.mu.Unlock()
	c.box.nudge()
	return false
}

// ponged notes the answer to one of our pings.
func (c *socket) ponged(_ context.Context, payload []byte) {
	n, err := strconv.ParseUint(string(payload), 10, 64)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && 0 < n && n <= c.beats.pings {
		c.beats.waiting = false
	}
}
