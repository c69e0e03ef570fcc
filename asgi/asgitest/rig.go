package asgitest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// A rig is the layer under test with helper methods for checks.
type rig struct {
	testing.TB
	asgi.Layer
	suite *suite
	setup Setup
	ctx   context.Context
}

// extension returns the layer as the extension E.
func extension[E any](r *rig) E {
	e, _ := asgi.As[E](r.Layer)
	return e
}

// number returns a message with a number.
func number(n int) asgi.Message { return asgi.MustMessage(asgi.Field{Key: "n", Value: n}) }

// must ends the test if there is an error.
func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// fails checks that the error of a call is the one that is wanted.
func (r *rig) fails(call string, err, want error) {
	r.Helper()
	if !errors.Is(err, want) {
		r.Errorf("%s: err = %v, want %v", call, err, want)
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

// poll receives a message, which must be waiting.
func (r *rig) poll(channels ...string) asgi.Delivery {
	r.Helper()
	d, ok, err := r.Poll(r.ctx, nil, channels...)
	if err != nil || !ok {
		r.Fatalf("poll %q: ok = %v, err = %v; want a message", channels, ok, err)
	}
	return d
}

// wants receives messages until the channel is empty, and checks that they have
// these numbers, in this order.
func (r *rig) wants(channel string, numbers ...int) {
	r.Helper()
	for i, want := range numbers {
		if got := r.poll(channel).Message.Int("n"); got != int64(want) {
			r.Fatalf("message %d on %s is number %d, want %d", i, channel, got, want)
		}
	}
	r.none(channel)
}

// none checks that no message waits.
func (r *rig) none(channels ...string) {
	r.Helper()
	d, ok, err := r.Poll(r.ctx, nil, channels...)
	r.must(err)
	if ok {
		r.Fatalf("poll %q: got %v on %s, want nothing", channels, fields(d.Message), d.Channel)
	}
}

// fill sends until the channel is full and returns how many messages it
// accepted.
func (r *rig) fill(channel string, atMost int) int {
	r.Helper()
	for n := range atMost + 1 {
		if err := r.trySend(channel, n); errors.Is(err, asgi.ErrChannelFull) {
			return n
		} else if err != nil {
			r.Fatal(err)
		}
	}
	r.Fatalf("%s accepted more than %d messages", channel, atMost)
	return 0
}

// parked is a call of Receive in its own goroutine.
type parked struct {
	r      *rig
	done   chan struct{}
	cancel context.CancelCauseFunc
	got    asgi.Delivery
	err    error
}

// park starts a call of Receive and returns when it waits.
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

// wants waits until the reader receives a message, and checks its number.
func (p *parked) wants(n int) {
	p.r.Helper()
	<-p.done
	if p.err != nil {
		p.r.Fatalf("a waiting reader got an error: %v", p.err)
	}
	if got := p.got.Message.Int("n"); got != int64(n) {
		p.r.Fatalf("a waiting reader got message %d, want %d", got, n)
	}
}

// waits checks that the reader still waits.
func (p *parked) waits() {
	p.r.Helper()
	p.r.settle()
	select {
	case <-p.done:
		p.r.Fatalf("the reader no longer waits: %v, %v", fields(p.got.Message), p.err)
	default:
	}
}

// settle returns when all goroutines are waiting. With the real clock it waits
// for a moment.
func (r *rig) settle() {
	if r.suite.bubble {
		synctest.Wait()
		return
	}
	time.Sleep(max(50*time.Millisecond, r.suite.scale(time.Second)/2))
}

// sleep waits for the given time of the suite.
func (r *rig) sleep(d time.Duration) {
	time.Sleep(r.suite.scale(d))
	r.settle()
}

// A mailbox has a function to bind, and records the deliveries.
type mailbox struct {
	mu     sync.Mutex // guards got and result
	got    []asgi.Delivery
	result map[string]error // by channel; nil accepts
}

func (m *mailbox) deliver(d asgi.Delivery) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.result[d.Channel]; err != nil {
		return err
	}
	if !d.Probe {
		m.got = append(m.got, d)
	}
	return nil
}

// setResult makes the bound function return err for a channel.
func (m *mailbox) setResult(channel string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.result == nil {
		m.result = map[string]error{}
	}
	m.result[channel] = err
}

// numbers returns the numbers of the messages for a channel, in order.
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

// delivered checks that exactly the messages with these numbers were delivered
// to a channel.
func (r *rig) delivered(m *mailbox, channel string, numbers ...int) {
	r.Helper()
	r.settle()
	if got := m.numbers(channel); !slices.Equal(got, numbers) {
		r.Fatalf("%s was delivered %v, want %v", channel, got, numbers)
	}
}

// fields returns the fields of a message for an error text.
func fields(m asgi.Message) map[string]any { return maps.Collect(m.All()) }
