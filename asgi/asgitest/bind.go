package asgitest

import (
	"sync"

	"asgibox/asgi"
)

var binding = []promise{
	{name: "a bound function receives from every channel with its prefix", check: func(r *rig) {
		m, _ := r.bind("reply!")
		other, _ := r.bind("other!")
		r.send("reply!a", 1)
		r.send("other!a", 2)
		r.send("reply!b", 3)
		r.send("reply!a", 4)
		r.delivered(m, "reply!a", 1, 4)
		r.delivered(m, "reply!b", 3)
		r.delivered(other, "other!a", 2)
	}},
	{name: "a bound function has received the message when send returns", needs: []string{Push}, check: func(r *rig) {
		m, _ := r.bind("reply!")
		for n := range 100 {
			r.send("reply!a", n)
			if got := m.numbers("reply!a"); len(got) != n+1 {
				r.Fatalf("after %d sends it has received %d", n+1, len(got))
			}
		}
	}},
	{name: "messages of one sender are delivered in order when others send too", check: func(r *rig) {
		m, _ := r.bind("reply!")
		var wg sync.WaitGroup
		for _, channel := range []string{"reply!a", "reply!b", "reply!c"} {
			wg.Go(func() { r.send(channel, upTo(100)...) })
		}
		wg.Wait()
		for _, channel := range []string{"reply!a", "reply!b", "reply!c"} {
			r.delivered(m, channel, upTo(100)...)
		}
	}},
	{name: "queued messages of a prefix are delivered first", check: func(r *rig) {
		r.send("reply!a", 1, 2)
		m, _ := r.bind("reply!")
		r.send("reply!a", 3)
		r.delivered(m, "reply!a", 1, 2, 3)
	}},
	{name: "sending to a full mailbox fails with channel full", needs: []string{Push}, check: func(r *rig) {
		m, _ := r.bind("reply!")
		m.setResult("reply!full", asgi.ErrChannelFull)
		r.fails("send", r.trySend("reply!full", 1), asgi.ErrChannelFull)
		r.send("reply!other", 2)
		m.setResult("reply!full", nil)
		r.send("reply!full", 3)
		r.delivered(m, "reply!full", 3)
		r.delivered(m, "reply!other", 2)
	}},
	{name: "sending to a gone connection removes it from its groups and does not fail", needs: []string{asgi.ExtGroups}, check: func(r *rig) {
		m, _ := r.bind("reply!")
		r.add("g", "reply!gone", "reply!here")
		m.setResult("reply!gone", asgi.ErrGone)
		r.send("reply!gone", 1)
		r.delivered(m, "reply!gone")
		r.members("g", "reply!here")
	}},
	{name: "a sender that wants to know gets the error of a gone connection", needs: []string{Push}, check: func(r *rig) {
		m, _ := r.bind("reply!")
		m.setResult("reply!gone", asgi.ErrGone)
		r.fails("send", r.Send(r.ctx, nil, "reply!gone", number(1), asgi.ReportGone), asgi.ErrGone)
		r.must(r.Send(r.ctx, nil, "reply!here", number(2), asgi.ReportGone))
		r.must(r.Send(r.ctx, nil, "other!unbound", number(3), asgi.ReportGone))
		r.delivered(m, "reply!gone")
		r.delivered(m, "reply!here", 2)
	}},
	{name: "a prefix has at most one binding", check: func(r *rig) {
		m, _ := r.bind("reply!")
		if _, err := r.Bind("reply!", func(asgi.Delivery) error { return nil }); err == nil {
			r.Error("the prefix was bound twice")
		}
		r.send("reply!a", 1)
		r.delivered(m, "reply!a", 1)
	}},
	{name: "after unbinding nothing is delivered and messages queue again", check: func(r *rig) {
		m, unbind := r.bind("reply!")
		r.send("reply!a", 1)
		r.settle()
		unbind()
		r.send("reply!a", 2)
		r.delivered(m, "reply!a", 1)
		r.wants("reply!", 2)
	}},
	{name: "a prefix can be bound again after it was unbound", check: func(r *rig) {
		_, unbind := r.bind("reply!")
		unbind()
		m, _ := r.bind("reply!")
		r.send("reply!a", 1)
		r.delivered(m, "reply!a", 1)
	}},
	{name: "unbind waits for running deliveries", check: checkUnbindWaits},
	{name: "a bound function may be called by many senders at once", check: func(r *rig) {
		m, _ := r.bind("reply!")
		var wg sync.WaitGroup
		for n := range 16 {
			wg.Go(func() { r.send("reply!a", n) })
		}
		wg.Wait()
		r.settle()
		if got := m.numbers("reply!a"); len(got) != 16 {
			r.Errorf("%d of 16 were delivered: %v", len(got), got)
		}
	}},
}

func checkUnbindWaits(r *rig) {
	running, finish := make(chan struct{}), make(chan struct{})
	unbind, err := r.Bind("reply!", func(asgi.Delivery) error {
		close(running)
		<-finish
		return nil
	})
	r.must(err)
	sent := make(chan error, 1)
	go func() { sent <- r.trySend("reply!a", 1) }()
	<-running
	unbound := make(chan struct{})
	go func() {
		defer close(unbound)
		unbind()
	}()
	r.settle()
	select {
	case <-unbound:
		r.Error("unbind returned while a delivery was running")
	default:
	}
	close(finish)
	<-unbound
	r.must(<-sent)
}
