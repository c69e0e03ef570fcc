package workerpool

import (
	"context"
	"errors"
	"log/slog"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// This file receives from layers that cannot offer messages, like the layer over
// HTTP. A message must be taken before the pool can see whether it can start. So
// the pool receives only while a worker is free, and from websocket.receive only
// while no lane is full. Tasks whose limit is full wait in the pool, see crowd.go.

// maxReady is the number of tasks waiting for a worker at which the pool stops
// receiving new requests and handshakes. They wait in the channel layer, which
// reports a full channel to protocol servers.
const maxReady = 1000

// leadLocked makes w the leader until it has received a message or is woken.
// If tasks are ready, it polls once and does not wait, so that a busy
// connection leaves room for others. It returns a durable message as the task
// to run at once.
func (p *Pool) leadLocked(w *worker) *task {
	p.leader = w
	w.turn = false
	channels := p.channels
	wait := p.ready.length == 0
	w.gen.receivingLocked(1)
	p.mu.Unlock()
	d, c, err := p.receive(w, wait, channels)
	p.mu.Lock()
	w.renewParkedLocked()
	var t *task
	if err == nil {
		t = p.placeLocked(d, c)
	} else if !errors.Is(err, errWake) {
		p.receiveFailedLocked(w, err)
	}
	w.gen.receivingLocked(-1)
	p.leader = nil
	if len(p.idle) > 0 {
		p.wakeLocked()
	}
	if t == nil || !p.admittedLocked(t) {
		return nil
	}
	p.startedLocked()
	return t
}

// receive takes one message from the channel layer. It returns errWake if
// there is none.
func (p *Pool) receive(w *worker, wait bool, channels []string) (d asgi.Delivery, c *asgi.Cause, err error) {
	c = asgi.NewCause(0)
	switch {
	case len(channels) == 0 && wait:
		<-w.parked.Done()
		return d, c, errWake
	case len(channels) == 0:
		return d, c, errWake
	case wait:
		d, err = p.layer.Receive(w.parked, c, channels...)
		return d, c, err
	}
	d, ok, err := p.layer.Poll(context.Background(), c, channels...)
	if err == nil && !ok {
		err = errWake
	}
	return d, c, err
}

// receiveFailedLocked handles an error of the channel layer: the pool waits a
// little before it tries again.
func (p *Pool) receiveFailedLocked(w *worker, err error) {
	if errors.Is(err, asgi.ErrClosed) {
		w.closed = true
		return
	}
	level := slog.LevelError
	if errors.Is(err, asgi.ErrStoreFailed) {
		level = slog.LevelDebug // the layer has logged that it cannot be reached
	}
	p.log.Log(context.Background(), level, "receiving failed; trying again in a second", logkey.Error, err)
	parked := w.parked
	p.mu.Unlock()
	pause(parked, retryReceive)
	p.mu.Lock()
}

// placeLocked puts a delivery that the leader has received into its lane or
// among the ready tasks. It returns a durable delivery as the task to run at
// once. Only the leader calls it, so tasks are placed in the order of their
// receipt, although it releases the lock in between.
func (p *Pool) placeLocked(d asgi.Delivery, c *asgi.Cause) *task {
	t := &task{delivery: d, cause: c, reply: replyChannel(d.Message)}
	p.routeLocked(t)
	if d.Volatile && p.overtookLocked(t) {
		p.catchUpLocked()
	}
	if p.isCrowdedLocked(t) {
		p.turnAwayLocked(t)
		return nil
	}
	p.waiting++
	p.gateLocked()
	if !d.Volatile {
		return t
	}
	l := p.laneLocked(t)
	if l == nil || !t.ordered() {
		p.ready.push(t)
		return nil
	}
	t.lane = l
	if l.busy {
		p.enterLocked(l, t)
		return nil
	}
	l.busy = true
	p.ready.push(t)
	return nil
}

// overtookLocked reports whether a WebSocket disconnect was received before
// messages that the same WebSocket sent earlier. This can happen because they
// are on other channels.
func (p *Pool) overtookLocked(t *task) bool {
	if t.delivery.Channel != asgi.WebSocketDisconnect {
		return false
	}
	l := p.lanes[t.reply]
	return l == nil || l.order < t.delivery.Message.Int(asgi.KeyOrder)
}

// catchUpLocked receives, as the leader, the messages that WebSockets have
// sent so far. It releases the lock meanwhile.
func (p *Pool) catchUpLocked() {
	var channels []string
	for _, name := range []string{asgi.WebSocketConnect, asgi.WebSocketReceive} {
		if p.receivesFromLocked(name) {
			channels = append(channels, name)
		}
	}
	for len(channels) > 0 {
		c := asgi.NewCause(0)
		p.mu.Unlock()
		d, ok, err := p.layer.Poll(context.Background(), c, channels...)
		p.mu.Lock()
		if err != nil || !ok {
			return
		}
		if t := p.placeLocked(d, c); t != nil {
			p.ready.push(t)
		}
	}
}

// noteFullLocked counts the full lanes. The leader receives no frames while
// there are any.
func (p *Pool) noteFullLocked(l *lane) {
	full := l.queue.length >= p.opts.LaneMessages || l.bytes >= p.opts.LaneBytes
	if p.offering != nil || full == l.full {
		return
	}
	l.full = full
	if full {
		p.fullLanes++
	} else {
		p.fullLanes--
	}
	p.subscribeLocked()
}
