package workerpool_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool"
)

// awaiting returns an application whose handlers of http.request and websocket.receive
// send until there is room, or wait for the body if the message has one. It logs how
// they ended. Those of "fast" end at once.
func awaiting(l *log) *app {
	run := func(ctx context.Context, j *workerpool.Job) error {
		defer func() {
			l.add("%s %v", strings.TrimPrefix(j.ReplyChannel(), "front!"), errors.Is(context.Cause(ctx), asgi.ErrGone))
		}()
		if j.BodyChannel() != "" {
			done := j.AwaitBody()
			<-ctx.Done()
			done(0)
			return context.Cause(ctx)
		}
		m := piece
		if j.Delivery.Channel != "http.request" {
			m = frame
		}
		for j.Send(ctx, j.ReplyChannel(), m) != nil {
			select {
			case <-time.After(200 * time.Millisecond):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	}
	fast := func(ctx context.Context, j *workerpool.Job) error {
		l.add("fast")
		return nil
	}
	return &app{consumers: map[string]*consumer{"http.request": {run: run}, "websocket.receive": {run: run}, "fast": {run: fast}}}
}

// TestAHandlerThatWaitsForASilentClientMakesWay checks that a message that waits for a
// worker gets one after 5 s, if a handler waits for its client to read or send.
func TestAHandlerThatWaitsForASilentClientMakesWay(t *testing.T) {
	for _, test := range []struct {
		name, channel string
		fields        []asgi.Field
		reply         string // of the pool
	}{
		{"response", "http.request", nil, "408"},
		{"body", "http.request", []asgi.Field{{Key: "body_channel", Value: "http.request.body?a"}}, "408"},
		{"WebSocket", "websocket.receive", []asgi.Field{order(1)}, "1013"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l log
				var out strings.Builder
				b := start(t, apps(awaiting(&l)), workerpool.Options{
					Workers: 1, HandlerTimeout: -1, Log: slog.New(slog.NewTextHandler(&out, nil)),
					Report: func(f workerpool.Failure) { t.Errorf("reported: %v", f.Err) },
				})
				b.fill("slow", 1000)
				b.volatile(test.channel, "slow", test.fields...)
				time.Sleep(time.Minute)
				l.want(t) // nothing waits for the worker
				b.volatile("fast", "")
				time.Sleep(time.Second)
				synctest.Wait()
				l.want(t, "slow true", "fast")
				sent := fmt.Sprint(b.sent("slow"))
				if !strings.Contains(sent, test.reply) {
					t.Errorf("the client gets %s, want %s", sent, test.reply)
				}
				if n := strings.Count(out.String(), "handlers were ended"); n != 1 {
					t.Errorf("the log says %d times that handlers were ended:\n%s", n, &out)
				}
			})
		})
	}
}

// TestAHandlerThatWaitsForAClientThatReadsContinues checks that a client that reads
// enough keeps its handler, and that the time between two waits does not count.
func TestAHandlerThatWaitsForAClientThatReadsContinues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		b := start(t, apps(awaiting(&l)), workerpool.Options{Workers: 1, HandlerTimeout: -1})
		b.fill("slow", 1)
		b.volatile("http.request", "slow")
		b.volatile("fast", "")
		for n := range int64(30) {
			time.Sleep(time.Second)
			b.fill("slow", n*2<<10)
		}
		l.want(t)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		l.want(t, "slow true", "fast")
	})
}

// TestTwoThreadsOfAHandlerWaitForTheBody checks that the end of the second wait does not
// make the handler one that has waited for long.
func TestTwoThreadsOfAHandlerWaitForTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		run := func(ctx context.Context, j *workerpool.Job) error {
			first, second := j.AwaitBody(), j.AwaitBody()
			first(1)
			second(1)
			done := j.AwaitBody()
			select {
			case <-time.After(3 * time.Second):
			case <-ctx.Done():
				l.add("ended")
			}
			done(1)
			return reply(ctx, j)
		}
		fast := func(context.Context, *workerpool.Job) error { l.add("fast"); return nil }
		b := start(t, apps(&app{consumers: map[string]*consumer{"http.request": {run: run}, "fast": {run: fast}}}), workerpool.Options{Workers: 1})
		b.volatile("http.request", "slow")
		b.volatile("fast", "")
		time.Sleep(4 * time.Second)
		synctest.Wait()
		l.want(t, "fast")
	})
}

