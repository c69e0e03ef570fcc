package workerpool_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool"
)

// ticking returns an application with one clock that logs when its messages
// are handled.
func ticking(l *log, c workerpool.Clock) *app {
	began := time.Now()
	a := on(c.Channel, func(context.Context, *workerpool.Job) error {
		l.add("%v", time.Since(began))
		return nil
	})
	a.clocks = []workerpool.Clock{c}
	return a
}

func TestAChangedClockStartsANewInterval(t *testing.T) {
	content := func(n int) asgi.Message { return asgi.MustMessage(asgi.Field{Key: "n", Value: n}) }
	old := workerpool.Clock{Every: 10 * time.Second, Channel: "ticks", Content: content(1)}
	for name, c := range map[string]struct {
		clock workerpool.Clock
		want  string
	}{
		"same":    {old, "10s"},
		"every":   {workerpool.Clock{Every: 11 * time.Second, Channel: "ticks", Content: content(1)}, "17s"},
		"channel": {workerpool.Clock{Every: 10 * time.Second, Channel: "other", Content: content(1)}, "16s"},
		"content": {workerpool.Clock{Every: 10 * time.Second, Channel: "ticks", Content: content(2)}, "16s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l log
				b := start(t, apps(ticking(&l, old), ticking(&l, c.clock)), workerpool.Options{})
				time.Sleep(6 * time.Second)
				if _, err := b.pool.Reload(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(12 * time.Second)
				l.want(t, c.want)
			})
		})
	}
}

// slowOnce is a layer whose first Send to ticks takes 25 seconds.
type slowOnce struct {
	asgi.Layer
	slept bool
}

func (s *slowOnce) Send(ctx context.Context, c *asgi.Cause, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	if channel == "ticks" && !s.slept {
		s.slept = true
		time.Sleep(25 * time.Second)
	}
	return s.Layer.Send(ctx, c, channel, m, opts...)
}

func TestAClockDoesNotCatchUpOnMissedTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		a := ticking(&l, workerpool.Clock{Every: 10 * time.Second, Channel: "ticks"})
		startOn(t, func(l asgi.Layer) asgi.Layer { return &slowOnce{Layer: l} }, apps(a), workerpool.Options{})
		time.Sleep(65 * time.Second)
		// The tick of 10s is sent at 35s. The ticks of 20s, 30s and 40s are
		// one at 45s.
		l.want(t, "35s", "45s", "50s", "1m0s")
	})
}

// A sharedClock is a layer with intervals that several pools share.
type sharedClock struct {
	asgi.Layer
	mu    *sync.Mutex // guards ticks
	ticks map[string]int64
}

func (s *sharedClock) Tick(_ context.Context, name string, every time.Duration) (first bool, next time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	interval := now.UnixNano() / int64(every)
	first = s.ticks[name] < interval
	s.ticks[name] = interval
	return first, time.Unix(0, (interval+1)*int64(every)).Sub(now), nil
}

func TestPoolsThatShareAClockTickOnceTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		shared := &sharedClock{mu: new(sync.Mutex), ticks: make(map[string]int64)}
		front := func(l asgi.Layer) asgi.Layer {
			return &sharedClock{Layer: l, mu: shared.mu, ticks: shared.ticks}
		}
		c := workerpool.Clock{Every: 10 * time.Second, Channel: "ticks"}
		first := startOn(t, front, apps(ticking(&l, c)), workerpool.Options{})
		time.Sleep(3 * time.Second)
		startOn(t, front, apps(ticking(&l, c)), workerpool.Options{})
		time.Sleep(42 * time.Second)
		ticks := len(l.all())
		if ticks != 4 {
			t.Errorf("%d ticks in 45 s, want 4: %q", ticks, l.all())
		}
		first.pool.Drain() // the other pool goes on alone
		time.Sleep(30 * time.Second)
		if got := len(l.all()) - ticks; got != 3 {
			t.Errorf("%d ticks in 30 s after one pool has stopped, want 3", got)
		}
	})
}

func TestTheNumberOfDelayedVolatileMessagesIsLimited(t *testing.T) {
	const limit = 10000
	synctest.Test(t, func(t *testing.T) {
		var l log
		putBack := func(ctx context.Context, j *workerpool.Job) error {
			return j.PutBack(ctx, time.Second, "ignored", j.Delivery.Message)
		}
		a := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
			for range limit {
				if err := putBack(ctx, j); err != nil {
					return err
				}
			}
			l.add("%v", putBack(ctx, j))
			time.Sleep(2 * time.Second)
			l.add("%v", putBack(ctx, j))
			return nil
		})
		b := start(t, apps(a), workerpool.Options{})
		b.volatile("http.request", "a")
		time.Sleep(5 * time.Second)
		full := &asgi.ChannelFullError{Channel: "ignored", Reason: "too many messages are waiting to be put back"}
		l.want(t, full.Error(), "<nil>")
	})
}

func TestTheMemoryOfDelayedVolatileMessagesIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		large := asgi.MustMessage(asgi.Field{Key: "text", Value: strings.Repeat("x", 1<<20-1<<10)})
		a := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
			for range 3 {
				n := 0
				for n < 1000 && j.PutBack(ctx, time.Second, "ignored", large) == nil {
					n++
				}
				l.add("%d", n)
				time.Sleep(2 * time.Second)
			}
			return nil
		})
		b := start(t, apps(a), workerpool.Options{})
		b.volatile("http.request", "a")
		time.Sleep(10 * time.Second)
		l.want(t, "64", "64", "64")
	})
}

// TestNothingIsPutBackAfterThePoolHasEnded checks that a handler that ends during the
// shutdown leaves no timer.
func TestNothingIsPutBackAfterThePoolHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, apps(on("http.request", func(ctx context.Context, j *workerpool.Job) error {
			time.Sleep(time.Second)
			return j.PutBack(ctx, time.Second, "ignored", j.Delivery.Message)
		})), workerpool.Options{})
		b.volatile("http.request", "a")
		synctest.Wait()
		b.stop()
		<-b.ended
		time.Sleep(time.Minute)
		if s, err := b.layer.ChannelStatistics(t.Context(), "ignored"); err != nil || s.MessagesCount != 0 {
			t.Errorf("%d messages were put back, %v", s.MessagesCount, err)
		}
	})
}
