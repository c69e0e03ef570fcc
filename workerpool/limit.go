package workerpool

// limit is a concurrency limit with the tasks that wait for it.
type limit struct {
	Limit
	running int
	waiting queue // tasks that are first in their lanes
	turn    bool  // the last free place was left to the channel
}

func (l *limit) full() bool { return l.running >= l.Max }

// limitLocked replaces the limits by those of a generation. Running handlers
// count towards a limit with the same key. Waiting tasks become ready, to be
// checked against the new limits.
func (p *Pool) limitLocked(g *generation) {
	if g.routed == nil {
		return
	}
	wanted := make(map[string]bool)
	for _, l := range g.routed.Limits() {
		wanted[l.Key] = true
		if old := p.limits[l.Key]; old != nil {
			old.Limit = l
		} else {
			p.limits[l.Key] = &limit{Limit: l}
		}
	}
	for key, l := range p.limits {
		for l.waiting.length > 0 {
			p.nextForPlaceLocked(l)
		}
		if !wanted[key] && l.running == 0 {
			delete(p.limits, key)
		}
	}
}

// limitOfLocked returns the limit of a task, or nil.
func (p *Pool) limitOfLocked(t *task) *limit {
	if t.consumer == nil {
		return nil
	}
	return p.limits[t.consumer.Limit()]
}

// acquireLocked counts a task that may start.
func (p *Pool) acquireLocked(t *task) {
	l := p.limitOfLocked(t)
	if l == nil {
		return
	}
	l.running++
	t.limit = l
	if l.full() && !isProtocol(l.Channel) {
		p.resubscribeLocked()
	}
}

// admittedLocked reports whether the limit of a task allows it to start. If
// not, the task waits for the limit.
func (p *Pool) admittedLocked(t *task) bool {
	if l := p.limitOfLocked(t); l != nil && l.full() {
		p.awaitPlaceLocked(l, t)
		return false
	}
	p.acquireLocked(t)
	return true
}

// freeLocked frees the place of a task in its limit. Tasks that wait for it take
// turns with messages that wait in the channel.
func (p *Pool) freeLocked(t *task) {
	l := t.limit
	if l == nil {
		return
	}
	t.limit = nil
	wasFull := l.full()
	l.running--
	if l.turn = !l.turn; p.offering != nil && p.offering.Waiting() > 0 && (l.turn || l.waiting.length == 0) {
		p.unsettled = true
	} else {
		p.nextForPlaceLocked(l)
	}
	if wasFull && !isProtocol(l.Channel) {
		p.resubscribeLocked()
	}
}

// settleLocked makes waiting tasks ready whose limit was left to messages in
// the channel that did not come.
func (p *Pool) settleLocked() {
	if !p.unsettled {
		return
	}
	p.unsettled = false
	for _, l := range p.limits {
		for n := l.Max - l.running; n > 0 && l.waiting.length > 0; n-- {
			p.nextForPlaceLocked(l)
		}
	}
}

// resubscribeLocked updates the channels of the leader, which does not receive
// durable messages whose limit is full.
func (p *Pool) resubscribeLocked() {
	if p.offering == nil {
		p.subscribeLocked()
	}
}
