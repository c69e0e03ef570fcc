package workerpool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool"
)

func TestAReplacedWorkerTakesNoMoreMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{}
		free := make(chan struct{})
		a := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
			if j.ReplyChannel() == "front!stuck" {
				<-free
				return nil
			}
			return c.work(ctx, j)
		})
		b := start(t, apps(a), workerpool.Options{Workers: 1, HandlerTimeout: 20 * time.Second})
		b.volatile("http.request", "stuck")
		time.Sleep(30 * time.Second)
		close(free)
		for n := range 4 {
			b.volatile("http.request", fmt.Sprint("c", n))
		}
		time.Sleep(15 * time.Second)
		if running, most := c.now(); running != 1 || most != 1 {
			t.Errorf("%d run, at most %d ran; want 1", running, most)
		}
		time.Sleep(time.Minute)
	})
}

func TestWorkersEndWhenTheLayerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, apps(on("http.request", reply)), workerpool.Options{Workers: 3})
		if err := b.layer.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if n := len(b.pool.Workers()); n != 0 {
			t.Errorf("%d workers are left", n)
		}
	})
}

func TestARoutedGenerationFinishesWaitingMessagesBeforeALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		old := on("websocket.receive", func(_ context.Context, j *workerpool.Job) error {
			time.Sleep(time.Second)
			l.add("old %d", j.Delivery.Message.Int("order"))
			return nil
		})
		fresh := &program{&app{}, func(ctx context.Context, j *workerpool.Job) error {
			l.add("new")
			return reply(ctx, j)
		}}
		b := start(t, apps(old, fresh), workerpool.Options{Workers: 2})
		for n := 1; n <= 4; n++ {
			b.volatile("websocket.receive", "a", order(n))
		}
		synctest.Wait()
		if _, err := b.pool.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.volatile("http.request", "b")
		time.Sleep(3500 * time.Millisecond)
		l.want(t, "new", "old 1", "old 2", "old 3")
		time.Sleep(time.Second)
		l.want(t, "new", "old 1", "old 2", "old 3", "old 4")
		for _, w := range b.pool.Workers() {
			if w.Generation != 2 {
				t.Errorf("a worker of the old generation is left: %+v", w)
			}
		}
	})
}

func TestBusyConnectionsLeaveRoomForOtherMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		began := time.Now()
		a := on("websocket.receive", func(_ context.Context, j *workerpool.Job) error {
			if j.ReplyChannel() == "front!slow" {
				time.Sleep(29 * time.Second)
			}
			time.Sleep(time.Second)
			return nil
		})
		a.consumers["jobs"] = &consumer{run: func(context.Context, *workerpool.Job) error {
			l.add("%v", time.Since(began))
			return nil
		}}
		b := start(t, apps(a), workerpool.Options{Workers: 3})
		for n := range 20 { // the third worker receives all of them
			b.volatile("websocket.receive", "a", order(n))
			b.volatile("websocket.receive", "b", order(n))
			synctest.Wait()
		}
		b.volatile("websocket.receive", "slow", order(0))
		synctest.Wait()
		b.send("jobs", "", nil)
		time.Sleep(40 * time.Second)
		l.want(t, "1s")
	})
}

// withoutAcceptors hides the extensions of a layer.
func withoutAcceptors(l asgi.Layer) asgi.Layer { return struct{ asgi.Layer }{l} }

// TestWithoutAcceptorsAFullRouteStopsNoOthers sends more requests to a route than may wait.
func TestWithoutAcceptorsAFullRouteStopsNoOthers(t *testing.T) {
	for _, test := range []struct {
		name             string
		all, size, waits int
	}{{"many", 1500, 0, 1000}, {"long", 300, 512 << 10, 127}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				b := startOn(t, withoutAcceptors, apps(slowFast(g, 1)), workerpool.Options{Workers: 3})
				body := asgi.Field{Key: "body", Value: make([]byte, test.size)}
				replies := func() (okay, refused int) {
					synctest.Wait()
					for n := range test.all {
						switch sent := fmt.Sprint(b.sent(fmt.Sprint("c", n))); {
						case strings.Contains(sent, "status 200"):
							okay++
						case strings.Contains(sent, "status 503"):
							refused++
						}
					}
					return okay, refused
				}
				for n := range test.all {
					b.volatile("http.request", fmt.Sprint("c", n), asgi.Field{Key: "path", Value: "/slow"}, body)
					synctest.Wait()
				}
				if okay, refused := replies(); okay != 0 || refused != test.all-1-test.waits {
					t.Errorf("%d requests have got 200 and %d 503; want %d to wait", okay, refused, test.waits)
				}
				b.request("fast", "/fast")
				synctest.Wait()
				if len(b.sent("fast")) != 1 {
					t.Error("another route waits")
				}
				close(g.open)
				if okay, refused := replies(); okay != test.waits+1 || okay+refused != test.all {
					t.Errorf("in the end, %d requests have got 200 and %d 503", okay, refused)
				}
			})
		})
	}
}

