package workerpool_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/workerpool"
)

// TestTheTimeoutStandsStillWhileTheBodyArrives checks that the handler timeout counts
// what a handler does between the parts of its body, and not its waits for them.
func TestTheTimeoutStandsStillWhileTheBodyArrives(t *testing.T) {
	await := func(j *workerpool.Job, d time.Duration) {
		done := j.AwaitBody()
		time.Sleep(d)
		done(1 << 20)
	}
	for name, test := range map[string]struct {
		run  func(context.Context, *workerpool.Job)
		ends string // when the context of the handler ends
	}{
		"no wait":     {func(context.Context, *workerpool.Job) {}, "1m0s"},
		"one wait":    {func(_ context.Context, j *workerpool.Job) { await(j, 10*time.Minute) }, "11m0s"},
		"never comes": {func(ctx context.Context, j *workerpool.Job) { j.AwaitBody(); time.Sleep(time.Hour) }, "none"},
		"work between waits": {func(_ context.Context, j *workerpool.Job) {
			for range 5 {
				await(j, 2*time.Minute)
				time.Sleep(10 * time.Second)
			}
		}, "11m0s"},
		"waits of two threads": {func(_ context.Context, j *workerpool.Job) {
			first, second := j.AwaitBody(), j.AwaitBody()
			time.Sleep(2 * time.Minute)
			first(1 << 20)
			time.Sleep(2 * time.Minute)
			second(1 << 20)
		}, "5m0s"},
		"a send in a wait": {func(ctx context.Context, j *workerpool.Job) {
			time.Sleep(30 * time.Second)
			done := j.AwaitBody()
			time.Sleep(2 * time.Minute)
			if err := j.Send(ctx, j.ReplyChannel(), piece); err != nil {
				t.Error(err)
			}
			time.Sleep(2 * time.Minute)
			done(1 << 20)
		}, "5m30s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l log
				a := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
					began := time.Now()
					test.run(ctx, j)
					select {
					case <-ctx.Done():
						l.add("%v", time.Since(began).Truncate(time.Second))
					case <-time.After(2 * time.Minute):
						l.add("none")
					}
					return reply(context.Background(), j)
				})
				b := start(t, apps(a), workerpool.Options{Workers: 1, HandlerTimeout: time.Minute, Report: func(workerpool.Failure) {}})
				b.volatile("http.request", "a")
				time.Sleep(2 * time.Hour)
				l.want(t, test.ends)
			})
		})
	}
}

// TestABodyThatComesAfterItsHandlerHasEnded checks that the end of a wait does not change
// the timeout of the next handler.
func TestABodyThatComesAfterItsHandlerHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		var late func(int)
		a := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
			if late == nil {
				late = j.AwaitBody()
				return reply(ctx, j)
			}
			began := time.Now()
			time.Sleep(10 * time.Second)
			late(0)
			<-ctx.Done()
			l.add("%v", time.Since(began).Truncate(time.Second))
			return context.Cause(ctx)
		})
		b := start(t, apps(a), workerpool.Options{Workers: 1, HandlerTimeout: time.Minute, Report: func(workerpool.Failure) {}})
		b.volatile("http.request", "a")
		time.Sleep(time.Hour)
		b.volatile("http.request", "b")
		time.Sleep(time.Hour)
		l.want(t, "1m0s")
	})
}

// TestTheTimeoutStandsStillWhileAHandlerStepsBack checks that the wait of a handler for a
// worker does not count.
func TestTheTimeoutStandsStillWhileAHandlerStepsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		var c counter
		b := start(t, apps(uploading(&l, &c)), workerpool.Options{
			Workers: 1, HandlerTimeout: 12 * time.Second, // each is aside for 1 s and works 10 s
			Report: func(f workerpool.Failure) { t.Errorf("reported: %v", f.Err) },
		})
		names := []string{"a", "b", "c", "d"}
		for _, connection := range names {
			b.volatile("upload", connection)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		l.want(t, names...)
		for _, connection := range names {
			if n := len(b.sent(connection)); n != 1 {
				t.Errorf("%s got %d replies", connection, n)
			}
		}
	})
}

// TestAHandlerThatHasSteppedBackCanTimeOut checks that the timeout goes on after the wait
// for a worker.
func TestAHandlerThatHasSteppedBackCanTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		var c counter
		a := uploading(&l, &c)
		a.consumers["upload"].run = func(ctx context.Context, j *workerpool.Job) error {
			began := time.Now()
			j.StepAside(0)
			time.Sleep(time.Second)
			if err := j.StepBack(ctx); err != nil {
				return err
			}
			<-ctx.Done()
			l.add("%v", time.Since(began).Truncate(time.Second))
			return context.Cause(ctx)
		}
		b := start(t, apps(a), workerpool.Options{Workers: 1, HandlerTimeout: time.Minute, Report: func(workerpool.Failure) {}})
		b.volatile("upload", "a")
		b.volatile("http.request", "b") // works 10 s, of which the other waits 9 s
		time.Sleep(5 * time.Minute)
		l.want(t, "b", "1m9s")
	})
}
