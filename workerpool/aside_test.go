package workerpool_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool"
)

func TestHandlersThatStepAsideDoNotCountUntilTheyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow, fast counter
		waits := func(ctx context.Context, j *workerpool.Job) error {
			j.StepAside(0)
			return slow.work(ctx, j)
		}
		application := func() *app {
			return &app{consumers: map[string]*consumer{"slow": {run: waits}, "http.request": {run: fast.work}}}
		}
		b := start(t, apps(application(), application()), workerpool.Options{Workers: 2, Grace: time.Minute})
		for i := range 5 {
			b.volatile("slow", fmt.Sprint("slow", i))
		}
		if n, _ := slow.now(); n != 5 {
			t.Errorf("%d slow handlers run, want 5", n)
		}
		for i := range 3 {
			b.volatile("http.request", fmt.Sprint("fast", i))
		}
		if n, _ := fast.now(); n != 2 {
			t.Errorf("%d other handlers run, want 2", n)
		}
		if _, err := b.pool.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.volatile("slow", "slow5")
		if n, _ := slow.now(); n != 6 {
			t.Errorf("%d slow handlers run after a reload, want 6", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(b.pool.Workers()); n != 2 {
			t.Errorf("%d workers are left, want 2", n)
		}
	})
}

// uploading returns an application whose handlers of "upload" wait for a second aside,
// step back and work. Those of http.request work at once. Work logs its beginning.
func uploading(l *log, c *counter) *app {
	work := func(ctx context.Context, j *workerpool.Job) error {
		l.add("%s", strings.TrimPrefix(j.ReplyChannel(), "front!"))
		return c.work(ctx, j)
	}
	upload := func(ctx context.Context, j *workerpool.Job) error {
		j.StepAside(0)
		time.Sleep(time.Second)
		if err := j.StepBack(ctx); err != nil {
			l.add("%s: %v", strings.TrimPrefix(j.ReplyChannel(), "front!"), err)
			return err
		}
		return work(ctx, j)
	}
	return &app{consumers: map[string]*consumer{"upload": {run: upload}, "http.request": {run: work}}}
}

// TestHandlersThatStepBackTakeTurns checks that handlers that step back count again, and
// get workers in order and before new messages do.
func TestHandlersThatStepBackTakeTurns(t *testing.T) {
	for name, front := range map[string]func(asgi.Layer) asgi.Layer{"offered": direct, "received": withoutAcceptors} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l log
				var c counter
				b := startOn(t, front, apps(uploading(&l, &c)), workerpool.Options{Workers: 1})
				b.volatile("upload", "a")
				for _, connection := range []string{"b", "c"} {
					time.Sleep(100 * time.Millisecond)
					b.volatile("upload", connection)
				}
				b.volatile("http.request", "d")
				b.volatile("http.request", "e")
				time.Sleep(time.Minute)
				synctest.Wait()
				l.want(t, "d", "a", "b", "c", "e")
				if _, most := c.now(); most != 1 {
					t.Errorf("%d handlers worked at once, want 1", most)
				}
				if n := len(b.pool.Workers()); n != 1 {
					t.Errorf("%d workers are left, want 1", n)
				}
			})
		})
	}
}

// TestHandlersThatStepBackKeepTheirLimit checks that handlers of a route with a
// concurrency limit go on, although messages wait for that limit and for workers.
func TestHandlersThatStepBackKeepTheirLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		var c counter
		a := uploading(&l, &c)
		a.consumers["upload"].limit = "k"
		a.limits = []workerpool.Limit{{Key: "k", Channel: "upload", Max: 2}}
		b := start(t, apps(a), workerpool.Options{Workers: 1})
		for i := range 3 {
			b.volatile("upload", fmt.Sprint("upload", i))
			b.volatile("http.request", fmt.Sprint("request", i))
		}
		time.Sleep(5 * time.Minute)
		if n, most := c.now(); n != 0 || most != 1 {
			t.Errorf("%d handlers run, and %d worked at once; want 0 and 1", n, most)
		}
		for i := range 3 {
			for _, name := range []string{"upload", "request"} {
				if n := len(b.sent(fmt.Sprint(name, i))); n != 1 {
					t.Errorf("%s%d got %d replies", name, i, n)
				}
			}
		}
	})
}

// TestAHandlerThatStepsBackCanBeCancelled checks that the end of its context ends the
// wait for a worker, and that its place in the order is lost.
func TestAHandlerThatStepsBackCanBeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		var c counter
		a := uploading(&l, &c)
		upload := a.consumers["upload"].run
		a.consumers["http.request"] = &consumer{run: func(ctx context.Context, j *workerpool.Job) error {
			if err := j.Send(ctx, j.ReplyChannel(), piece); err != nil {
				return err
			}
			return upload(ctx, j)
		}}
		a.consumers["busy"] = &consumer{run: c.work}
		b := start(t, apps(a), workerpool.Options{Workers: 1})
		b.volatile("http.request", "a")
		b.volatile("busy", "b") // works 10 s
		time.Sleep(2 * time.Second)
		b.leave("a")
		time.Sleep(time.Second)
		synctest.Wait()
		l.want(t, "a: the client has left: "+asgi.ErrGone.Error())
		b.volatile("upload", "c")
		time.Sleep(20 * time.Second)
		synctest.Wait()
		l.want(t, "a: the client has left: "+asgi.ErrGone.Error(), "c")
		if n := len(b.pool.Workers()); n != 1 {
			t.Errorf("%d workers are left, want 1", n)
		}
	})
}

// TestHandlersThatStepBackAfterAReload checks that handlers of an old generation need no
// worker of the new one, if they wait for a worker already or do so later.
func TestHandlersThatStepBackAfterAReload(t *testing.T) {
	for _, after := range []time.Duration{500 * time.Millisecond, 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var old, l log
			var c, d counter
			b := start(t, apps(uploading(&old, &c), uploading(&l, &d)), workerpool.Options{Workers: 1, Grace: time.Minute})
			b.volatile("upload", "a")
			time.Sleep(100 * time.Millisecond)
			b.volatile("upload", "b")
			b.volatile("http.request", "busy")
			b.volatile("http.request", "c")
			time.Sleep(after)
			if _, err := b.pool.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			l.want(t, "c")
			if n, _ := c.now(); n != 3 {
				t.Errorf("%d handlers of the old generation work, want 3", n)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if n := len(b.pool.Workers()); n != 1 {
				t.Errorf("%d workers are left, want 1", n)
			}
		})
	}
}

// TestHandlersThatStepBackLeaveTogetherWithThePool checks that a shutdown lets handlers
// that are aside end, one after the other, although no worker is left.
func TestHandlersThatStepBackLeaveTogetherWithThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		var c counter
		b := start(t, apps(uploading(&l, &c)), workerpool.Options{Workers: 1, Grace: 29 * time.Second})
		for _, connection := range []string{"a", "b", "c", "d"} {
			b.volatile("upload", connection)
			time.Sleep(100 * time.Millisecond)
		}
		b.stop()
		<-b.ended
		l.want(t, "a", "b", "c", "d: the server is shutting down")
		if _, most := c.now(); most != 1 {
			t.Errorf("%d handlers worked at once, want 1", most)
		}
	})
}
