package asgitest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"asgibox/asgi"
)

var needAcceptors = []string{asgi.ExtAcceptors}

var accepting = []promise{
	{name: "a message is offered before it is queued", needs: needAcceptors, check: func(r *rig) {
		a := r.accept(3, "c")
		r.send("c", 1, 2)
		a.wants(1, 2)
		r.none("c")
		r.hasWaiting(a, 0)
	}},
	{name: "messages that cannot start wait in the channel up to its capacity", needs: needAcceptors, setup: capacityThree, check: func(r *rig) {
		a := r.accept(2, "c")
		r.send("c", 1, 2, 3, 4, 5)
		r.fails("send to the full channel", r.trySend("c", 6), asgi.ErrChannelFull)
		a.wants(1, 2)
		r.hasWaiting(a, 3)
		a.free(2)
		a.wants(1, 2, 3, 4)
		r.send("c", 7, 8)
		r.fails("send to the full channel", r.trySend("c", 9), asgi.ErrChannelFull)
		a.free(10)
		a.wants(1, 2, 3, 4, 5, 7, 8)
	}},
	{name: "a message waits only behind messages of its own class", needs: needAcceptors, setup: capacityThree, check: func(r *rig) {
		a := r.accept(10, "c")
		a.block("odd", true)
		r.send("c", 1, 3, 5)
		r.send("c", 2, 4)
		a.wants(2, 4)
		for _, most := range []int{2, 9} {
			if odd, even := a.offering.WaitingIn("odd", most), a.offering.WaitingIn("even", most); odd != min(3, most) || even != 0 {
				r.Errorf("up to %d: %d odd and %d even messages wait", most, odd, even)
			}
		}
		r.fails("send to the full channel", r.trySend("c", 7), asgi.ErrChannelFull)
		r.send("c", 6) // it can start, though the channel is full
		a.block("odd", false)
		a.free(0)
		a.wants(2, 4, 6, 1, 3, 5)
	}},
	{name: "a message whose sender lends its goroutine is handled when Send returns", needs: needAcceptors, check: func(r *rig) {
		a := r.accept(1, "c")
		for n := range 3 {
			r.must(r.Send(r.ctx, asgi.NewCause(0), "c", number(n), asgi.Volatile, asgi.Lend))
		}
		if got := a.all(); len(got) != 1 || got[0].Message.Int("n") != 0 {
			r.Errorf("got %v", got)
		}
		a.free(2) // the others have waited, so they cannot be borrowed
		a.wants(0, 1, 2)
		r.must(r.Send(r.ctx, asgi.NewCause(0), "c", number(3), asgi.Lend)) // a durable one is never borrowed
		r.hasWaiting(a, 1)
	}},
	{name: "a receiver that can run on a sender gets each message once", needs: needAcceptors, check: func(r *rig) {
		a := extension[asgi.Acceptors](r)
		ctx, stop := context.WithCancel(r.ctx)
		var got []int64
		note := func(d asgi.Delivery) []string {
			got = append(got, d.Message.Int("n"))
			return []string{"c"}
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for ctx.Err() == nil {
				if d, ok, _ := a.ReceiveOrRun(ctx, asgi.NewCause(0), note, "c"); ok {
					note(d)
				}
			}
		}()
		for n, opts := range [][]asgi.SendOption{{asgi.Volatile, asgi.Lend}, {asgi.Volatile}, {asgi.Volatile, asgi.Lend}, {asgi.Lend}} {
			r.settle() // it waits
			r.must(r.Send(r.ctx, asgi.NewCause(0), "c", number(n), opts...))
		}
		r.settle()
		stop()
		<-ended
		if !slices.Equal(got, []int64{0, 1, 2, 3}) {
			r.Errorf("it got %v", got)
		}
	}},
	{name: "an accepted message keeps its data", needs: needAcceptors, check: func(r *rig) {
		a := r.accept(1, "c")
		for i, opts := range [][]asgi.SendOption{{asgi.Volatile}, nil, {asgi.Volatile}, nil} {
			r.must(r.Send(r.ctx, asgi.NewCause(asgi.TraceID(7+i)), "c", number(i), opts...))
			r.settle()
		}
		a.free(3)
		for i, d := range a.all() {
			if d.Trace != asgi.TraceID(7+i) || d.Volatile != (i%2 == 0) || d.Channel != "c" || d.Deadline.IsZero() {
				r.Errorf("message %d: %+v", i, d)
			}
		}
		a.wants(0, 1, 2, 3)
	}},
	{name: "a refused message is not queued", needs: needAcceptors, check: func(r *rig) {
		a := r.accept(10, "c")
		a.refuse(true)
		r.fails("send", r.trySend("c", 1), asgi.ErrChannelFull)
		r.hasWaiting(a, 0)
		a.refuse(false)
		r.send("c", 2)
		a.wants(2)
	}},
	{name: "waiting messages are offered when their channel gets an acceptor", needs: needAcceptors, check: func(r *rig) {
		r.send("c", 1, 2)
		r.send("d", 3)
		a := r.accept(10, "c", "d")
		got := a.numbers()
		slices.Sort(got)
		if !slices.Equal(got, []int{1, 2, 3}) {
			r.Errorf("accepted %v", got)
		}
	}},
	{name: "an out-of-date message is sorted again", needs: needAcceptors, check: func(r *rig) {
		a := r.accept(0, "c")
		r.send("c", 1, 2)
		a.newVersion()
		r.send("c", 3)
		a.free(3)
		a.wants(1, 2, 3)
		a.newVersion()
		r.must(a.offering.Update("c"))
		r.send("c", 4)
		a.free(1)
		a.wants(1, 2, 3, 4)
	}},
	{name: "no acceptor is offered a channel twice", needs: needAcceptors, check: func(r *rig) {
		r.accept(1, "c")
		second, err := extension[asgi.Acceptors](r).Accept(&reader{r: r})
		r.must(err)
		r.fails("update", second.Update("c"), asgi.ErrInvalidName)
		r.fails("update", second.Update("reply!"), asgi.ErrInvalidName)
		r.must(second.Update("d"))
	}},
	{name: "a receiver takes what the acceptor leaves", needs: needAcceptors, check: func(r *rig) {
		a := r.accept(1, "c")
		r.send("c", 1, 2, 3)
		if n := r.poll("c").Message.Int("n"); n != 2 {
			r.Errorf("received %d, want 2", n)
		}
		r.poll("c")
		p := r.park("c")
		r.send("c", 4)
		p.wants(4)
		a.wants(1)
		a.wantsLost(2, 3, 4)
	}},
	{name: "an expired message is lost", needs: needAcceptors, setup: tenSeconds, check: func(r *rig) {
		a := r.accept(0, "c")
		r.send("c", 1)
		r.sleep(11 * time.Second)
		a.free(1)
		a.wants()
		a.wantsLost(1)
	}},
	{name: "a flushed message is lost", needs: []string{asgi.ExtAcceptors, asgi.ExtFlush}, check: func(r *rig) {
		a := r.accept(0, "c")
		r.send("c", 1)
		r.must(extension[asgi.Flusher](r).Flush(r.ctx, nil))
		a.wantsLost(1)
		r.hasWaiting(a, 0)
		a.free(1)
		a.wants()
	}},
	{name: "messages wait for receivers after the offering has ended", needs: needAcceptors, check: func(r *rig) {
		a := r.accept(1, "c")
		r.send("c", 1, 2)
		r.must(a.offering.Update())
		a.wantsLost(2)
		r.send("c", 3)
		r.wants("c", 2, 3)
	}},
	{name: "an acceptor is a reader", needs: []string{asgi.ExtAcceptors, asgi.ExtReaders}, check: func(r *rig) {
		r.accept(0, "c")
		r.sleep(2 * time.Minute)
		r.reader("c", true)
	}},
	{name: "messages put back, sent later or sent to a group are offered", needs: []string{asgi.ExtAcceptors, asgi.ExtPutBack, asgi.ExtDelay, asgi.ExtGroups}, check: func(r *rig) {
		a := r.accept(1, "c")
		r.send("c", 1, 2)
		r.putBack(r.poll("c"))
		a.free(1)
		a.wants(1, 2)
		a.free(1)
		r.must(extension[asgi.Later](r).SendLater(r.ctx, nil, time.Now().Add(r.suite.scale(time.Second)), "c", number(3)))
		r.sleep(2 * time.Second)
		a.wants(1, 2, 3)
		a.free(1)
		r.must(extension[asgi.Groups](r).GroupAdd(r.ctx, nil, "g", "c"))
		r.must(extension[asgi.Groups](r).SendGroup(r.ctx, nil, "g", number(4)))
		a.wants(1, 2, 3, 4)
	}},
	{name: "senders get room in turn", needs: needAcceptors, setup: capacityThree, check: func(r *rig) {
		r.send("c", 1, 2, 3)
		var sends []*waitingSend
		for n := 4; n <= 8; n++ {
			sends = append(sends, r.sendWhenRoom("c", n))
		}
		for n := 1; n <= 5; n++ {
			if got := r.poll("c").Message.Int("n"); got != int64(n) {
				r.Fatalf("received %d, want %d", got, n)
			}
			r.settle()
			sends[n-1].has(nil)
			r.fails("a sender that does not wait", r.trySend("c", 100), asgi.ErrChannelFull)
		}
		r.wants("c", 6, 7, 8)
	}},
	{name: "a refused sender waits until the acceptor has room", needs: needAcceptors, check: func(r *rig) {
		a := r.accept(10, "c")
		a.refuse(true)
		w := r.sendWhenRoom("c", 1)
		w.waits()
		a.refuse(false)
		if !a.room() {
			r.Error("the sender does not wait")
		}
		r.settle()
		w.has(nil)
		a.wants(1)
		if a.room() {
			r.Error("the sender still waits")
		}
		a.refuse(true)
		w = r.sendWhenRoom("c", 2)
		r.sleep(4 * time.Second)
		a.room() // in vain, and it has five seconds from now on
		r.sleep(4 * time.Second)
		w.waits()
		r.sleep(2 * time.Second)
		w.has(asgi.ErrChannelFull)
	}},
	{name: "a sender whose message can start does not wait behind others", needs: needAcceptors, setup: capacityThree, check: func(r *rig) {
		a := r.accept(0, "c")
		r.send("c", 1, 3, 5) // the channel is full of messages of one class
		odd := r.sendWhenRoom("c", 7)
		sends := []*waitingSend{r.sendWhenRoom("c", 2), r.sendWhenRoom("c", 4), r.sendWhenRoom("c", 6)}
		a.block("odd", true)
		a.add(1)
		r.fails("a sender that does not wait", r.trySend("c", 8), asgi.ErrChannelFull)
		a.free(0)
		for i, w := range sends {
			w.has(nil)
			a.wants([]int{2, 4, 6}[:i+1]...)
			a.free(1)
		}
		a.wants(2, 4, 6)
		odd.waits()
		a.block("odd", false)
		a.free(3)
		odd.has(nil)
		a.wants(2, 4, 6, 1, 3, 5, 7)
	}},
	{name: "a sender that waits for room gives up when its patience ends", needs: needAcceptors, setup: capacityThree, check: func(r *rig) {
		r.send("c", 1, 2, 3)
		w := r.sendWhenRoom("c", 4)
		r.sleep(4 * time.Second)
		w.waits()
		r.sleep(2 * time.Second)
		w.has(asgi.ErrChannelFull)
		r.wants("c", 1, 2, 3)
	}},
}

