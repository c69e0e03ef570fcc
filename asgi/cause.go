package asgi

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
)

// TraceID names the chain of messages that one event in the outside world
// set off. Zero is no trace.
type TraceID uint64

// NewTrace makes a trace id that is, as good as certainly, in use nowhere.
func NewTrace() TraceID { return TraceID(rand.Uint64() | 1) }

func (t TraceID) String() string { return fmt.Sprintf("%016x", uint64(t)) }

// A Cause is one unit of work: the handling of one request, one frame, one
// job. It is passed to every call of a layer, which gives its trace to what is
// sent and raises its barrier to what was touched. Output that leaves the
// process waits for the barrier.
//
// A nil *Cause is nobody's work: it traces nothing and remembers no barrier.
// A Cause belongs to one layer.
type Cause struct {
	// Generation of the application that does the work; zero outside one.
	// Set before the Cause is shared.
	Generation uint64
	// Place, if set, answers where in the application the work stands, as
	// "chat.star:12". A layer that is being watched asks it, on the goroutine
	// of the call. Set before the Cause is shared.
	Place func() string

	mu      sync.Mutex // guards the rest
	trace   TraceID
	barrier Barrier
}

// NewCause begins a unit of work.
func NewCause(trace TraceID) *Cause { return &Cause{trace: trace} }

// Trace answers the chain that the work belongs to.
func (c *Cause) Trace() TraceID {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trace
}

// Barrier answers what must be on disk before anybody outside may see what
// this work led to.
func (c *Cause) Barrier() Barrier {
	if c == nil {
		return Barrier{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.barrier
}

// Raise moves the barrier up to b, never down. Layers call it on every
// durable read and write.
func (c *Cause) Raise(b Barrier) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.barrier = c.barrier.Max(b)
}

// Take makes the delivery's work this cause's work: it joins its trace and
// raises its barrier. Layers call it when they hand a message to a receiver.
func (c *Cause) Take(d Delivery) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trace = d.Trace
	c.barrier = c.barrier.Max(d.Barrier)
}

// A Watermark says how far the disk is. A layer with a journal implements it.
type Watermark interface {
	// Passed reports whether everything up to and including seq is on disk.
	Passed(seq uint64) bool
	// Notify calls f once, with nil when seq is on disk or with an
	// [ErrStoreFailed] when it will not be in time. It calls f at once, on
	// the caller's goroutine, if that is known already; else on a goroutine
	// of the layer, which f must not block. After stop, f is not called.
	Notify(seq uint64, f func(error)) (stop func())
}

// A Barrier is a point that the disk must reach. The zero Barrier has passed.
type Barrier struct {
	mark Watermark
	seq  uint64
}

// NewBarrier is for layers: the point seq of their watermark.
func NewBarrier(mark Watermark, seq uint64) Barrier { return Barrier{mark, seq} }

// Passed reports whether the disk is there.
func (b Barrier) Passed() bool { return b.mark == nil || b.mark.Passed(b.seq) }

// Notify calls f once, when the barrier has passed (nil) or failed: at once
// and on this goroutine if it already has, else on one that f must not block.
// After stop, f is not called.
func (b Barrier) Notify(f func(error)) (stop func()) {
	if b.mark == nil {
		f(nil)
		return func() {}
	}
	return b.mark.Notify(b.seq, f)
}

// Wait returns nil once the barrier has passed, an [ErrStoreFailed] if it
// failed, or the context's cause.
func (b Barrier) Wait(ctx context.Context) error {
	if b.Passed() {
		return nil
	}
	done := make(chan error, 1)
	stop := b.Notify(func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		stop()
		return context.Cause(ctx)
	}
}

// Max answers the later of two barriers of one layer.
func (b Barrier) Max(o Barrier) Barrier {
	switch {
	case o.mark == nil:
		return b
	case b.mark == nil:
		return o
	case b.mark != o.mark:
		panic("asgi: one cause was used with two layers")
	case o.seq > b.seq:
		return o
	}
	return b
}
