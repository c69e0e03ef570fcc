package asgitest

import (
	"context"
	"errors"
)

var cancellation = []promise{
	{name: "a reader that waits ends with its context's cause", check: func(r *rig) {
		p := r.park("c")
		why := errors.New("the test wants it back")
		p.cancel(why)
		<-p.done
		if !errors.Is(p.err, why) {
			r.Errorf("err = %v, want %v", p.err, why)
		}
	}},
	{name: "a reader that was cancelled is handed nothing", check: func(r *rig) {
		p := r.park("c")
		p.cancel(nil)
		<-p.done
		r.send("c", 1)
		r.wants("c", 1)
	}},
	{name: "a message is assigned and returned, or stays, whatever is cancelled", check: func(r *rig) {
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
	{name: "a message that waits is not lost to a context that has ended", check: func(r *rig) {
		ctx, cancel := context.WithCancel(r.ctx)
		cancel()
		r.send("c", 1)
		if d, err := r.Receive(ctx, nil, "c"); err != nil {
			r.wants("c", 1)
		} else if d.Message.Int("n") != 1 {
			r.Errorf("got %v", fields(d.Message))
		}
	}},
	{name: "cancelling one reader leaves the others parked", check: func(r *rig) {
		a, b := r.park("c"), r.park("c")
		a.cancel(nil)
		<-a.done
		b.waits()
		r.send("c", 1)
		b.wants(1)
	}},
}
