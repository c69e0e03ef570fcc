package workerpool

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"asgibox/asgi"
)

const (
	// abandonAfter is the time that a cancelled handler has to stop before its
	// worker is replaced.
	abandonAfter = 2 * time.Second
	// retryReceive is the pause after an error of the channel layer.
	retryReceive = time.Second
	// restartLoop is the pause before a loop application runs again that ended
	// without receiving a message.
	restartLoop = time.Second
)

var (
	errWake     = errors.New("woken")
	errShutdown = errors.New("the server is shutting down")
)

// serve handles tasks until the worker must end.
func (w *worker) serve() {
	p := w.pool
	for t := p.next(w); t != nil; t = p.next(w) {
		w.handle(t)
	}
}

// handle runs one task.
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
		p.opts.Handled(Handled{Delivery: &j.Delivery, Worker: w.number, Generation: j.gen.number, Consumer: t.consumer, Began: began, Unrouted: j.unrouted, Failed: j.failed})
	}
	w.end(t)
	p.endSession(j)
}

// begin records the job of the worker and its generation: the current one, if
// that is not a loop.
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

// end frees the worker, the lane and the limit of the task.
func (w *worker) end(t *task) {
	p := w.pool
	p.mu.Lock()
	other := t.gen != w.gen
	p.noteDurationLocked(t, time.Since(w.began))
	if !w.abandoned {
		p.endLocked(t)
		w.job, w.task = nil, nil
		w.returnLocked()
		p.handOverLocked()
	}
	p.mu.Unlock()
	if other {
		p.release(t.gen)
	}
}

// endLocked frees the limit and the lane of a task. A task that waits for the
// limit becomes ready before the next one of the same connection, so that
// connections take turns.
func (p *Pool) endLocked(t *task) {
	p.freeLocked(t)
	p.nextInLaneLocked(t)
}

// Handled describes a message that a worker has just handled.
type Handled struct {
	Delivery   *asgi.Delivery // valid only during the call
	Worker     int
	Generation uint64
	Consumer   Consumer // nil if no route matched
	Began      time.Time
	Unrouted   bool // the message was dropped because no route matches it
	Failed     bool // the response, if any, is that of an error of the server
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

// A PanicError is a panic of a handler. It is a fault of the program, not of
// the application.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// pause waits for a duration or until the context is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
