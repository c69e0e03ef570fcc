package httpfront

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"asgibox/asgi"
)

// A fakeLayer is a channel layer for tests. A test can read its state and make
// channels full. It delivers messages first in, first out, and has no groups.
type fakeLayer struct {
	set asgi.Settings

	mu      sync.Mutex
	queues  map[string][]asgi.Delivery
	full    map[string]bool // channels that refuse messages
	cap     map[string]int
	wake    chan struct{} // closed and replaced by every send
	bound   map[string]func(asgi.Delivery) error
	readers map[string]bool
	left    []string // GroupLeave
	serial  int
	broken  error                     // of NewChannel
	lost    bool                      // the layer cannot be reached
	unsure  bool                      // messages are sent, but the senders get no reply
	run     func(asgi.Delivery) error // handles a message on the goroutine of its sender, if that is lent
}

func newFakeLayer() *fakeLayer {
	return &fakeLayer{
		set:     asgi.Settings{Expiry: time.Minute, GroupExpiry: 24 * time.Hour, Capacity: 1000, MaxMessage: 1 << 20},
		queues:  make(map[string][]asgi.Delivery),
		full:    make(map[string]bool),
		cap:     make(map[string]int),
		wake:    make(chan struct{}),
		bound:   make(map[string]func(asgi.Delivery) error),
		readers: map[string]bool{asgi.HTTPDisconnect: true, asgi.WebSocketDisconnect: true},
	}
}

var (
	_ asgi.Layer   = (*fakeLayer)(nil)
	_ asgi.Groups  = (*fakeLayer)(nil)
	_ asgi.Readers = (*fakeLayer)(nil)
)

func (l *fakeLayer) Settings() asgi.Settings { return l.set }

func (l *fakeLayer) Send(_ context.Context, c *asgi.Cause, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	if err := asgi.CheckSend(channel); err != nil {
		return err
	}
	if limit := l.set.MaxMessage + asgi.MessageOverhead; m.Size() > limit {
		return &asgi.MessageTooLargeError{Size: m.Size(), Limit: limit}
	}
	d := asgi.Delivery{Channel: channel, Message: m, Barrier: c.Barrier(), Trace: c.Trace(), Lasting: slices.Contains(opts, asgi.Lasting)}
	l.mu.Lock()
	if l.lost {
		l.mu.Unlock()
		return fmt.Errorf("the test says so: %w", asgi.ErrStoreFailed)
	}
	if run := l.run; run != nil && slices.Contains(opts, asgi.Lend) {
		l.mu.Unlock()
		return run(d)
	}
	deliver := l.bound[asgi.ProcessPrefix(channel)]
	if deliver != nil {
		l.mu.Unlock()
		if err := deliver(d); err != asgi.ErrGone {
			return err
		}
		return nil
	}
	defer l.mu.Unlock()
	limit := l.cap[channel]
	if strings.HasPrefix(channel, "http.request.body?") {
		limit = 16
	}
	if l.full[channel] || limit > 0 && len(l.queues[channel]) >= limit {
		return &asgi.ChannelFullError{Channel: channel, Reason: "the test says so"}
	}
	l.queues[channel] = append(l.queues[channel], d)
	close(l.wake)
	l.wake = make(chan struct{})
	if l.unsure {
		return fmt.Errorf("%w: %w", asgi.ErrStoreFailed, asgi.ErrUncertain)
	}
	return nil
}

func (l *fakeLayer) Receive(ctx context.Context, c *asgi.Cause, channels ...string) (asgi.Delivery, error) {
	for {
		l.mu.Lock()
		wake := l.wake
		l.mu.Unlock()
		if d, ok, err := l.Poll(ctx, c, channels...); ok || err != nil {
			return d, err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return asgi.Delivery{}, context.Cause(ctx)
		}
	}
}

func (l *fakeLayer) Poll(_ context.Context, c *asgi.Cause, channels ...string) (asgi.Delivery, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range channels {
		if q := l.queues[name]; len(q) > 0 {
			l.queues[name] = q[1:]
			c.Take(q[0])
			return q[0], true, nil
		}
	}
	return asgi.Delivery{}, false, nil
}