// accept makes a reader with a number of free slots the acceptor of channels.
func (r *rig) accept(slots int, channels ...string) *reader {
	r.Helper()
	a := &reader{r: r, slots: slots}
	var err error
	a.offering, err = extension[asgi.Acceptors](r).Accept(a)
	r.must(err)
	r.must(a.offering.Update(channels...))
	return a
}

// hasWaiting checks the number of messages that the acceptor has left.
func (r *rig) hasWaiting(a *reader, want int) {
	r.Helper()
	if got := a.offering.Waiting(); got != want {
		r.Errorf("%d messages wait, want %d", got, want)
	}
}

// A reader is an acceptor that starts as many messages as it has slots. The
// class of a message says whether its number is odd.
type reader struct {
	r        *rig
	offering asgi.Offering

	mu       sync.Mutex // guards the rest
	version  int
	slots    int
	blocked  map[string]bool // by class
	refuses  bool
	sender   any // that was refused last
	accepted []asgi.Delivery
	borrowed asgi.Delivery // the last one
	lost     []int
}

// sorted is the ticket of a message.
type sorted struct {
	class   string
	version int
}

func (a *reader) Sort(d asgi.Delivery) (string, any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	class := "even"
	if d.Message.Int("n")%2 == 1 {
		class = "odd"
	}
	return class, sorted{class, a.version}
}

