package process

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/store"
)

// A laggingDisk is a layer that takes a second until the disk has what a Poll has taken.
type laggingDisk struct{ *store.Store }

func (d laggingDisk) Poll(ctx context.Context, c *asgi.Cause, channels ...string) (asgi.Delivery, bool, error) {
	c.Raise(asgi.NewBarrier(d, 1))
	return d.Store.Poll(ctx, nil, channels...)
}

func (laggingDisk) Passed(uint64) bool { return false }

func (laggingDisk) Notify(_ uint64, f func(error)) (stop func()) {
	timer := time.AfterFunc(time.Second, func() { f(nil) })
	return func() { timer.Stop() }
}

// TestCallsThatWaitForTheDisk makes more calls than may wait at once. Each of them was
// made, so each has its result.
func TestCallsThatWaitForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, 1<<20)
		s.calls = remote.NewHandler(laggingDisk{s.layer}, remote.Options{})
		const n = 2 * maxCalls
		channels := []string{"a", "b", "c"}
		for i := range n {
			if err := s.layer.Send(t.Context(), nil, channels[i%3], asgi.MustMessage(asgi.Field{Key: "n", Value: i})); err != nil {
				t.Fatal(err)
			}
		}
		c := s.join()
		go func() {
			for i := range n {
				_ = c.write("id", i, "call", "receive", "channels", channels[i%3])
			}
		}()
		got := map[int64]bool{}
		for range n {
			head, err := c.r.Read()
			if err != nil {
				t.Fatal(err)
			}
			if kind := find[string](head, "error"); kind != "" {
				t.Fatalf("%s: %s", kind, find[string](head, "detail"))
			}
			got[find[asgi.Dict](head, "message").Int("n")] = true
		}
		if len(got) != n {
			t.Errorf("got %d messages of %d", len(got), n)
		}
	})
}
