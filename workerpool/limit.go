package workerpool

// limit is a concurrency limit with the tasks that wait for it.
type limit struct {
	Limit
	running int
	waiting queue // tasks that are first in their lanes
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
		p.ready.pushAll(&l.waiting)
		if !wanted[key] && l.running == 0 {
			delete(p.limits, key)
		}
	}
}

// acquireLocked reports whether the limit of a task allows it to start. If
// not, the task waits for the limit.
func (p *Pool) acquireLocked(t *task) bool {
	if t.consumer == nil {
		return true
	}
	l := p.limits[t.consumer.Limit()]
	switch {
	case l == nil:
		return true
	case l.full():
		l.waiting.push(t)
		return false
	}
	l.running++
	t.limit = l
	if l.full() && !isProtocol(l.Channel) {
		p.subscribeLocked()
	}
	return true
}

// freeLocked frees the place of a task in its limit.
func (p *Pool) freeLocked(t *task) {
	l := t.limit
	if l == nil {
		return
	}
	t.limit = nil
	wasFull := l.full()
	l.running--
	if next := l.waiting.pop(); next != nil {
		p.ready.push(next)
	}
	if wasFull && !isProtocol(l.Channel) {
		p.subscribeLocked()
	}
}
