package asgitest

import (
	"time"

	"asgibox/asgi"
)

var envelope = []promise{
	{name: "poll gives the sender's trace to the delivery and the cause", needs: []string{Envelope}, check: func(r *rig) {
		r.must(r.Send(r.ctx, asgi.NewCause(7), "c", number(1)))
		work := asgi.NewCause(0)
		d, ok, err := r.Poll(r.ctx, work, "c")
		if r.must(err); !ok || d.Trace != 7 || work.Trace() != 7 {
			r.Errorf("ok %v, trace of the delivery %v, of the cause %v", ok, d.Trace, work.Trace())
		}
	}},
	{name: "a waiting receive gives the trace to its cause", needs: []string{Envelope}, check: func(r *rig) {
		work := asgi.NewCause(0)
		done := make(chan error, 1)
		go func() {
			_, err := r.Receive(r.ctx, work, "c")
			done <- err
		}()
		r.settle()
		r.must(r.Send(r.ctx, asgi.NewCause(8), "c", number(1)))
		if r.must(<-done); work.Trace() != 8 {
			r.Errorf("trace is %v", work.Trace())
		}
	}},
	{name: "volatile messages are delivered and marked as volatile", needs: []string{Envelope}, check: func(r *rig) {
		r.must(r.Send(r.ctx, nil, "c", number(1), asgi.Volatile))
		r.send("c", 2)
		if a, b := r.poll("c"), r.poll("c"); !a.Volatile || b.Volatile {
			r.Errorf("volatile: %v and %v", a.Volatile, b.Volatile)
		}
	}},
	{name: "a delivery has the deadline of its message", needs: []string{Envelope}, setup: Setup{Expiry: 30 * time.Second}, check: func(r *rig) {
		before := time.Now()
		r.send("c", 1)
		after := time.Now()
		d := r.poll("c")
		if d.Deadline.Before(before.Add(r.setup.Expiry)) || d.Deadline.After(after.Add(r.setup.Expiry)) {
			r.Errorf("deadline is %v after the send, want %v", d.Deadline.Sub(before), r.setup.Expiry)
		}
	}},
	{name: "a reader's barrier covers the sender's writes", check: func(r *rig) {
		sender, reader := asgi.NewCause(1), asgi.NewCause(0)
		r.must(r.Send(r.ctx, sender, "durable", number(1)))
		r.must(r.Send(r.ctx, sender, "c", number(2), asgi.Volatile))
		_, ok, err := r.Poll(r.ctx, reader, "c")
		if r.must(err); !ok {
			r.Fatal("no message was received")
		}
		r.must(reader.Barrier().Wait(r.ctx))
		if !sender.Barrier().Passed() {
			r.Error("the reader's barrier passed before the sender's")
		}
	}},
	{name: "the barrier of a send passes", check: func(r *rig) {
		work := asgi.NewCause(1)
		r.must(r.Send(r.ctx, work, "c", number(1)))
		r.must(work.Barrier().Wait(r.ctx))
		if !work.Barrier().Passed() {
			r.Error("the barrier has not passed after Wait")
		}
	}},
}