// TestManyWaitingMessagesMakeThePoolHurry checks that handlers are ended sooner if more
// messages wait than there are workers.
func TestManyWaitingMessagesMakeThePoolHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		b := start(t, apps(awaiting(&l)), workerpool.Options{Workers: 1, HandlerTimeout: -1})
		b.fill("slow", 1)
		b.volatile("http.request", "slow")
		b.volatile("fast", "")
		b.volatile("fast", "")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		l.want(t, "slow true", "fast", "fast")
	})
}

// TestAHandlerThatWaitsForASilentClientFreesItsPlace checks that a message that waits for
// the concurrency limit of its route gets the place of one handler that waits for its
// client, although workers are free. Other handlers continue.
func TestAHandlerThatWaitsForASilentClientFreesItsPlace(t *testing.T) {
	for name, front := range map[string]func(asgi.Layer) asgi.Layer{"offered": direct, "received": withoutAcceptors} {
		for channel, other := range map[string]string{"http.request": "websocket.receive", "websocket.receive": "http.request"} {
			t.Run(name+" "+channel, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var l log
					a := awaiting(&l)
					a.consumers[channel].limit = "k"
					a.limits = []workerpool.Limit{{Key: "k", Channel: channel, Max: 2}}
					b := startOn(t, front, apps(a), workerpool.Options{Workers: 8, HandlerTimeout: -1})
					for _, m := range [][2]string{{other, "unlimited"}, {channel, "first"}, {channel, "second"}} {
						b.fill(m[1], 1000)
						b.volatile(m[0], m[1], order(1))
						time.Sleep(time.Second)
					}
					time.Sleep(time.Minute)
					l.want(t) // nothing waits for a place
					b.volatile(channel, "honest", order(1))
					time.Sleep(time.Minute)
					l.want(t, "first true", "honest false")
				})
			})
		}
	}
}

// TestManyWaitingMessagesMakeALimitHurry checks that handlers are ended sooner if more
// messages wait for a limit than it has places.
func TestManyWaitingMessagesMakeALimitHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		a := awaiting(&l)
		a.consumers["http.request"].limit = "k"
		a.limits = []workerpool.Limit{{Key: "k", Channel: "http.request", Max: 1}}
		b := start(t, apps(a), workerpool.Options{Workers: 8, HandlerTimeout: -1})
		b.fill("slow", 1)
		for _, name := range []string{"slow", "a", "b"} {
			b.volatile("http.request", name)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		l.want(t, "slow true", "a false", "b false")
	})
}

// TestHandlersAsideHoldLimitedMemory checks that a handler does not step aside if those
// aside would hold too much.
func TestHandlersAsideHoldLimitedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var large, fast counter
		a := &app{consumers: map[string]*consumer{"fast": {run: fast.work}, "large": {run: func(ctx context.Context, j *workerpool.Job) error {
			j.StepAside(20 << 20)
			return large.work(ctx, j)
		}}}}
		b := start(t, apps(a), workerpool.Options{Workers: 2})
		for i := range 10 {
			b.volatile("large", fmt.Sprint("large", i))
		}
		if n, _ := large.now(); n != 5 {
			t.Errorf("%d handlers run that hold 20 MiB, want 2 and 3 aside", n)
		}
	})
}

// TestHandlersAsideAreNotEndedForMessagesThatNeedAWorker checks that handlers that hold no
// worker are not ended for messages that wait for one, unless another handler cannot step
// aside because of them.
func TestHandlersAsideAreNotEndedForMessagesThatNeedAWorker(t *testing.T) {
	for _, test := range []struct {
		held int
		want []string
	}{
		{20 << 20, nil},
		{60 << 20, []string{"a true", "b true"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var l log
			var busy counter
			aside := func(ctx context.Context, j *workerpool.Job) error {
				done := j.AwaitBody()
				defer done(0)
				j.StepAside(test.held)
				<-ctx.Done()
				l.add("%s %v", strings.TrimPrefix(j.ReplyChannel(), "front!"), errors.Is(context.Cause(ctx), asgi.ErrGone))
				return context.Cause(ctx)
			}
			a := &app{consumers: map[string]*consumer{"aside": {run: aside}, "busy": {run: busy.work}}}
			b := start(t, apps(a), workerpool.Options{Workers: 2, HandlerTimeout: -1, Report: func(workerpool.Failure) {}})
			b.volatile("aside", "a")
			time.Sleep(time.Second)
			b.volatile("aside", "b")
			for i := range 8 {
				b.volatile("busy", fmt.Sprint("busy", i))
			}
			time.Sleep(20 * time.Second)
			synctest.Wait()
			l.want(t, test.want...)
		})
	}
}
