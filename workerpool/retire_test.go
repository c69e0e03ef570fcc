package workerpool_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool"
)

// lingering is a layer whose Receive still takes messages for a time after its
// context is done, as one may that is slow to notice.
type lingering struct {
	asgi.Layer
	after time.Duration
}

func (s lingering) Receive(ctx context.Context, c *asgi.Cause, channels ...string) (asgi.Delivery, error) {
	late, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		select {
		case <-time.After(s.after):
			cancel(context.Cause(ctx))
		case <-late.Done():
		}
	})()
	return s.Layer.Receive(late, c, channels...)
}

// late is a program that takes 5 seconds before it receives.
type late struct{ *program }

func (p late) Work(ctx context.Context, w *workerpool.LoopWorker) error {
	time.Sleep(5 * time.Second)
	return p.program.Work(ctx, w)
}

func TestNoMessageReachesTheOldGenerationOnceReloadHasReturned(t *testing.T) {
	for _, c := range []struct {
		after, took time.Duration
		want        string
	}{
		{100 * time.Millisecond, 100 * time.Millisecond, "new"},
		{time.Minute, time.Second, "old"}, // Reload does not wait for a layer that hangs
	} {
		synctest.Test(t, func(t *testing.T) {
			var l log
			loop := func(name string) *program {
				return &program{&app{}, func(ctx context.Context, j *workerpool.Job) error {
					l.add("%s", name)
					return reply(ctx, j)
				}}
			}
			b := startOn(t, func(l asgi.Layer) asgi.Layer { return lingering{l, c.after} }, apps(loop("old"), late{loop("new")}), workerpool.Options{Workers: 2})
			began := time.Now()
			if _, err := b.pool.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took != c.took {
				t.Errorf("Reload took %v, want %v", took, c.took)
			}
			b.volatile("http.request", "a")
			time.Sleep(10 * time.Second)
			l.want(t, c.want)
		})
	}
}
