package asgitest

import (
	"strings"
	"sync"
	"sync/atomic"

	"asgibox/asgi"
)

var capacityThree = Setup{Capacity: 3}

var capacity = []promise{
	{name: "a queue holds as many messages as its capacity", needs: []string{OneQueue}, setup: capacityThree, check: func(r *rig) {
		if n := r.fill("c", 10); n != 3 {
			r.Errorf("it accepted %d messages, want 3", n)
		}
		r.wants("c", 0, 1, 2)
	}},
	{name: "a queue holds 1000 messages by default", needs: []string{OneQueue}, check: func(r *rig) {
		if n := r.fill("c", 2000); n != 1000 {
			r.Errorf("it accepted %d messages, want 1000", n)
		}
	}},
	{name: "receiving a message makes room for one", needs: []string{OneQueue}, setup: capacityThree, check: func(r *rig) {
		r.fill("c", 10)
		r.poll("c")
		r.send("c", 3)
		r.fails("send", r.trySend("c", 4), asgi.ErrChannelFull)
		r.wants("c", 1, 2, 3)
	}},
	{name: "a full channel does not affect others", needs: []string{OneQueue}, setup: capacityThree, check: func(r *rig) {
		r.fill("c", 10)
		r.send("d", 1, 2, 3)
		r.wants("d", 1, 2, 3)
	}},
	{name: "a message for a waiting reader takes no room", needs: []string{HandOver}, setup: Setup{Capacity: 1}, check: func(r *rig) {
		a, b := r.park("c"), r.park("c")
		r.send("c", 1, 2, 3)
		r.fails("send", r.trySend("c", 4), asgi.ErrChannelFull)
		<-a.done
		<-b.done
		r.wants("c", 3)
	}},
	{name: "capacity is set by pattern and the first match wins", needs: []string{OneQueue},
		setup: Setup{Capacity: 5, ChannelCapacity: []PatternCapacity{{"http.request", 2}, {"websocket.receive", 4}, {"websocket.*", 3}, {"*.jobs", 1}}},
		check: func(r *rig) {
			for channel, want := range map[string]int{"http.request": 2, "http.requests": 5, "websocket.receive": 4, "websocket.connect": 3, "my.jobs": 1, "my.jobs.too": 5, "other": 5} {
				if n := r.fill(channel, 10); n != want {
					r.Errorf("%s accepted %d messages, want %d", channel, n, want)
				}
			}
		}},
	{name: "queued messages of process-specific channels count by prefix", setup: capacityThree, check: func(r *rig) {
		r.send("reply!a", 1)
		r.send("reply!b", 2)
		r.send("reply!c", 3)
		r.fails("send", r.trySend("reply!d", 4), asgi.ErrChannelFull)
		r.send("other!d", 5)
		r.wants("reply!", 1, 2, 3)
		r.wants("other!", 5)
	}},
	{name: "messages of single-reader channels count by name", setup: capacityThree, check: func(r *rig) {
		r.fill("body?a", 10)
		r.send("body?b", 1, 2, 3)
	}},
	{name: "a request body's channel holds 16 pieces", check: func(r *rig) {
		if n := r.fill("http.request.body?x7Kd", 100); n != 16 {
			r.Errorf("it accepted %d pieces, want 16", n)
		}
	}},
	{name: "concurrent senders never exceed the capacity", needs: []string{OneQueue}, setup: Setup{Capacity: 100}, check: func(r *rig) {
		var accepted atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for n := range 50 {
					if r.trySend("c", n) == nil {
						accepted.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if got := accepted.Load(); got != 100 {
			r.Errorf("%d messages were accepted, want 100", got)
		}
	}},
	{name: "all queues together hold at most memory and then every send fails", needs: []string{Memory},
		setup: Setup{Capacity: 10_000, Memory: 1 << 20}, check: func(r *rig) {
			m := asgi.MustMessage(asgi.Field{Key: "content", Value: asgi.Bytes(strings.Repeat("x", 10<<10))})
			n := 0
			for r.Send(r.ctx, nil, "a", m) == nil {
				if n++; n > 102 {
					r.Fatal("more than 1 MiB was accepted")
				}
			}
			if n < 10 {
				r.Errorf("only %d messages of 10 KiB fit in 1 MiB", n)
			}
			r.fails("send elsewhere", r.Send(r.ctx, nil, "b", m), asgi.ErrChannelFull)
			r.fails("send to a process", r.Send(r.ctx, nil, "reply!b", m), asgi.ErrChannelFull)
			r.poll("a")
			r.must(r.Send(r.ctx, nil, "b", m))
		}},
}
