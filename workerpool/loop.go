package workerpool

import (
	"context"
	"errors"
	"strings"
	"time"

	"asgibox/asgi"
)

// ErrRetired is what a loop application's receive answers when its generation
// is over, or its worker is one too many. The program ends with it.
var ErrRetired = errors.New("this generation of the application is over")

// A LoopWorker is what a loop application's program runs on. It belongs to
// one goroutine.
type LoopWorker struct {
	pool     *Pool
	worker   *worker
	job      *Job
	received int
}

// loop runs the program again and again while its generation is current.
func (w *worker) loop() {
	p := w.pool
	app := w.gen.app.(Loop)
	for !p.over(w) {
		lw := &LoopWorker{pool: p, worker: w}
		lw.job = lw.newJob(asgi.Delivery{}, asgi.NewCause(asgi.NewTrace()))
		err := guard(func() error { return app.Work(lw.begin(), lw) })
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
		p.settle(lw.job)
	}
}

// over reports whether a loop worker is to end.
func (p *Pool) over(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.parkableLocked()
	w.ending = w.abandoned || w.closed || w.spare || p.halted || p.stopping || p.current != w.gen
	return w.ending
}

// Job answers the job that the program works on: the message that it received
// last, or none. Its calls to the layer go through it.
func (w *LoopWorker) Job() *Job { return w.job }

// Receive takes a message from one of the channels and makes it the job; a
// piece of a body belongs to the job that is. Without one it waits that long,
// for ever if wait is negative; then ok is false. It answers [ErrRetired] when
// the generation is over, unless a single-reader channel is among those named.
func (w *LoopWorker) Receive(wait time.Duration, channels ...string) (d asgi.Delivery, ok bool, err error) {
	fresh := !stays(channels)
	var until time.Time
	if wait > 0 {
		until = time.Now().Add(wait)
	}
	w.pool.mu.Lock()
	w.restLocked(fresh)
	defer w.resume(fresh)
	for ; ; w.pool.mu.Lock() {
		names, err := w.listenLocked(channels, fresh)
		parked, stopping := w.worker.parked, w.pool.stopping
		w.pool.mu.Unlock()
		if err != nil {
			return d, false, err
		}
		left := wait
		switch {
		case stopping && fresh:
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
		case stopping && fresh:
			return d, false, ErrRetired
		case left == 0:
			return d, false, nil
		}
	}
}

// restLocked stops the clock of the handler time-out; from now on the program
// may be given something, something new if fresh.
func (w *LoopWorker) restLocked(fresh bool) {
	w.worker.job = nil
	if fresh {
		w.worker.gen.receivingLocked(1)
	}
}

// take asks the channel layer once. A worker that is cancelled is woken too.
func (w *LoopWorker) take(parked context.Context, wait time.Duration, names []string) (d asgi.Delivery, ok bool, err error) {
	c := asgi.NewCause(0)
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
		d, ok, err = w.pool.layer.Poll(ctx, c, names...)
	default:
		d, err = w.pool.layer.Receive(ctx, c, names...)
		ok = err == nil
	}
	switch {
	case ok:
		w.given(d, c)
		return d, true, nil
	case errors.Is(err, context.DeadlineExceeded):
		return d, false, nil
	case err != nil && !errors.Is(err, errWake):
		return d, false, err
	}
	return d, false, w.cancelled()
}

// cancelled answers why the program is to stop, if it is.
func (w *LoopWorker) cancelled() error {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	return context.Cause(w.worker.ctx)
}

// given makes the delivery the job, or part of it.
func (w *LoopWorker) given(d asgi.Delivery, c *asgi.Cause) {
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

// listenLocked answers those of the channels that the pool may receive from
// now, or [ErrRetired].
func (w *LoopWorker) listenLocked(channels []string, fresh bool) (names []string, err error) {
	p := w.pool
	w.worker.parkableLocked()
	if w.worker.abandoned || p.halted || ((w.worker.spare || p.current != w.worker.gen) && fresh) {
		return nil, ErrRetired
	}
	if !p.drained && len(p.opts.OnlyChannels) == 0 && len(p.opts.ExcludeChannels) == 0 {
		return channels, nil
	}
	for _, name := range channels {
		switch {
		case asgi.KindOf(name) == asgi.SingleReader:
		case p.drained && !isProtocol(name), !p.opts.receives(name):
			continue
		}
		names = append(names, name)
	}
	return names, nil
}

// stays reports whether a receive from the channels belongs to work that has
// begun.
func stays(channels []string) bool {
	for _, name := range channels {
		if strings.Contains(name, "?") {
			return true
		}
	}
	return false
}

// begin starts the clock of the handler time-out.
func (w *LoopWorker) begin() context.Context {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	return w.worker.beginLocked(w.job, nil)
}

// resume is begin after a receive, the opposite of restLocked: a program that
// was cancelled stays so.
func (w *LoopWorker) resume(fresh bool) {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	w.worker.job, w.worker.since = w.job, time.Now()
	if fresh {
		w.worker.gen.receivingLocked(-1)
	}
}

// end stops it, and tells whether the worker has been replaced meanwhile.
func (w *LoopWorker) end() (replaced bool) {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	w.worker.job = nil
	return w.worker.abandoned
}

// parkableLocked gives a worker that was woken a context to wait on again.
func (w *worker) parkableLocked() {
	if w.parked.Err() != nil {
		w.parked, w.unpark = context.WithCancelCause(context.Background())
	}
}

// beginLocked notes what the worker runs and since when.
func (w *worker) beginLocked(j *Job, t *task) context.Context {
	w.job, w.task, w.since = j, t, time.Now()
	if w.ctx.Err() != nil && !w.abandoned {
		w.ctx, w.cancel = context.WithCancelCause(context.Background())
		w.cancelled = time.Time{}
	}
	return w.ctx
}
