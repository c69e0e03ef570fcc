package workerpool

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"asgibox/asgi"
)

// ErrRetired is the error of [LoopWorker.Receive] when the generation has been
// replaced or its worker is surplus. The program must end then.
var ErrRetired = errors.New("this generation of the application has ended")

// A LoopWorker runs the program of a loop application. It belongs to one
// goroutine.
type LoopWorker struct {
	pool     *Pool
	worker   *worker
	job      *Job
	received int
	routine  *coroutine // nil if the layer cannot run it

	ended *Job // the last one whose session was ended with its connection

	interrupted bool // guarded by the pool's mutex
}

// loop runs the program again and again while its generation is current.
func (w *worker) loop() {
	p := w.pool
	app := w.gen.app.(Loop)
	for !p.mustEnd(w) {
		lw := &LoopWorker{pool: p, worker: w}
		lw.job = lw.newJob(asgi.Delivery{}, asgi.NewCause(asgi.NewTrace()))
		err := lw.run(func() error { return guard(func() error { return app.Work(lw.begin(), lw) }) })
		replaced := lw.end()
		switch {
		case replaced:
			return
		case errors.Is(err, ErrRetired):
		case err != nil:
			p.fail(lw.job, "", err)
		}
		if lw.received == 0 && !errors.Is(err, ErrRetired) {
			p.mu.Lock()
			parked := w.parked
			p.mu.Unlock()
			pause(parked, restartLoop)
		}
		p.endSession(lw.job)
	}
}

func (w *LoopWorker) run(work func() error) error {
	if _, waits := w.worker.gen.app.(Waiting); waits || w.pool.borrows == nil {
		return work()
	}
	w.routine = &coroutine{layer: w.pool.borrows}
	return w.routine.run(work)
}

// mustEnd reports whether the worker of a loop must end.
func (p *Pool) mustEnd(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.renewParkedLocked()
	w.ending = w.abandoned || w.closed || w.surplus || p.halted || p.stopping || p.current != w.gen
	return w.ending
}

// Job returns the job that the program works on: the message that it received
// last, if any. The calls of the program to the channel layer use it.
func (w *LoopWorker) Job() *Job { return w.job }

// Receive takes a message from one of the channels and makes it the current
// job; a part of a body belongs to the job that is current already. If there
// is no message, Receive waits for the given time, or forever if wait is
// negative, and then returns ok false. It returns [ErrRetired] when the generation has
// been replaced, unless channels contains a single-reader channel.
func (w *LoopWorker) Receive(wait time.Duration, channels ...string) (d asgi.Delivery, ok bool, err error) {
	newWork := !Continues(channels)
	if newWork && w.ended != w.job {
		w.ended = w.job
		w.pool.endSession(w.job)
	}
	var until time.Time
	if wait > 0 {
		until = time.Now().Add(wait)
	}
	w.pool.mu.Lock()
	w.idleLocked(newWork)
	defer w.resume(newWork)
	for ; ; w.pool.mu.Lock() {
		names, err := w.listenLocked(channels, newWork)
		parked, stopping, interrupted := w.worker.parked, w.pool.stopping, w.interrupted
		w.interrupted = false
		w.pool.mu.Unlock()
		if err != nil || interrupted {
			return d, false, err
		}
		left := wait
		switch {
		case stopping && newWork:
			left = 0
		case wait > 0:
			left = max(0, time.Until(until))
		}
		d, ok, err = w.take(parked, left, names)
		switch {
		case ok:
			return d, true, nil
		case err != nil && !errors.Is(err, errWake):
			return d, false, err
		case stopping && newWork:
			return d, false, ErrRetired
		case left == 0:
			return d, false, nil
		}
	}
}

// Interrupt makes the running or the next Receive return without a message, unless
// it has taken one. It may be called from any goroutine.
func (w *LoopWorker) Interrupt() {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	w.interrupted = true
	w.worker.unpark(errWake)
}

// Fail reports the failure of an earlier job of the worker and replies with it, as
// the pool does for the last one if [Loop] Work fails.
func (w *LoopWorker) Fail(j *Job, err error) { w.pool.fail(j, "", err) }

