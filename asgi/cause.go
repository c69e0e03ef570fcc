package asgi

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
)

// TraceID identifies the chain of messages that one outside event started.
// Zero means no trace.
type TraceID uint64

// NewTrace returns a new random trace id.
func NewTrace() TraceID { return TraceID(rand.Uint64() | 1) }

func (t TraceID) String() string { return fmt.Sprintf("%016x", uint64(t)) }

// A Cause is one unit of work: the handling of one request, frame or job. The
// caller passes it to every call of a layer. The layer copies its trace to the
// messages sent and raises its barrier for each durable read and write. Output
// that leaves the process must wait for the barrier.
//
// A nil *Cause has no trace and no barrier. A Cause belongs to one layer.
type Cause struct {
	// Generation is the generation of the application that does the work, or
	// zero. It must be set before the Cause is shared.
	Generation uint64
	// Place, if set, returns the line of the application that runs now, like
	// "chat.star:12". A layer that is being watched calls it on the goroutine
	// of the layer call. It must be set before the Cause is shared.
	Place func() string

	mu      sync.Mutex // guards the rest
	trace   TraceID
	barrier Barrier
}

// NewCause returns a Cause with the given trace.
func NewCause(trace TraceID) *Cause { return &Cause{trace: trace} }

// Trace returns the id of the chain that the work belongs to.
func (c *Cause) Trace() TraceID {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trace
}

// Barrier returns the point that the disk must reach before output of this work
// may leave the process.
func (c *Cause) Barrier() Barrier {
	if c == nil {
		return Barrier{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.barrier
}

// Raise moves the barrier up to b, never down. Layers call it for every durable
// read and write.
func (c *Cause) Raise(b Barrier) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.barrier = c.barrier.Max(b)
}

// Take sets the trace to that of the delivery and raises the barrier to its
// barrier. Layers call it when they hand a message to a receiver.
func (c *Cause) Take(d Delivery) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trace = d.Trace
	c.barrier = c.barrier.Max(d.Barrier)
}

// A Watermark reports how much of a journal is on disk. A layer with a journal
// implements it.
type Watermark interface {
	// Passed reports whether everything up to and including seq is on disk.
	Passed(seq uint64) bool
	// Notify calls f once: with nil when seq is on disk, or with an
	// [ErrStoreFailed] when writing it failed. If the result is already
	// known, it calls f at once on the caller's goroutine. Otherwise it calls
	// f on a goroutine of the layer, which f must not block. It does not call
	// f after stop.
	Notify(seq uint64, f func(error)) (stop func())
}

// A Barrier is a point that the disk must reach. The zero Barrier has passed.
type Barrier struct {
	mark Watermark
	seq  uint64
}

// NewBarrier returns the barrier at seq of a layer's watermark. Layers call it.
func NewBarrier(mark Watermark, seq uint64) Barrier { return Barrier{mark, seq} }

// Passed reports whether the disk has reached the barrier.
func (b Barrier) Passed() bool { return b.mark == nil || b.mark.Passed(b.seq) }

// Notify calls f once, with nil when the barrier has passed or with an error
// when it failed. See [Watermark] for the goroutine and for stop.
func (b Barrier) Notify(f func(error)) (stop func()) {
	if b.mark == nil {
		f(nil)
		return func() {}
	}
	return b.mark.Notify(b.seq, f)
}

// Wait waits until the barrier has passed. It fails with [ErrStoreFailed] or
// with the context's cause.
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

// Max returns the later of two barriers of one layer.
func (b Barrier) Max(o Barrier) Barrier {
	switch {
	case o.mark == nil:
		return b
	case b.mark == nil:
		return o
	case b.mark != o.mark:
		panic("asgi: a Cause was used with two layers")
	case o.seq > b.seq:
		return o
	}
	return b
}
