package workerpool

// limit is a bound of concurrency and who waits for it.
type limit struct {
	Limit
	running int
	waiting queue // tasks that are next in their lanes
}

func (l *limit) full() bool { return l.running >= l.Max }

// limitLocked takes over the bounds of a generation. Handlers of an older one
// count towards the bounds that have stayed; what waits is looked at anew.
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

// enterLocked lets a task start if its limit allows, or has it wait for that.
func (p *Pool) enterLocked(t *task) bool {
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

// leaveLocked frees what a task's limit held for it.
func (p *Pool) leaveLocked(t *task) {
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