// TestWithoutAcceptorsARequestThatHasWaitedTooLongDoesNotStart checks that a request expires
// in the pool as it does in its channel.
func TestWithoutAcceptorsARequestThatHasWaitedTooLongDoesNotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := startOn(t, withoutAcceptors, apps(slowFast(g, 1)), workerpool.Options{Workers: 3, HandlerTimeout: -1})
		for n := range 3 {
			b.request(fmt.Sprint("c", n), "/slow")
			synctest.Wait()
		}
		time.Sleep(b.layer.Settings().Expiry + time.Second)
		b.request("late", "/slow")
		synctest.Wait()
		close(g.open)
		synctest.Wait()
		for connection, status := range map[string]string{"c0": "200", "c1": "503", "c2": "503", "late": "200"} {
			if sent := fmt.Sprint(b.sent(connection)); !strings.Contains(sent, "status "+status) {
				t.Errorf("%s has got %s, want %s", connection, sent, status)
			}
		}
		if g.most != 1 {
			t.Errorf("%d ran at once", g.most)
		}
	})
}

// failing is a layer that fails to receive until a time.
type failing struct {
	asgi.Layer
	until time.Time
	calls atomic.Int32
}

func (f *failing) Receive(ctx context.Context, c *asgi.Cause, channels ...string) (asgi.Delivery, error) {
	f.calls.Add(1)
	if time.Now().Before(f.until) {
		return asgi.Delivery{}, errors.New("no connection")
	}
	return f.Layer.Receive(ctx, c, channels...)
}

func TestALayerThatFailsToReceiveIsTriedAgainEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{until: time.Now().Add(10 * time.Second)}
		b := startOn(t, func(l asgi.Layer) asgi.Layer { f.Layer = l; return f }, apps(on("http.request", reply)), workerpool.Options{Workers: 1})
		b.volatile("http.request", "a")
		time.Sleep(9500 * time.Millisecond)
		if n := f.calls.Load(); n != 10 {
			t.Errorf("Receive was called %d times, want 10", n)
		}
		time.Sleep(time.Second)
		if len(b.sent("a")) != 1 {
			t.Error("the request got no reply")
		}
	})
}

func TestTheLeaderTakesATaskThatNoOtherWorkerIsFreeFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		began := time.Now()
		run := func(_ context.Context, j *workerpool.Job) error {
			time.Sleep(time.Second)
			l.add("%s %v", j.ReplyChannel(), time.Since(began))
			return nil
		}
		a := &app{
			consumers: map[string]*consumer{"http.request": {limit: "k", run: run}, "websocket.receive": {limit: "k", run: run}, "websocket.disconnect": {run: run}},
			limits:    []workerpool.Limit{{Key: "k", Channel: "http.request", Max: 1}},
		}
		b := start(t, apps(a), workerpool.Options{Workers: 2, NoWatchdog: true})
		b.volatile("websocket.receive", "a", order(0))
		synctest.Wait()
		b.volatile("websocket.disconnect", "a", order(1)) // waits in the lane
		b.volatile("http.request", "b")                   // waits for the limit
		time.Sleep(10 * time.Second)
		if got := l.all(); len(got) != 3 || got[0] != "front!a 1s" || !slices.Contains(got, "front!a 2s") || !slices.Contains(got, "front!b 2s") {
			t.Errorf("got %v", got)
		}
	})
}

func TestAnApplicationMayHandleTheEndOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		a := on("http.disconnect", func(_ context.Context, j *workerpool.Job) error {
			l.add("%s %v", j.ReplyChannel(), j.Gone(j.ReplyChannel()))
			return nil
		})
		b := start(t, apps(a), workerpool.Options{})
		b.volatile("http.disconnect", "a")
		synctest.Wait()
		l.want(t, "front!a true")
	})
}

func TestTheSessionOfARequestEndsWithIt(t *testing.T) {
	for _, session := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
				if session {
					j.UseSession()
				}
				return reply(ctx, j)
			})
			b := start(t, apps(a), workerpool.Options{})
			const key = "channel/front!a"
			if err := b.layer.Set(t.Context(), nil, key, "value", time.Hour); err != nil {
				t.Fatal(err)
			}
			b.volatile("http.request", "a")
			synctest.Wait()
			b.volatile("http.disconnect", "a")
			synctest.Wait()
			if _, found, err := b.layer.Get(t.Context(), nil, key); err != nil || found == session {
				t.Errorf("session %v: found %v, err = %v", session, found, err)
			}
		})
	}
}
