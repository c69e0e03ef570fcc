package workerpool

// next returns the next task that w must start, or waits for one. It returns
// nil if the worker must end.
//
// The layer offers a message when it is sent, and again when a worker looks for
// work: see acceptor. A task that may start waits in p.starting for one of the
// free workers, which are awake or are woken. A task that comes from a lane
// becomes ready, and takes turns with the messages in the channels.
//
// If the layer cannot offer messages, one of the free workers receives: see
// leadLocked.
func (p *Pool) next(w *worker) *task {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.running = false
	retried := false // since it was last parked
	for {
		p.admitLocked()
		if p.mustEndLocked(w) {
			return p.endWorkerLocked(w)
		}
		w.setFreeLocked(true)
		if p.returnSomeLocked() {
			continue
		}
		if t := p.starting.pop(); t != nil {
			p.startedLocked()
			w.turn = !t.queued
			return p.runLocked(w, t)
		}
		canRetry := p.canRetryLocked(retried)
		if p.ready.length > 0 && !(w.turn && canRetry) {
			if t := p.takeReadyLocked(); t != nil {
				w.turn = true
				return p.runLocked(w, t)
			}
			continue
		}
		switch {
		case !canRetry && p.doneLocked():
			return p.endWorkerLocked(w)
		case !canRetry:
			p.parkLocked(w)
			retried = false
		case p.offering != nil:
			p.retryLocked(!retried)
			retried = true
			p.settleLocked()
		default:
			if t := p.leadLocked(w); t != nil {
				return p.runLocked(w, t)
			}
		}
	}
}

// runLocked marks a worker as the one that runs the task.
func (p *Pool) runLocked(w *worker, t *task) *task {
	w.setFreeLocked(false)
	w.running, w.task = true, t
	if p.starting.length+p.ready.length > 0 || p.unsettled || p.missed {
		p.wakeLocked()
	}
	return t
}

// endWorkerLocked records that a worker must end. Another one continues with
// what waits.
func (p *Pool) endWorkerLocked(w *worker) *task {
	w.setFreeLocked(false)
	w.ending = true
	p.settleLocked()
	switch {
	case !p.stopping:
		p.wakeLocked()
	case !p.awake:
		p.wakeAllLocked()
	}
	return nil
}

// mustEndLocked reports whether a worker must end: it is surplus, or another
// generation is current. A worker of a routed generation that is followed by a
// loop stays until no task is left, because a loop cannot handle it.
func (p *Pool) mustEndLocked(w *worker) bool {
	if w.abandoned || w.closed || w.surplus || p.halted || p.closed {
		return true
	}
	return p.current != w.gen && (p.current.routed != nil || p.waiting == 0)
}

// canRetryLocked reports whether offering the waiting messages again may start
// one. Retried reports whether the worker has done so since it was last parked.
func (p *Pool) canRetryLocked(retried bool) bool {
	switch {
	case p.current.routed == nil:
		return false
	case p.offering != nil:
		return p.missed || !retried && p.offering.Waiting() > 0
	}
	return p.leader == nil && !p.stopping
}

// doneLocked reports whether the pool stops and nothing is left to do: no task
// waits, or none that waits can ever start, because none runs. What waits in
// the channels of a layer that cannot offer messages is left to other readers.
func (p *Pool) doneLocked() bool {
	if !p.stopping || p.starting.length+p.ready.length+p.reserved > 0 {
		return false
	}
	if p.waiting == 0 && (p.offering == nil || p.offering.Waiting() == 0) {
		return true
	}
	for w := range p.workers {
		if w.running {
			return false
		}
	}
	return true
}

// takeReadyLocked returns the oldest ready task, or nil if that task must wait
// for its limit or has waited too long.
func (p *Pool) takeReadyLocked() *task {
	t := p.ready.pop()
	if t.gen != p.current {
		p.routeLocked(t)
	}
	if p.isLateLocked(t) {
		p.startedLocked()
		if l := p.limitOfLocked(t); l != nil && !l.full() {
			p.nextForPlaceLocked(l)
		}
		p.nextInLaneLocked(t)
		p.turnAwayLocked(t)
		return nil
	}
	if !p.admittedLocked(t) {
		return nil
	}
	p.startedLocked()
	return t
}

// startedLocked removes a task from the number of waiting tasks.
func (p *Pool) startedLocked() {
	p.waiting--
	p.gateLocked()
	if p.waiting == 0 && p.current.routed == nil {
		p.wakeAllLocked() // workers of the old generation can end
	}
}

// parkLocked makes w wait until it is woken.
func (p *Pool) parkLocked(w *worker) {
	p.idle = append(p.idle, w)
	p.awake = false
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
	p.awake = true
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
