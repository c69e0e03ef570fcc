package workerpool

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

const (
	// abandonAfter is how long a cancelled handler has to stop before its
	// worker is replaced.
	abandonAfter = 2 * time.Second
	// retryReceive is the pause after the channel layer has failed.
	retryReceive = time.Second
	// restartLoop is the pause before a loop application that ended
	// without receiving anything is run again.
	restartLoop = time.Second
)

var (
	errWake     = errors.New("woken")
	errShutdown = errors.New("the server is shutting down")
)

// worker is one goroutine that handles messages for one generation.
type worker struct {
	pool *Pool
	gen  *generation
	wake chan struct{} // holds one

	number int // for those who look

	// Guarded by the pool's mutex:
	parked    context.Context // ends when the worker is to look again
	unpark    context.CancelCauseFunc
	turn      bool // it has just started a task that was ready
	abandoned bool // it does not stop; another has taken its place
	spare     bool // one too many: it is to end after its handler
	ending    bool // it has found that its time is over
	closed    bool // the channel layer is
	job       *Job // what it runs; nil if nothing
	task      *task
	since     time.Time // when that began, or last answered
	cancelled time.Time // when that was cancelled
	ctx       context.Context
	cancel    context.CancelCauseFunc
}

// hireLocked starts a worker for a generation.
func (p *Pool) hireLocked(g *generation) {
	p.hired++
	w := &worker{pool: p, gen: g, wake: make(chan struct{}, 1), number: p.hired}
	w.parked, w.unpark = context.WithCancelCause(context.Background())
	w.ctx, w.cancel = context.WithCancelCause(context.Background())
	p.workers[w] = struct{}{}
	g.users++
	p.busy.Add(1)
	go w.run() // busy waits for it, unless it is abandoned
}

func (w *worker) run() {
	if w.gen.kind == KindLoop {
		w.loop()
	} else {
		w.serve()
	}
	w.pool.mu.Lock()
	w.leaveLocked(w.pool)
	w.pool.mu.Unlock()
	w.unpark(nil)
	w.cancel(nil)
	w.pool.release(w.gen)
}

// leaveLocked strikes the worker off the pool's list, once.
func (w *worker) leaveLocked(p *Pool) {
	if _, listed := p.workers[w]; listed {
		delete(p.workers, w)
		p.busy.Done()
	}
}

// serve handles task after task.
func (w *worker) serve() {
	p := w.pool
	for t := p.next(w); t != nil; t = p.next(w) {
		w.handle(t)
	}
}

// handle runs one task to its end.
func (w *worker) handle(t *task) {
	p := w.pool
	j := &Job{pool: p, worker: w, Delivery: t.delivery, Cause: t.cause, reply: t.reply}
	ctx := w.begin(j, t)
	var began time.Time
	if p.opts.Handled != nil {
		began = time.Now()
	}
	p.consume(ctx, t.consumer, j)
	if p.opts.Handled != nil {
		p.opts.Handled(Handled{Delivery: &j.Delivery, Worker: w.number, Generation: j.gen.number, Consumer: t.consumer, Began: began})
	}
	w.end(t)
	p.settle(j)
}

// begin notes what the worker runs, and on which generation: the current one,
// if it takes tasks.
func (w *worker) begin(j *Job, t *task) context.Context {
	p := w.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.current
	if g.routed == nil {
		g = w.gen
	}
	if t.gen != g {
		t.gen, t.consumer = g, g.routed.Route(t.delivery)
	}
	if g != w.gen {
		g.users++
	}
	j.gen = g
	j.Cause.Generation = g.number
	return w.beginLocked(j, t)
}

// end lets go what waited for the task.
func (w *worker) end(t *task) {
	p := w.pool
	p.mu.Lock()
	other := t.gen != w.gen
	if !w.abandoned {
		p.endLocked(t)
		w.job, w.task = nil, nil
	}
	p.mu.Unlock()
	if other {
		p.release(t.gen)
	}
}

func (p *Pool) endLocked(t *task) {
	p.nextInLaneLocked(t)
	p.leaveLocked(t)
}

// guard runs f and turns a panic into an error.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	return f()
}

// A PanicError is a handler's panic: a fault of the program, not of the
// application.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// pause waits, unless the context ends first.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
