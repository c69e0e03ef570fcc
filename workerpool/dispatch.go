package workerpool

import (
	"context"
	"errors"
	"path"
	"slices"

	"asgibox/asgi"
)

// crowd is the number of tasks waiting in the pool from which no new
// connections are received: they wait in the channel layer, whose capacity
// tells protocol servers when there are too many.
const crowd = 1000

// next waits for a task that w is to start. It answers nil if the worker is
// to end.
//
// Workers take turns receiving: one of them, the leader, waits on the channel
// layer while the others are parked. What the leader receives it places, gives
// up the lead, waking another worker for it, and goes on to handle a task. So
// messages are placed in the order of receipt, and no goroutine stands between
// the channel layer and the handler.
func (p *Pool) next(w *worker) *task {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if p.overLocked(w) {
			w.ending = true
			if p.ready.length > 0 {
				p.wakeLocked()
			}
			return nil
		}
		if p.ready.length > 0 && !(w.turn && p.leader == nil) {
			if t := p.takeLocked(w); t != nil {
				return t
			}
			continue
		}
		if p.leader != nil || p.current.routed == nil {
			p.parkLocked(w)
			continue
		}
		if t, over := p.leadLocked(w); t != nil || over {
			return t
		}
	}
}

// overLocked reports whether a worker's time is over: it is one too many, or
// another generation is current, unless that one is a loop, which cannot be given what is left.
func (p *Pool) overLocked(w *worker) bool {
	if w.abandoned || w.closed || w.spare || p.halted {
		return true
	}
	return p.current != w.gen && (p.current.routed != nil || p.waiting == 0)
}

// takeLocked starts the oldest task that is ready.
func (p *Pool) takeLocked(w *worker) *task {
	w.turn = true
	t := p.ready.pop()
	if !p.enterLocked(t) {
		return nil
	}
	p.startedLocked()
	if p.ready.length > 0 {
		p.wakeLocked()
	}
	return t
}

func (p *Pool) startedLocked() {
	p.waiting--
	if p.waiting == crowd-1 {
		p.subscribeLocked()
	}
	if p.waiting == 0 && p.current.routed == nil {
		p.wakeAllLocked() // those of the old generation may go
	}
}

// leadLocked makes w the leader until it has received something or is woken.
// If tasks are ready it does not wait: that is how a connection with much to
// do leaves room for others. A durable message is answered, to be run at once.
func (p *Pool) leadLocked(w *worker) (t *task, over bool) {
	p.leader = w
	w.turn = false
	channels := p.channels
	wait := p.ready.length == 0 && !p.stopping
	stopping := p.stopping && p.ready.length == 0
	w.gen.receivingLocked(1)
	p.mu.Unlock()
	d, c, err := p.receive(w, wait, channels)
	p.mu.Lock()
	w.parkableLocked()
	ok := err == nil
	if ok {
		t = p.placeLocked(d, c)
	} else if !errors.Is(err, errWake) {
		p.brokenLocked(w, err)
	}
	w.gen.receivingLocked(-1)
	p.leader = nil
	if len(p.idle) > 0 {
		p.wakeLocked()
	}
	if t != nil {
		if !p.enterLocked(t) {
			return nil, false
		}
		p.startedLocked()
	}
	return t, t == nil && !ok && stopping && p.ready.length == 0
}

// receive takes one message from the channel layer. It answers errWake if
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

// brokenLocked deals with a channel layer that fails to receive: the pool
// waits a little before it tries again.
func (p *Pool) brokenLocked(w *worker, err error) {
	if errors.Is(err, asgi.ErrClosed) {
		w.closed = true
		return
	}
	p.log.Error("receiving failed; trying again in a second", "err", err)
	parked := w.parked
	p.mu.Unlock()
	pause(parked, retryReceive)
	p.mu.Lock()
}

// parkLocked has w wait until it is woken.
func (p *Pool) parkLocked(w *worker) {
	p.idle = append(p.idle, w)
	p.mu.Unlock()
	<-w.wake
	p.mu.Lock()
}

// wakeLocked wakes a parked worker, or the leader if that is the only one
// without work.
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

// wakeAllLocked has every worker look again at what there is to do.
func (p *Pool) wakeAllLocked() {
	for len(p.idle) > 0 {
		p.wakeLocked()
	}
	for w := range p.workers {
		w.unpark(errWake)
	}
}

// routeLocked finds the consumer of a task in the generation that is current,
// for which it lets go of the lock.
func (p *Pool) routeLocked(t *task) {
	g := p.current
	if g.routed == nil {
		return // a worker of the routed generation before it will know
	}
	p.mu.Unlock()
	defer p.mu.Lock()
	t.gen, t.consumer = g, g.routed.Route(t.delivery)
}

// subscribeLocked works out anew what the leader receives from.
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

func (p *Pool) wantedLocked() []string {
	var wanted []string
	add := func(name string) {
		if !slices.Contains(wanted, name) && p.opts.receives(name) {
			wanted = append(wanted, name)
		}
	}
	for _, name := range protocolChannels {
		if p.waiting >= crowd && (name == httpRequest || name == websocketConnect) {
			continue
		}
		add(name)
	}
	if p.httpSessions {
		add(httpDisconnect)
	}
	for _, name := range p.current.routed.Channels() {
		switch {
		case isProtocol(name):
			if name == httpDisconnect {
				add(name)
			}
		case !p.drained && !p.exhaustedLocked(name):
			add(name)
		}
	}
	return wanted
}

// exhaustedLocked reports whether a route of the channel has as many handlers
// running as it allows: what is durable stays in the channel layer till then.
func (p *Pool) exhaustedLocked(channel string) bool {
	for _, l := range p.limits {
		if l.Channel == channel && l.full() {
			return true
		}
	}
	return false
}

// hearsLocked reports whether the pool receives from a channel.
func (p *Pool) hearsLocked(channel string) bool { return slices.Contains(p.channels, channel) }

// receives reports whether the options let a channel be received from.
func (o *Options) receives(channel string) bool {
	fits := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			ok, _ := path.Match(pattern, channel)
			return ok
		})
	}
	if len(o.OnlyChannels) > 0 && !fits(o.OnlyChannels) {
		return false
	}
	return !fits(o.ExcludeChannels)
}
