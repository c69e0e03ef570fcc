package workerpool

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"asgibox/asgi"
)

// worker is one goroutine that handles messages for one generation.
type worker struct {
	pool *Pool
	gen  *generation
	wake chan struct{} // has room for one

	number int // for reports

	// Guarded by the pool's mutex:
	parked    context.Context // done when the worker must check again what to do
	unpark    context.CancelCauseFunc
	turn      bool // its last task had not waited in its channel
	free      bool // it looks for a task
	running   bool // it has a task
	abandoned bool // it does not stop and was replaced
	aside     bool // its handler waits for its client or to return, and another worker has taken its place
	held      int  // bytes that it holds while aside
	surplus   bool // it must end after its handler
	ending    bool // it has found that it must end
	closed    bool // the channel layer is closed
	job       *Job // the job it runs; nil if none
	task      *task
	streaming bool      // the job has sent a part of a response, and more will follow
	began     time.Time // when the job started
	clock     stopwatch // of the handler timeout
	cancelled time.Time // when the job was cancelled
	ctx       context.Context
	cancel    context.CancelCauseFunc
}

// startWorkerLocked starts a worker for a generation.
func (p *Pool) startWorkerLocked(g *generation) {
	w := &worker{pool: p, gen: g, wake: make(chan struct{}, 1), number: p.numbers.take()}
	w.parked, w.unpark = context.WithCancelCause(context.Background())
	w.ctx, w.cancel = context.WithCancelCause(context.Background())
	p.workers[w] = struct{}{}
	p.awake = false
	w.setFreeLocked(g.routed != nil)
	g.users++
	p.busy.Add(1)
	go w.run() // p.busy waits for it, unless it is abandoned
}

func (w *worker) run() {
	if w.gen.kind == KindLoop {
		w.loop()
	} else {
		w.serve()
	}
	w.pool.mu.Lock()
	w.removeLocked(w.pool)
	w.pool.mu.Unlock()
	w.unpark(nil)
	w.cancel(nil)
	w.pool.release(w.gen)
}

// removeLocked removes the worker from the pool, once.
func (w *worker) removeLocked(p *Pool) {
	if _, listed := p.workers[w]; listed {
		delete(p.workers, w)
		p.numbers.free(w.number)
		p.busy.Done()
	}
}

// renewParkedLocked gives a worker that was woken a new context to wait on.
func (w *worker) renewParkedLocked() {
	if w.parked.Err() != nil {
		w.parked, w.unpark = context.WithCancelCause(context.Background())
		w.pool.awake = false
	}
}

// beginLocked records the job that the worker runs and the time.
func (w *worker) beginLocked(j *Job, t *task) context.Context {
	w.job, w.task, w.began, w.streaming = j, t, time.Now(), false
	w.clock = stopwatch{since: w.began}
	if w.ctx.Err() != nil && !w.abandoned {
		w.ctx, w.cancel = context.WithCancelCause(context.Background())
		w.cancelled = time.Time{}
	}
	return w.ctx
}

// MaxWorkers is the largest number of workers that [Pool.SetWorkers] and
// --workers accept.
const MaxWorkers = 10_000

// SetWorkers changes the number of handlers that run at once, for this
// generation and later ones. Additional workers start at once. Surplus workers
// end after their current handler, those of a loop application when they call
// receive for new work. It fails for a [Sized] application.
func (p *Pool) SetWorkers(n int) error {
	if n < 1 || n > MaxWorkers {
		return fmt.Errorf("invalid number of workers %d: it must be from 1 to %d", n, MaxWorkers)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return ErrClosed
	}
	if p.current != nil {
		if _, ok := p.current.app.(Sized); ok {
			return ErrSized
		}
	}
	p.wanted = n
	if p.current != nil {
		p.setWorkersLocked()
		p.wakeAllLocked()
	}
	return nil
}

// setWorkersLocked gives the current generation the wanted number of workers.
// It keeps a surplus worker that has not ended rather than start another one,
// so that no more than the wanted number run.
func (p *Pool) setWorkersLocked() {
	workers := p.currentWorkersLocked()
	for i, w := range workers {
		w.surplus = i >= p.wanted
	}
	for range p.wanted - len(workers) {
		p.startWorkerLocked(p.current)
	}
	p.free = 0
	for w := range p.workers {
		if w.free && w.countsLocked() {
			p.free++
		}
	}
}

// countsLocked reports whether the worker may run messages that wait in the
// channels.
func (w *worker) countsLocked() bool {
	return w.gen == w.pool.current && !w.surplus && !w.abandoned && !w.aside
}

// setFreeLocked records whether the worker looks for a task.
func (w *worker) setFreeLocked(free bool) {
	if free == w.free {
		return
	}
	w.free = free
	switch {
	case !w.countsLocked():
	case free:
		w.pool.free++
	default:
		w.pool.free--
	}
}

// currentWorkersLocked returns the workers of the current generation in the
// order in which to keep them: busy ones before idle ones, lower numbers before
// higher ones.
func (p *Pool) currentWorkersLocked() (workers []*worker) {
	for w := range p.workers {
		if w.gen == p.current && !w.ending && !w.aside {
			workers = append(workers, w)
		}
	}
	idle := func(w *worker) int {
		if w.job == nil && w.task == nil {
			return 1
		}
		return 0
	}
	slices.SortFunc(workers, func(a, b *worker) int {
		return cmp.Or(cmp.Compare(idle(a), idle(b)), cmp.Compare(a.number, b.number))
	})
	return workers
}

// A WorkerView describes the current work of one worker.
type WorkerView struct {
	Number     int // the lowest from 1 that no other worker had when it started
	Generation uint64
	Kind       Kind
	Busy       bool
	Channel    string // of the message that it handles
	Handler    string // the consumer's name
	Trace      asgi.TraceID
	Since      time.Time // start of the handler, or the last time it sent to its connection
	Cancelled  bool      // the handler was cancelled and has not stopped
	Leaving    bool      // the worker ends after its current message
}

// Workers describes all workers, sorted by number.
func (p *Pool) Workers() []WorkerView {
	p.mu.Lock()
	defer p.mu.Unlock()
	views := make([]WorkerView, 0, len(p.workers))
	for w := range p.workers {
		views = append(views, w.viewLocked())
	}
	slices.SortFunc(views, func(a, b WorkerView) int { return cmp.Compare(a.Number, b.Number) })
	return views
}

func (w *worker) viewLocked() WorkerView {
	v := WorkerView{Number: w.number, Generation: w.gen.number, Kind: w.gen.kind, Leaving: w.surplus}
	if w.job == nil || w.job.Delivery.Channel == "" {
		return v
	}
	v.Busy = true
	v.Channel, v.Trace, v.Since = w.job.Delivery.Channel, w.job.Delivery.Trace, w.clock.since
	v.Cancelled = !w.cancelled.IsZero()
	if w.job.gen != nil {
		v.Generation = w.job.gen.number
	}
	if w.task != nil && w.task.consumer != nil {
		v.Handler = w.task.consumer.Name()
	}
	return v
}
