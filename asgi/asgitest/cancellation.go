package asgitest

import (
	"context"
	"errors"
	"slices"

	"asgibox/asgi"
)

var cancellation = []promise{
	{name: "a waiting receive fails with its context's cause", check: func(r *rig) {
		p := r.park("c")
		cause := errors.New("cancelled by the test")
		p.cancel(cause)
		<-p.done
		if !errors.Is(p.err, cause) {
			r.Errorf("err = %v, want %v", p.err, cause)
		}
	}},
	{name: "a cancelled receive takes no message", check: func(r *rig) {
		p := r.park("c")
		p.cancel(nil)
		<-p.done
		r.send("c", 1)
		r.wants("c", 1)
	}},
	{name: "cancelling a receive never loses a message", check: func(r *rig) {
		for n := range 200 {
			p := r.park("c")
			go p.cancel(context.Canceled)
			r.send("c", n)
			<-p.done
			if p.err != nil {
				r.wants("c", n)
			} else {
				p.wants(n)
				r.none("c")
			}
		}
	}},
	{name: "a receive with an ended context loses no message", check: func(r *rig) {
		ctx, cancel := context.WithCancel(r.ctx)
		cancel()
		r.send("c", 1)
		if d, err := r.Receive(ctx, nil, "c"); err != nil {
			r.wants("c", 1)
		} else if d.Message.Int("n") != 1 {
			r.Errorf("got %v", fields(d.Message))
		}
	}},
	{name: "waiting receives name at most so many channels together", check: func(r *rig) {
		list := slices.Repeat([]string{"c"}, asgi.MaxReceive)
		var long []*parked
		for range asgi.MaxWaitingNames / len(list) {
			long = append(long, r.park(list...))
		}
		_, err := r.Receive(r.ctx, nil, list...)
		r.fails("receive", err, asgi.ErrTooManyNames)
		short := r.park("d") // names few
		r.send("d", 1)
		short.wants(1)
		long[0].cancel(nil)
		<-long[0].done
		again := r.park(list...)
		again.waits()
		for _, p := range append(long, again) {
			p.cancel(nil)
			<-p.done
		}
		r.send("c", 2)
		r.wants("c", 2)
	}},
	{name: "cancelling one receive does not end the others", check: func(r *rig) {
		a, b := r.park("c"), r.park("c")
		a.cancel(nil)
		<-a.done
		b.waits()
		r.send("c", 1)
		b.wants(1)
	}},
}
