package apptest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/store"
)

// maxWait is the longest virtual time that a test waits for one thing.
const maxWait = time.Hour

// settle returns when no handler can go on before time does.
func (w *world) settle() error {
	for {
		waitForOthers()
		if err := w.interrupt.err(); err != nil {
			return err
		}
		if !w.schedule.next() {
			return nil
		}
	}
}

// wait lets the application go on until ready is closed. If that takes longer
// than limit in virtual time, it fails with a [waitError].
func (w *world) wait(ready <-chan struct{}, limit time.Duration, what string) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for over := false; ; {
		if err := w.settle(); err != nil {
			return err
		}
		select {
		case <-ready:
			return nil
		default:
		}
		if over {
			return &waitError{limit, what}
		}
		select {
		case <-ready:
		case <-w.schedule.wake:
		case <-timer.C:
			over = true
		}
	}
}

// advance lets virtual time go on.
func (w *world) advance(d time.Duration) error {
	err := w.wait(nil, d, "time")
	var over *waitError
	if errors.As(err, &over) {
		return nil
	}
	return err
}

// A waitError says that a test waited in vain.
type waitError struct {
	limit time.Duration
	what  string
}

func (e *waitError) Error() string {
	unit := "seconds"
	if e.limit == time.Second {
		unit = "second"
	}
	return fmt.Sprintf("waited %v virtual %s for %s", e.limit.Seconds(), unit, e.what)
}

// Hint says how to wait longer.
func (e *waitError) Hint() string { return "to wait longer, pass timeout=seconds" }

// layer is the layer as the test sees it. It runs the handlers while the test
// waits for a message.
type layer struct {
	*store.Store
	world *world
}

func (l layer) Receive(ctx context.Context, c *asgi.Cause, channels ...string) (d asgi.Delivery, err error) {
	limit := maxWait
	if end, ok := ctx.Deadline(); ok {
		limit = time.Until(end) + 1 // the context ends first
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		d, err = l.Store.Receive(ctx, c, channels...)
	}()
	waited := l.world.wait(done, limit, "a message on "+strings.Join(channels, ", "))
	cancel()
	<-done
	if waited != nil {
		return d, waited
	}
	return d, err
}
