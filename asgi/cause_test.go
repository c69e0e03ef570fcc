package asgi

import (
	"context"
	"errors"
	"testing"
)

// disk is a watermark that the test moves.
type disk struct {
	at      uint64
	waiting []func(error)
}

func (d *disk) Passed(seq uint64) bool { return seq <= d.at }
func (d *disk) Notify(seq uint64, f func(error)) func() {
	if d.Passed(seq) {
		f(nil)
		return func() {}
	}
	d.waiting = append(d.waiting, f)
	return func() { d.waiting = nil }
}

func TestCauseHasTheNewestBarrier(t *testing.T) {
	d := &disk{at: 3}
	c := NewCause(7)
	if !c.Barrier().Passed() {
		t.Error("the barrier of a new cause has not passed")
	}
	c.Raise(NewBarrier(d, 5))
	c.Take(Delivery{Trace: 9, Barrier: NewBarrier(d, 4)})
	if c.Barrier() != NewBarrier(d, 5) || c.Trace() != 9 {
		t.Errorf("barrier %v, trace %v", c.Barrier(), c.Trace())
	}
	if c.Barrier().Passed() {
		t.Error("the barrier passed before the disk reached it")
	}
	d.at = 5
	if err := c.Barrier().Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestBarrierWaitEndsWithItsContext(t *testing.T) {
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	d := &disk{}
	if err := NewBarrier(d, 1).Wait(ctx); !errors.Is(err, gone) {
		t.Errorf("err = %v", err)
	}
	if len(d.waiting) != 0 {
		t.Error("the function is still registered after Wait")
	}
}

func TestNilCause(t *testing.T) {
	var c *Cause
	c.Raise(Barrier{})
	c.Take(Delivery{})
	if c.Trace() != 0 || !c.Barrier().Passed() {
		t.Error("a nil cause has a trace or a barrier")
	}
}
