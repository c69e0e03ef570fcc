package workerpool

import (
	"context"
	"errors"
	"path"
	"slices"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// maxReady is the number of tasks waiting in the pool at which it stops
// receiving new requests and handshakes. They wait in the channel layer, which
// reports a full channel to protocol servers.
const maxReady = 1000

// next returns the next task that w must start, or waits for one. It returns
// nil if the worker must end.
//
// Workers take turns at receiving: one of them, the leader, waits for a
// message of the channel layer while the others are parked. The leader places
// the message it receives, gives up the lead, wakes another worker to lead,
// and continues with a task. So messages are placed in the order of receipt,
// and no extra goroutine stands between the channel layer and the handler.
func (p *Pool) next(w *worker) *task {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if p.mustEndLocked(w) {
			w.ending = true
			if p.ready.length > 0 {
				p.wakeLocked()
			}
			return nil
		}
		canLead := p.leader == nil && p.current.routed != nil
		if p.ready.length > 0 && !(w.turn && canLead) {
			if t := p.takeLocked(w); t != nil {
				return t
			}
			continue
		}
		if !canLead {
			p.parkLocked(w)
			continue
		}
		if t, end := p.leadLocked(w); t != nil || end {
			return t
		}
	}
}

// mustEndLocked reports whether a worker must end: it is surplus, or another
// generation is current. A worker of a routed generation that is followed by a
// loop stays until no task is left, because a loop cannot handle it.
func (p *Pool) mustEndLocked(w *worker) bool {
	if w.abandoned || w.closed || w.surplus || p.halted {
		return true
	}
	return p.current != w.gen && (p.current.routed != nil || p.waiting == 0)
}

// takeLocked returns the oldest ready task, or nil if that task must wait for
// its limit.
func (p *Pool) takeLocked(w *worker) *task {
	w.turn = true
	t := p.ready.pop()
	if !p.acquireLocked(t) {
		return nil
	}
	p.startedLocked()
	if p.ready.length > 0 {
		p.wakeLocked()
	}
	return t
}

// startedLocked removes a task from the number of waiting tasks.
func (p *Pool) startedLocked() {
	p.waiting--
	if p.waiting == maxReady-1 {
		p.subscribeLocked()
	}
	if p.waiting == 0 && p.current.routed == nil {
		p.wakeAllLocked() // workers of the old generation can end
	}
}

// leadLocked makes w the leader until it has received a message or is woken.
// If tasks are ready, it polls once and does not wait, so that a busy
// connection leaves room for others. It returns a durable message as the task
// to run at once. End reports whether the worker must end, because the pool
// stops and no message is left.
func (p *Pool) leadLocked(w *worker) (t *task, end bool) {
	p.leader = w
	w.turn = false
	channels := p.channels
	wait := p.ready.length == 0 && !p.stopping
	stopping := p.stopping && p.ready.length == 0
	w.gen.receivingLocked(1)
	p.mu.Unlock()
	d, c, err := p.receive(w, wait, channels)
	p.mu.Lock()
	w.renewParkedLocked()
	ok := err == nil
	if ok {
		t = p.placeLocked(d, c)
	} else if !errors.Is(err, errWake) {
		p.receiveFailedLocked(w, err)
	}
	w.gen.receivingLocked(-1)
	p.leader = nil
	if len(p.idle) > 0 {
		p.wakeLocked()
	}
	if t != nil {
		if !p.acquireLocked(t) {
			return nil, false
		}
		p.startedLocked()
	}
	return t, t == nil && !ok && stopping && p.ready.length == 0
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
	p.log.Error("receiving failed; trying again in a second", logkey.Error, err)
	parked := w.parked
	p.mu.Unlock()
	pause(parked, retryReceive)
	p.mu.Lock()
}

// parkLocked makes w wait until it is woken.
func (p *Pool) parkLocked(w *worker) {
	p.idle = append(p.idle, w)
	p.mu.Unlock()
	<-w.wake
	p.mu.Lock()
}

// wakeLocked wakes a parked worker or, if none is parked, the leader.
func (p *Pool) wakeLocked() {
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		w.wake <- struct{}{}
		return
	}
	if p.leader != nil {
		p.leader.unpark(errWake)
	}
}

// wakeAllLocked makes every worker check again what it must do.
func (p *Pool) wakeAllLocked() {
	for len(p.idle) > 0 {
		p.wakeLocked()
	}
	for w := range p.workers {
		w.unpark(errWake)
	}
}

// routeLocked finds the consumer of a task in the current generation. It
// releases the lock meanwhile.
func (p *Pool) routeLocked(t *task) {
	g := p.current
	if g.routed == nil {
		return // the worker of an older, routed generation finds the consumer
	}
	p.mu.Unlock()
	defer p.mu.Lock()
	t.gen, t.consumer = g, g.routed.Route(t.delivery)
}

// subscribeLocked updates the channels that the leader receives from.
func (p *Pool) subscribeLocked() {
	if p.current == nil || p.current.routed == nil {
		p.channels = nil
		return
	}
	was := p.channels
	p.channels = p.wantedLocked()
	if p.leader != nil && !slices.Equal(was, p.channels) {
		p.leader.unpark(errWake)
	}
}

// wantedLocked returns the channels that the pool must receive from.
func (p *Pool) wantedLocked() []string {
	var wanted []string
	add := func(name string) {
		if !slices.Contains(wanted, name) && p.opts.allows(name) {
			wanted = append(wanted, name)
		}
	}
	for _, name := range protocolChannels {
		if p.waiting >= maxReady && (name == asgi.HTTPRequest || name == asgi.WebSocketConnect) {
			continue
		}
		add(name)
	}
	if p.httpSessions {
		add(asgi.HTTPDisconnect)
	}
	for _, name := range p.current.routed.Channels() {
		switch {
		case isProtocol(name):
			if name == asgi.HTTPDisconnect {
				add(name)
			}
		case !p.drained && !p.exhaustedLocked(name):
			add(name)
		}
	}
	return wanted
}

// exhaustedLocked reports whether a route of the channel runs as many handlers
// as its limit allows. Durable messages stay in the channel layer meanwhile.
func (p *Pool) exhaustedLocked(channel string) bool {
	for _, l := range p.limits {
		if l.Channel == channel && l.full() {
			return true
		}
	}
	return false
}

// receivesFromLocked reports whether the pool receives from a channel.
func (p *Pool) receivesFromLocked(channel string) bool { return slices.Contains(p.channels, channel) }

// allows reports whether the options allow the pool to receive from a channel.
func (o *Options) allows(channel string) bool {
	matches := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			ok, _ := path.Match(pattern, channel)
			return ok
		})
	}
	if len(o.OnlyChannels) > 0 && !matches(o.OnlyChannels) {
		return false
	}
	return !matches(o.ExcludeChannels)
}
