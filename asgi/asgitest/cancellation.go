package asgitest

import (
	"context"
	"errors"
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
	{name: "cancelling one receive does not end the others", check: func(r *rig) {
		a, b := r.park("c"), r.park("c")
		a.cancel(nil)
		<-a.done
		b.waits()
		r.send("c", 1)
		b.wants(1)
	}},
}
