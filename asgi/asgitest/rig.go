package asgitest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// A rig is what a check works with: the layer under test, and the short ways
// of saying what is done with it and wanted of it.
type rig struct {
	*testing.T
	asgi.Layer
	suite *suite
	setup Setup
	ctx   context.Context
}

// number makes a message that is told apart by its number.
func number(n int) asgi.Message { return asgi.MustMessage(asgi.Field{Key: "n", Value: n}) }

// must fails the test at an error.
func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// fails wants an error of a kind.
func (r *rig) fails(what string, err, want error) {
	r.Helper()
	if !errors.Is(err, want) {
		r.Errorf("%s: err = %v, want %v", what, err, want)
	}
}

// send sends a numbered message for each number.
func (r *rig) send(channel string, numbers ...int) {
	r.Helper()
	for _, n := range numbers {
		if err := r.trySend(channel, n); err != nil {
			r.Fatalf("send %d to %s: %v", n, channel, err)
		}
	}
}

func (r *rig) trySend(channel string, n int) error {
	return r.Send(r.ctx, nil, channel, number(n))
}

// poll takes a message that must be there.
func (r *rig) poll(channels ...string) asgi.Delivery {
	r.Helper()
	d, ok, err := r.Poll(r.ctx, nil, channels...)
	if err != nil || !ok {
		r.Fatalf("poll %q: ok = %v, err = %v; a message waits there", channels, ok, err)
	}
	return d
}

// wants takes messages with these numbers, in this order, and no more.
func (r *rig) wants(channel string, numbers ...int) {
	r.Helper()
	for i, want := range numbers {
		if got := r.poll(channel).Message.Int("n"); got != int64(want) {
			r.Fatalf("message %d on %s is number %d, want %d", i, channel, got, want)
		}
	}
	r.none(channel)
}

// none wants that nothing waits.
func (r *rig) none(channels ...string) {
	r.Helper()
	d, ok, err := r.Poll(r.ctx, nil, channels...)
	r.must(err)
	if ok {
		r.Fatalf("poll %q: got %v on %s, want nothing", channels, fields(d.Message), d.Channel)
	}
}

// full sends until the channel is full and answers how many went in.
func (r *rig) full(channel string, atMost int) int {
	r.Helper()
	for n := range atMost + 1 {
		if err := r.trySend(channel, n); errors.Is(err, asgi.ErrChannelFull) {
			return n
		} else if err != nil {
			r.Fatal(err)
		}
	}
	r.Fatalf("%s took more than %d messages", channel, atMost)
	return 0
}

// A parked is a call of Receive in a goroutine of its own.
type parked struct {
	r      *rig
	done   chan struct{}
	cancel context.CancelCauseFunc
	got    asgi.Delivery
	err    error
}

// park begins to receive and returns once the reader waits.
func (r *rig) park(channels ...string) *parked {
	ctx, cancel := context.WithCancelCause(r.ctx)
	p := &parked{r: r, done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(p.done)
		p.got, p.err = r.Receive(ctx, nil, channels...)
	}()
	r.Cleanup(func() {
		cancel(nil)
		<-p.done
	})
	r.settle()
	return p
}

// wants waits for the reader to be handed the message with this number.
func (p *parked) wants(n int) {
	p.r.Helper()
	<-p.done
	if p.err != nil {
		p.r.Fatalf("a parked reader got an error: %v", p.err)
	}
	if got := p.got.Message.Int("n"); got != int64(n) {
		p.r.Fatalf("a parked reader got number %d, want %d", got, n)
	}
}

// waits wants that the reader still waits.
func (p *parked) waits() {
	p.r.Helper()
	p.r.settle()
	select {
	case <-p.done:
		p.r.Fatalf("the reader no longer waits: %v, %v", fields(p.got.Message), p.err)
	default:
	}
}

// settle returns when what was begun has come to rest.
func (r *rig) settle() {
	if r.suite.bubble {
		synctest.Wait()
		return
	}
	time.Sleep(50 * time.Millisecond)
}

// sleep lets so much of the suite's time pass.
func (r *rig) sleep(d time.Duration) {
	time.Sleep(r.suite.scale(d))
	r.settle()
}

// A mailbox is a bound function that keeps what it is given.
type mailbox struct {
	mu     sync.Mutex // guards what follows
	got    []asgi.Delivery
	answer map[string]error // by channel; nil accepts
}

func (m *mailbox) deliver(d asgi.Delivery) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.answer[d.Channel]; err != nil {
		return err
	}
	m.got = append(m.got, d)
	return nil
}

// answers makes the function answer err for a channel.
func (m *mailbox) answers(channel string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.answer == nil {
		m.answer = map[string]error{}
	}
	m.answer[channel] = err
}

// numbers returns what a channel was delivered, in order.
func (m *mailbox) numbers(channel string) []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ns []int
	for _, d := range m.got {
		if d.Channel == channel {
			ns = append(ns, int(d.Message.Int("n")))
		}
	}
	return ns
}

// bind makes a mailbox the reader of a prefix.
func (r *rig) bind(prefix string) (*mailbox, func()) {
	r.Helper()
	m := &mailbox{}
	unbind, err := r.Bind(prefix, m.deliver)
	r.must(err)
	unbind = sync.OnceFunc(unbind)
	r.Cleanup(unbind)
	return m, unbind
}

// delivered wants that a bound channel has got these numbers and no others.
func (r *rig) delivered(m *mailbox, channel string, numbers ...int) {
	r.Helper()
	r.settle()
	if got := m.numbers(channel); !slices.Equal(got, numbers) {
		r.Fatalf("%s was delivered %v, want %v", channel, got, numbers)
	}
}

// fields shows a message in a failure.
func fields(m asgi.Message) map[string]any {
	out := map[string]any{}
	for k, v := range m.All() {
		out[k] = v
	}
	return out
}
