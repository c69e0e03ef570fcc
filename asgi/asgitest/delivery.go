package asgitest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"asgibox/asgi"
)

var delivery = []promise{
	{name: "a channel is first in, first out", needs: []string{OneQueue}, check: func(r *rig) {
		r.send("c", upTo(100)...)
		r.wants("c", upTo(100)...)
	}},
	{name: "a single-reader channel is in order and returns a message whenever one waits", check: func(r *rig) {
		r.send("body?x7Kd", upTo(100)...)
		r.wants("body?x7Kd", upTo(100)...)
	}},
	{name: "a process-specific channel is in order", check: func(r *rig) {
		r.send("reply!a", upTo(100)...)
		r.wants("reply!", upTo(100)...)
	}},
	{name: "channels do not mix", check: func(r *rig) {
		r.send("a", 1)
		r.send("b", 2)
		r.none("c")
		r.wants("b", 2)
		r.wants("a", 1)
	}},
	{name: "a delivery has the name of its channel", check: func(r *rig) {
		r.send("b", 1)
		if d := r.poll("a", "b", "c"); d.Channel != "b" {
			r.Errorf("channel is %q", d.Channel)
		}
	}},
	{name: "polling an empty channel returns at once", check: func(r *rig) {
		r.none("c")
		r.none("a", "b", "body?x", "reply!")
	}},
	{name: "sending never waits for a reader", needs: []string{OneQueue}, check: func(r *rig) {
		r.send("c", upTo(10)...)
		r.settle()
		r.wants("c", upTo(10)...)
	}},
	{name: "a reader waits until a message comes", check: func(r *rig) {
		for _, channel := range []string{"c", "body?x", "reply!"} {
			p := r.park(channel)
			p.waits()
			if channel == "reply!" {
				channel = "reply!local"
			}
			r.send(channel, 1)
			p.wants(1)
			if p.got.Channel != channel {
				r.Errorf("received on %q, want %q", p.got.Channel, channel)
			}
		}
	}},
	{name: "receive returns a message that already waits", check: func(r *rig) {
		r.send("c", 1)
		d, err := r.Receive(r.ctx, nil, "a", "c")
		if err != nil || d.Message.Int("n") != 1 {
			r.Errorf("got %v, %v", fields(d.Message), err)
		}
	}},
	{name: "one message wakes one reader", check: func(r *rig) {
		a, b := r.park("c"), r.park("c")
		r.send("c", 1)
		r.settle()
		first, second := a, b
		select {
		case <-b.done:
			first, second = b, a
		default:
		}
		first.wants(1)
		second.waits()
		r.send("c", 2)
		second.wants(2)
	}},
	{name: "a reader of many channels receives the first message on any of them", check: func(r *rig) {
		p := r.park("a", "b", "body?x", "reply!")
		r.send("b", 1)
		p.wants(1)
		r.send("a", 2)
		r.wants("a", 2)
	}},
	{name: "a channel may be given twice in one call", check: func(r *rig) {
		p := r.park("c", "c")
		r.send("c", 1, 2)
		p.wants(1)
		r.wants("c", 2)
	}},
	{name: "a message on any of n channels is received within n receives", setup: Setup{Capacity: 1000}, check: func(r *rig) {
		channels := []string{"busy", "also.busy", "quiet", "fourth"}
		for _, order := range [][]string{channels, {"quiet", "busy", "also.busy", "fourth"}, {"busy", "also.busy", "fourth", "quiet"}} {
			r.send("busy", upTo(50)...)
			r.send("also.busy", upTo(50)...)
			r.send("quiet", 1)
			if !r.receives("quiet", order, len(order)) {
				r.Errorf("%q was starved; the channels are %q", "quiet", order)
			}
			r.drain(order...)
		}
	}},
	{name: "a busy channel delays no channel of any kind", check: func(r *rig) {
		for _, quiet := range []string{"body?x7Kd", "reply!a", "plain"} {
			r.send("busy", upTo(20)...)
			r.send(quiet, 1)
			among := []string{"busy", asgi.ProcessPrefix(quiet)}
			if !r.receives(quiet, among, len(among)) {
				r.Errorf("%q was starved", quiet)
			}
			r.drain(among...)
		}
	}},
	{name: "no channel starves when all are busy", setup: Setup{Capacity: 1000}, check: func(r *rig) {
		var channels []string
		for i := range 10 {
			channels = append(channels, fmt.Sprintf("busy.%d", i))
			r.send(channels[i], upTo(30)...)
		}
		counts := map[string]int{}
		for range 200 {
			counts[r.poll(channels...).Channel]++
		}
		for _, c := range channels {
			if counts[c] < 10 {
				r.Errorf("received from %s %d times in 200", c, counts[c])
			}
		}
	}},
	{name: "each message goes to exactly one of many readers", setup: Setup{Capacity: 10_000}, check: checkAtMostOnce},
	{name: "messages of one sender keep their order when others send too", needs: []string{OneQueue}, setup: Setup{Capacity: 10_000}, check: checkSendersKeepOrder},
}

// receives polls at most n times and reports whether there was a message on
// channel.
func (r *rig) receives(channel string, among []string, n int) bool {
	r.Helper()
	for range n {
		if r.poll(among...).Channel == channel {
			return true
		}
	}
	return false
}

// drain receives all waiting messages.
func (r *rig) drain(channels ...string) {
	r.Helper()
	for ok := true; ok; {
		var err error
		_, ok, err = r.Poll(r.ctx, nil, channels...)
		r.must(err)
	}
}

const senders, each = 4, 200

// sendAll sends numbered messages from several goroutines. Each sender has its
// own range of numbers.
func (r *rig) sendAll(channels ...string) {
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				if err := r.trySend(channels[i%len(channels)], s*each+i); err != nil {
					r.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func checkAtMostOnce(r *rig) {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	var seen [senders * each]atomic.Int32
	var remaining atomic.Int32
	remaining.Store(senders * each)
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for {
				d, err := r.Receive(ctx, nil, "a", "b", "c")
				if err != nil {
					return
				}
				if seen[d.Message.Int("n")].Add(1); remaining.Add(-1) == 0 {
					cancel()
				}
			}
		})
	}
	r.sendAll("a", "b", "c")
	readers.Wait()
	for n := range seen {
		if got := seen[n].Load(); got != 1 {
			r.Errorf("message %d was delivered %d times", n, got)
		}
	}
}

func checkSendersKeepOrder(r *rig) {
	last := [senders]int{-1, -1, -1, -1}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range senders * each {
			d, err := r.Receive(r.ctx, nil, "c")
			if err != nil {
				r.Error(err)
				return
			}
			s, i := int(d.Message.Int("n"))/each, int(d.Message.Int("n"))%each
			if i != last[s]+1 {
				r.Errorf("sender %d: message %d came after %d", s, i, last[s])
			}
			last[s] = i
		}
	}()
	r.sendAll("c")
	<-done
}

// upTo returns 0 … n-1.
func upTo(n int) []int {
	ns := make([]int, n)
	for i := range ns {
		ns[i] = i
	}
	return ns
}

func (r *rig) groups() asgi.Groups { return extension[asgi.Groups](r) }
