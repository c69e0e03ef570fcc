package workerpool

const (
	// maxAside is how many handlers of routes may wait for their clients beyond the
	// number of workers.
	maxAside = 1000
	// maxAsideBytes is how much of their responses they may hold together.
	maxAsideBytes = 64 << 20
)

// StepAside says that the handler waits until its client has read a part of the
// response, or sent a part of the body, and holds a number of bytes meanwhile. The handler
// does not count as one that runs from then on until it ends, so that slow clients do not
// hold up others. It still counts towards the concurrency limit of its route.
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
		return
	}
	w.aside, w.held = true, bytes
	p.setWorkersLocked()
}

// returnLocked makes a worker count again whose handler has ended. If there are more
// workers than wanted now, one ends.
func (w *worker) returnLocked() {
	if !w.aside {
		return
	}
	w.aside = false
	if w.gen == w.pool.current {
		w.pool.setWorkersLocked()
		w.pool.wakeAllLocked()
	}
}
