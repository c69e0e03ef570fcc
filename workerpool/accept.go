package workerpool

import "asgibox/asgi"

// acceptor takes the messages that the layer offers to a pool: those that can
// start, and those that wait in a lane for an earlier message of their
// connection. It leaves all others in their channels.
type acceptor struct{ pool *Pool }

// Sort finds the consumer of a message. Messages with the same limit wait for
// the same thing.
func (a *acceptor) Sort(d asgi.Delivery) (class string, ticket any) {
	t := &task{delivery: d, reply: replyChannel(d.Message), gen: a.pool.sorting.Load()}
	if t.gen.routed != nil {
		t.consumer = t.gen.routed.Route(d)
	}
	if t.consumer != nil {
		class = t.consumer.Limit()
	}
	return class, t
}

// Offer decides where a message waits, or starts it.
func (a *acceptor) Offer(o asgi.Offer) asgi.Verdict {
	p, t := a.pool, o.Ticket.(*task)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.current.routed == nil || p.halted:
		return asgi.Left
	case t.gen != p.current:
		return asgi.Unsorted
	}
	t.delivery, t.queued, t.lane = o.Delivery, o.Queued, nil
	if l := p.laneLocked(t); l != nil && t.ordered() {
		t.lane = l
	}
	switch l := t.lane; {
	case o.Held:
		p.leaveLocked(t, o.Queued)
		return asgi.Left
	case l != nil && l.occupied(o.ID):
		if !o.Queued && !isDisconnect(o.Channel) && p.refuseLocked(t, o.Sender) {
			return asgi.Refused
		}
		l.arrive(o.ID)
		t.acceptLocked(p, o.Delivery)
		p.enterLocked(l, t)
		return asgi.Accepted
	case o.Behind || !p.canStartLocked(t, o.Queued):
		p.leaveLocked(t, o.Queued)
		return asgi.Left
	case l != nil:
		if !o.Queued && p.refuseToHoldLocked(t, o.Sender) {
			return asgi.Refused
		}
		l.busy = true
		l.arrive(o.ID)
		p.holdLocked(t)
	}
	p.acquireLocked(t)
	if !o.Volatile {
		p.reserved++
		return asgi.Accepted
	}
	t.acceptLocked(p, o.Delivery)
	if o.Lends && p.borrowLocked(t) {
		return asgi.Borrowed
	}
	p.startLocked(t)
	return asgi.Accepted
}

// leaveLocked records that the task waits in its channel.
func (p *Pool) leaveLocked(t *task, queued bool) {
	if !queued {
		p.missed = true
	}
	if t.lane != nil {
		t.lane.leave(t.delivery.ID)
	}
}

// acceptLocked makes the task one of the pool's.
func (t *task) acceptLocked(p *Pool, d asgi.Delivery) {
	t.delivery = d
	t.cause = asgi.NewCause(0)
	t.cause.Take(d)
	p.waiting++
}

// Start starts a durable message that Offer has accepted.
func (a *acceptor) Start(d asgi.Delivery, ticket any) {
	p, t := a.pool, ticket.(*task)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reserved--
	t.acceptLocked(p, d)
	p.startLocked(t)
}

// Ready reports whether a worker is free.
func (a *acceptor) Ready() bool {
	a.pool.mu.Lock()
	defer a.pool.mu.Unlock()
	return !a.pool.halted && a.pool.slotsLocked() > 0
}

// Lost lets the lane of a lost message go on.
func (a *acceptor) Lost(d asgi.Delivery) {
	p := a.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	reply := replyChannel(d.Message)
	l := p.lanes[reply]
	if l == nil {
		return
	}
	l.arrive(d.ID)
	if !l.busy && len(l.left) == 0 && l.queue.length == 0 && d.Channel != asgi.WebSocketReceive {
		delete(p.lanes, reply)
		return
	}
	p.advanceLocked(l)
	p.wakeLocked()
}

// Closed ends all workers.
func (a *acceptor) Closed() {
	p := a.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.wakeAllLocked()
}

// slotsLocked returns the number of workers for which there is no task yet. Those that
// return come first.
func (p *Pool) slotsLocked() int {
	return p.free - p.starting.length - p.reserved - len(p.returning)
}

// canStartLocked reports whether a worker is free for the task and its limit
// allows it to start. A new task does not pass those that are ready already.
func (p *Pool) canStartLocked(t *task, queued bool) bool {
	slots := p.slotsLocked()
	if !queued {
		slots -= p.ready.length
	}
	if slots <= 0 {
		return false
	}
	l := p.limitOfLocked(t)
	return l == nil || !l.full()
}

// startLocked gives a task that may start to a free worker.
func (p *Pool) startLocked(t *task) {
	p.starting.push(t)
	p.wakeLocked()
}

// retryLocked offers the messages that wait in the channels again, and then those that
// refused senders have, if admit is set and a worker is still free. It releases the lock
// meanwhile.
func (p *Pool) retryLocked(admit bool) {
	p.missed = false
	p.mu.Unlock()
	p.offering.Retry()
	p.mu.Lock()
	if admit && p.slotsLocked() > p.ready.length {
		p.mu.Unlock()
		p.offering.Admit()
		p.mu.Lock()
	}
}

// admitLocked lets the refused senders try again for whose lanes there is room
// now. It releases the lock meanwhile.
func (p *Pool) admitLocked() {
	for len(p.rooms) > 0 {
		sender := p.rooms[0]
		p.rooms = p.rooms[1:]
		p.mu.Unlock()
		waits := p.offering.Room(sender)
		p.mu.Lock()
		if !waits {
			p.admitNextLocked()
		}
	}
}
