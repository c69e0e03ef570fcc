package workerpool

import (
	"context"
	"iter"

	"asgibox/asgi"
)

// A coroutine runs the program of a loop application. While the program waits for a
// message, a sender that lends its goroutine can run it until it waits again. So
// one goroutine can send a request, handle it and write the response.
type coroutine struct {
	layer  asgi.Acceptors
	resume func() (struct{}, bool) // runs the program until it waits or has ended
	pause  func(struct{}) bool     // makes the program wait

	waits    bool            // the program has not ended
	slow     bool            // its last message took long, so it does not run on the goroutine of a sender
	ctx      context.Context // of the receive that the program waits in
	channels []string        // that it names
	got      asgi.Delivery   // what it returns
	cause    *asgi.Cause
	err      error
}

// run runs the program. Between messages, it waits in the layer.
func (r *coroutine) run(work func() error) (err error) {
	resume, stop := iter.Pull(func(yield func(struct{}) bool) {
		r.pause = yield
		err = work()
	})
	defer stop()
	r.resume = resume
	borrow := r.borrow
	for r.step(); r.waits; {
		lent := borrow
		if r.slow {
			lent = nil
		}
		c := asgi.NewCause(0)
		d, ok, err := r.layer.ReceiveOrRun(r.ctx, c, lent, r.channels...)
		if ok || err != nil {
			r.got, r.cause, r.err = d, c, err
			r.step()
		}
	}
	return err
}

// step runs the program until it waits or has ended.
func (r *coroutine) step() { _, r.waits = r.resume() }

// borrow runs the program on the goroutine of a sender. It returns the channels to
// wait for next, or none if the program does not wait as before.
func (r *coroutine) borrow(d asgi.Delivery) []string {
	defer crashOnPanic()
	before := r.ctx
	r.got, r.cause, r.err = d, asgi.NewCause(0), nil
	r.cause.Take(d)
	r.step()
	if !r.waits || r.slow || r.ctx != before {
		return nil
	}
	return r.channels
}

// receive waits for a message. The program calls it.
func (r *coroutine) receive(ctx context.Context, channels []string) (asgi.Delivery, *asgi.Cause, error) {
	r.ctx, r.channels = ctx, channels
	r.pause(struct{}{})
	d := r.got
	r.got = asgi.Delivery{}
	return d, r.cause, r.err
}