func (a *reader) Offer(o asgi.Offer) asgi.Verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := o.Ticket.(sorted)
	switch {
	case t.version != a.version:
		return asgi.Unsorted
	case a.refuses:
		a.sender = o.Sender
		return asgi.Refused
	case o.Behind || o.Held || a.slots == 0 || a.blocked[t.class]:
		return asgi.Left
	}
	a.slots--
	if o.Lends {
		a.borrowed = o.Delivery
		return asgi.Borrowed
	}
	if o.Volatile {
		a.accepted = append(a.accepted, o.Delivery)
	}
	return asgi.Accepted
}

func (a *reader) Start(d asgi.Delivery, _ any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.accepted = append(a.accepted, d)
}

func (a *reader) Run(any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.accepted = append(a.accepted, a.borrowed)
}

func (a *reader) Ready() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.slots > 0
}

func (a *reader) Lost(d asgi.Delivery) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lost = append(a.lost, int(d.Message.Int("n")))
}

func (a *reader) Closed() {}

// add adds slots.
func (a *reader) add(slots int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.slots += slots
}

// free adds slots, and looks for waiting messages and senders.
func (a *reader) free(slots int) {
	a.add(slots)
	a.offering.Retry()
	a.offering.Admit()
}

func (a *reader) block(class string, blocked bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.blocked = map[string]bool{class: blocked}
}