// idleLocked stops the handler timeout until resume. If newWork is set, the
// program may receive a new message from now on.
func (w *LoopWorker) idleLocked(newWork bool) {
	if w.routine != nil {
		w.routine.slow = time.Since(w.worker.began) >= slowCall
	}
	w.worker.job = nil
	if newWork {
		w.worker.gen.receivingLocked(1)
	}
}

// take asks the channel layer once. Cancelling the worker wakes it, too.
func (w *LoopWorker) take(parked context.Context, wait time.Duration, names []string) (d asgi.Delivery, ok bool, err error) {
	var c *asgi.Cause
	ctx := parked
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(parked, wait)
		defer cancel()
	}
	switch {
	case len(names) == 0 && wait == 0:
		return d, false, w.cancelled()
	case len(names) == 0:
		<-ctx.Done()
		err = context.Cause(ctx)
	case wait == 0:
		c = asgi.NewCause(0)
		d, ok, err = w.pool.layer.Poll(ctx, c, names...)
	case w.routine != nil:
		d, c, err = w.routine.receive(ctx, names)
		ok = err == nil
	default:
		c = asgi.NewCause(0)
		d, err = w.pool.layer.Receive(ctx, c, names...)
		ok = err == nil
	}
	switch {
	case ok:
		w.setJob(d, c)
		return d, true, nil
	case errors.Is(err, context.DeadlineExceeded):
		return d, false, nil
	case err != nil && !errors.Is(err, errWake):
		return d, false, err
	}
	return d, false, w.cancelled()
}

// cancelled returns the reason why the program was cancelled, or nil.
func (w *LoopWorker) cancelled() error {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	return context.Cause(w.worker.ctx)
}

// setJob makes the delivery the current job, or a part of it.
func (w *LoopWorker) setJob(d asgi.Delivery, c *asgi.Cause) {
	w.received++
	if asgi.KindOf(d.Channel) == asgi.SingleReader {
		w.job.Cause.Take(d)
		return
	}
	c.Generation = w.worker.gen.number
	w.job = w.newJob(d, c)
}

func (w *LoopWorker) newJob(d asgi.Delivery, c *asgi.Cause) *Job {
	c.Generation = w.worker.gen.number
	return &Job{pool: w.pool, worker: w.worker, gen: w.worker.gen, Delivery: d, Cause: c, reply: replyChannel(d.Message)}
}

// listenLocked returns those of the channels that the pool may receive from
// now, or [ErrRetired].
func (w *LoopWorker) listenLocked(channels []string, newWork bool) (names []string, err error) {
	p := w.pool
	w.worker.renewParkedLocked()
	stops := w.worker.surplus || p.current != w.worker.gen || p.stopping && p.offering == nil
	if w.worker.abandoned || p.halted || stops && newWork {
		return nil, ErrRetired
	}
	if !p.drained && !p.handingOver && len(p.opts.OnlyChannels) == 0 && len(p.opts.ExcludeChannels) == 0 {
		return channels, nil
	}
	for _, name := range channels {
		switch {
		case asgi.KindOf(name) == asgi.SingleReader:
		case p.drained && !isProtocol(name), p.handingOver && isSocket(name), !p.opts.allows(name):
			continue
		}
		names = append(names, name)
	}
	return names, nil
}

// Continues reports whether a receive from the channels belongs to work that
// has started.
func Continues(channels []string) bool {
	return slices.ContainsFunc(channels, func(name string) bool { return strings.Contains(name, "?") })
}

// begin starts the handler timeout.
func (w *LoopWorker) begin() context.Context {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	return w.worker.beginLocked(w.job, nil)
}

// resume starts the handler timeout again after a receive. A program that was
// cancelled stays cancelled.
func (w *LoopWorker) resume(newWork bool) {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	w.worker.began = time.Now()
	w.worker.job = w.job
	w.worker.clock.restart(w.worker.began)
	if newWork {
		w.worker.gen.receivingLocked(-1)
	}
}

// end stops the handler timeout and reports whether the worker was replaced.
func (w *LoopWorker) end() (replaced bool) {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	w.worker.job = nil
	return w.worker.abandoned
}
