package workerpool

import (
	"context"
	"slices"
	"time"
)

const (
	// maxAside is how many handlers of routes may wait for their clients beyond the
	// number of workers.
	maxAside = 1000
	// maxAsideBytes is how much of their responses they may hold together.
	maxAsideBytes = 64 << 20
)

// StepAside says that the handler waits until its client has read a part of the
// response, or sent a part of the body, and holds a number of bytes meanwhile. The handler
// does not count as one that runs until it calls [Job.StepBack] or ends, so that slow
// clients do not hold up others. It still counts towards the concurrency limit of its route.
func (j *Job) StepAside(bytes int) {
	p, w := j.pool, j.worker
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.job != j || w.gen.kind != KindRouted || !w.countsLocked() || p.stopping {
		return
	}
	if _, sized := w.gen.app.(Sized); sized {
		return
	}
	waiting, held := 0, bytes
	for other := range p.workers {
		if other.aside {
			waiting++
			held += other.held
		}
	}
	if waiting == maxAside || held > maxAsideBytes {
		p.crowded = true
		return
	}
	w.aside, w.held = true, bytes
	p.setWorkersLocked()
}

// A returning worker is aside, and its handler waits until it counts again.
type returning struct {
	worker *worker
	counts chan struct{} // closed when it does
}

// StepBack says that the handler goes on, if it has stepped aside. It waits until a
// worker is free, whose place it takes before new messages do. The handler timeout stands
// still meanwhile.
func (j *Job) StepBack(ctx context.Context) error {
	p, w := j.pool, j.worker
	p.mu.Lock()
	if w.job != j || !w.aside || w.abandoned {
		p.mu.Unlock()
		return context.Cause(ctx)
	}
	r := returning{w, make(chan struct{})}
	p.returning = append(p.returning, r)
	j.stopClockLocked(time.Now())
	if p.stopping && w.gen == p.current {
		p.setWorkersLocked() // some may have ended
	}
	p.returnSomeLocked()
	p.mu.Unlock()
	var err error
	select {
	case <-r.counts:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	j.resumeClockLocked(time.Now())
	p.returning = slices.DeleteFunc(p.returning, func(o returning) bool { return o == r })
	return err
}

// returnSomeLocked gives the places of free workers to those that return. Handlers of an
// old generation need none. It reports whether any worker has returned.
func (p *Pool) returnSomeLocked() bool {
	before := len(p.returning)
	p.returning = slices.DeleteFunc(p.returning, func(r returning) bool {
		if r.worker.gen == p.current && p.free <= p.starting.length+p.reserved {
			return false
		}
		r.worker.returnLocked()
		close(r.counts)
		return true
	})
	return len(p.returning) < before
}

// returnLocked makes a worker count again, if it is aside. If there are more workers
// than wanted now, one ends.
func (w *worker) returnLocked() {
	if !w.aside {
		return
	}
	w.aside, w.pool.crowded = false, false
	if w.gen == w.pool.current {
		w.pool.setWorkersLocked()
		w.pool.wakeAllLocked()
	}
}