func (a *reader) refuse(refuses bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuses = refuses
}

func (a *reader) newVersion() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.version++
}

// room lets the refused sender try again.
func (a *reader) room() bool {
	a.mu.Lock()
	sender := a.sender
	a.mu.Unlock()
	return a.offering.Room(sender)
}

func (a *reader) all() []asgi.Delivery {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.accepted)
}

func (a *reader) numbers() (numbers []int) {
	for _, d := range a.all() {
		numbers = append(numbers, int(d.Message.Int("n")))
	}
	return numbers
}

// wants checks the numbers of the messages that were accepted.
func (a *reader) wants(numbers ...int) {
	a.r.Helper()
	a.r.settle()
	if got := a.numbers(); !slices.Equal(got, numbers) {
		a.r.Fatalf("accepted %v, want %v", got, numbers)
	}
}

// wantsLost checks the numbers of the messages that were lost.
func (a *reader) wantsLost(numbers ...int) {
	a.r.Helper()
	a.r.settle()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Equal(a.lost, numbers) {
		a.r.Fatalf("lost %v, want %v", a.lost, numbers)
	}
}

// A waitingSend is a call of SendWhenRoom in its own goroutine.
type waitingSend struct {
	r    *rig
	n    int
	done chan struct{}
	err  error
}

// sendWhenRoom starts a send with a patience of five seconds.
func (r *rig) sendWhenRoom(channel string, n int) *waitingSend {
	w := &waitingSend{r: r, n: n, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.err = extension[asgi.Acceptors](r).SendWhenRoom(r.ctx, nil, r.suite.scale(5*time.Second), channel, number(n))
	}()
	r.Cleanup(func() { <-w.done })
	r.settle()
	return w
}

func (w *waitingSend) String() string { return fmt.Sprintf("the send of %d", w.n) }

// waits checks that the send still waits.
func (w *waitingSend) waits() {
	w.r.Helper()
	w.r.settle()
	select {
	case <-w.done:
		w.r.Fatalf("%v has returned %v", w, w.err)
	default:
	}
}

// has checks that the send has returned an error, or nil.
func (w *waitingSend) has(want error) {
	w.r.Helper()
	w.r.settle()
	select {
	case <-w.done:
		if !errors.Is(w.err, want) {
			w.r.Fatalf("%v returned %v, want %v", w, w.err, want)
		}
	default:
		w.r.Fatalf("%v still waits", w)
	}
}