func (l *fakeLayer) NewChannel(_ context.Context, pattern string) (string, error) {
	if err := asgi.CheckPattern(pattern); err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serial++
	return fmt.Sprintf("%s%d", pattern, l.serial), l.broken
}

func (l *fakeLayer) Bind(prefix string, deliver func(asgi.Delivery) error) (func(), error) {
	if err := asgi.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bound[prefix] = deliver
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.bound, prefix)
	}, nil
}

func (l *fakeLayer) HasReader(channel string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.readers[channel]
}

func (l *fakeLayer) GroupLeave(_ context.Context, _ *asgi.Cause, channel string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = append(l.left, channel)
	return nil
}

func (l *fakeLayer) GroupAdd(context.Context, *asgi.Cause, string, string) error     { return nil }
func (l *fakeLayer) GroupDiscard(context.Context, *asgi.Cause, string, string) error { return nil }
func (l *fakeLayer) GroupChannels(context.Context, *asgi.Cause, string) ([]string, error) {
	return nil, nil
}
func (l *fakeLayer) SendGroup(context.Context, *asgi.Cause, string, asgi.Message, ...asgi.SendOption) error {
	return nil
}

// setFull makes a channel refuse or accept messages.
// runOnSender sets the function that handles messages whose senders lend their
// goroutines. If it is nil, these messages are queued like others.
func (l *fakeLayer) runOnSender(run func(asgi.Delivery) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.run = run
}

func (l *fakeLayer) setFull(channel string, full bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.full[channel] = full
}

// setLost makes the layer unreachable or reachable.
func (l *fakeLayer) setLost(lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = lost
}

// setUnsure makes senders get no reply, or get one.
func (l *fakeLayer) setUnsure(unsure bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsure = unsure
}

// setReader sets whether a channel has a reader.
func (l *fakeLayer) setReader(channel string, listens bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readers[channel] = listens
}

// waiting returns the number of messages on a channel.
func (l *fakeLayer) waiting(channel string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queues[channel])
}

// hasLeft reports whether a connection has left its groups.
func (l *fakeLayer) hasLeft(channel string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.left {
		if c == channel {
			return true
		}
	}
	return false
}

// A fakeDisk is a watermark that the test moves.
type fakeDisk struct {
	mu      sync.Mutex
	at      uint64
	broken  uint64 // numbers above at, up to this one, have failed
	why     error
	waiters map[int]diskWaiter
	serial  int
}

type diskWaiter struct {
	seq uint64
	f   func(error)
}

func newFakeDisk() *fakeDisk { return &fakeDisk{waiters: make(map[int]diskWaiter)} }

func (d *fakeDisk) Passed(seq uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return seq <= d.at
}

func (d *fakeDisk) Notify(seq uint64, f func(error)) (stop func()) {
	d.mu.Lock()
	if seq <= max(d.at, d.broken) {
		why := d.why
		if seq <= d.at {
			why = nil
		}
		d.mu.Unlock()
		f(why)
		return func() {}
	}
	defer d.mu.Unlock()
	d.serial++
	id := d.serial
	d.waiters[id] = diskWaiter{seq, f}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.waiters, id)
	}
}

// finish moves the watermark, or fails all waiters up to seq.
func (d *fakeDisk) finish(seq uint64, err error) {
	d.mu.Lock()
	if err == nil {
		d.at = max(d.at, seq)
	} else {
		d.broken, d.why = seq, err
	}
	var due []func(error)
	for id, w := range d.waiters {
		if w.seq <= seq {
			due = append(due, w.f)
			delete(d.waiters, id)
		}
	}
	d.mu.Unlock()
	for _, f := range due {
		f(err)
	}
}

// after returns a cause that waits until the disk reaches seq.
func (d *fakeDisk) after(seq uint64) *asgi.Cause {
	c := asgi.NewCause(asgi.NewTrace())
	c.Raise(asgi.NewBarrier(d, seq))
	return c
}

// fields returns a message with the values of a map.
func fields(t testing.TB, kv map[string]any) asgi.Message {
	t.Helper()
	m, err := messageOf(kv)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func messageOf(kv map[string]any) (asgi.Message, error) {
	d, err := asgi.Converter(nil).Value(kv)
	if err != nil {
		return asgi.Message{}, err
	}
	return asgi.AsMessage(d.(asgi.Dict))
}
