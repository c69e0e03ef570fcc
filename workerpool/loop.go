package workerpool

import (
	"context"
	"errors"
	"strings"
	"time"

	"asgibox/asgi"
)

// ErrRetired is what a loop application's receive answers when its generation
// is over. The program ends with it.
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
	return w.abandoned || w.closed || p.stopping || p.current != w.gen
}

// Job answers the job that the program works on: the message that it received
// last, or none. Its calls to the layer go through it.
func (w *LoopWorker) Job() *Job { return w.job }

// Receive takes a message from one of the channels and makes it the job; a
// piece of a body belongs to the job that is. Without one it waits, if block is
// set and as long as the context allows, else ok is false. It answers
// [ErrRetired] when the generation is over, unless a single-reader channel is
// among those named.
func (w *LoopWorker) Receive(ctx context.Context, block bool, channels ...string) (d asgi.Delivery, ok bool, err error) {
	p := w.pool
	w.end()
	defer func() {
		w.begin()
		err = w.why(ctx, err)
	}()
	for {
		names, parked, err := w.listen(channels)
		if err != nil {
			return d, false, err
		}
		if d, ok, err = w.take(ctx, parked, block && !p.isStopping(), names); ok || err != nil && !errors.Is(err, errWake) {
			return d, ok, err
		}
		if p.isStopping() && !stays(channels) {
			return d, false, ErrRetired
		}
		if !block {
			return d, false, nil
		}
	}
}

// take asks the channel layer once.
func (w *LoopWorker) take(ctx, parked context.Context, wait bool, names []string) (d asgi.Delivery, ok bool, err error) {
	c := asgi.NewCause(0)
	switch {
	case !wait && len(names) == 0:
	case !wait:
		d, ok, err = w.pool.layer.Poll(ctx, c, names...)
	default:
		both, cancel := context.WithCancelCause(ctx)
		stop := context.AfterFunc(parked, func() { cancel(context.Cause(parked)) })
		if len(names) == 0 {
			<-both.Done()
			err = context.Cause(both)
		} else {
			d, err = w.pool.layer.Receive(both, c, names...)
			ok = err == nil
		}
		stop()
		cancel(nil)
	}
	if ok {
		w.given(d, c)
	}
	return d, ok, err
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

// listen answers those of the channels that the pool may receive from now, or
// [ErrRetired].
func (w *LoopWorker) listen(channels []string) (names []string, parked context.Context, err error) {
	p := w.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	w.worker.parkableLocked()
	if w.worker.abandoned || (p.current != w.worker.gen && !stays(channels)) {
		return nil, nil, ErrRetired
	}
	if !p.drained && len(p.opts.OnlyChannels) == 0 && len(p.opts.ExcludeChannels) == 0 {
		return channels, w.worker.parked, nil
	}
	for _, name := range channels {
		switch {
		case asgi.KindOf(name) == asgi.SingleReader:
		case p.drained && !isProtocol(name), !p.opts.receives(name):
			continue
		}
		names = append(names, name)
	}
	return names, w.worker.parked, nil
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

func (p *Pool) isStopping() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopping
}

// begin starts the clock of the handler time-out.
func (w *LoopWorker) begin() context.Context {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	return w.worker.beginLocked(w.job, nil)
}

// end stops it, and tells whether the worker has been replaced meanwhile.
func (w *LoopWorker) end() (replaced bool) {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	w.worker.job = nil
	return w.worker.abandoned
}

// why tells a wait that was cancelled from one that was not.
func (w *LoopWorker) why(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return nil
	}
	return err
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
