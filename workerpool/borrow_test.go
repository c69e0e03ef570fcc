package workerpool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/store"
	"asgibox/workerpool"
)

var lend = []asgi.SendOption{asgi.Volatile, asgi.Lend}

// lent sends a request as httpfront does, and returns how long Send took.
func (b *bench) lent(connection string) time.Duration {
	b.t.Helper()
	began := time.Now()
	b.send("http.request", connection, lend)
	return time.Since(began)
}

// sleeper returns a handler that takes a time.
func sleeper(d time.Duration) func(context.Context, *workerpool.Job) error {
	return func(ctx context.Context, j *workerpool.Job) error {
		time.Sleep(d)
		return reply(ctx, j)
	}
}

// work is a handler of both kinds of application.
type work = func(context.Context, *workerpool.Job) error

// bothKinds tests an application of each kind that handles requests.
func bothKinds(t *testing.T, test func(t *testing.T, build func(work) workerpool.Application)) {
	for kind, build := range map[workerpool.Kind]func(work) workerpool.Application{
		workerpool.KindRouted: func(run work) workerpool.Application { return on("http.request", run) },
		workerpool.KindLoop:   func(run work) workerpool.Application { return &program{&app{}, run} },
	} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, build) })
		})
	}
}

func TestAHandlerRunsOnALentGoroutine(t *testing.T) {
	const span = 500 * time.Microsecond
	for _, c := range []struct {
		name string
		app  workerpool.Application
		opts []asgi.SendOption
		want time.Duration
	}{
		{"a routed handler", on("http.request", sleeper(span)), lend, span},
		{"a loop", &program{&app{}, sleeper(span)}, lend, span},
		{"of a sender that does not lend", on("http.request", sleeper(span)), []asgi.SendOption{asgi.Volatile}, 0},
		{"an unordered route", &app{consumers: map[string]*consumer{"http.request": {unordered: true, run: sleeper(span)}}}, lend, 0},
		{"a durable message", on("http.request", sleeper(span)), []asgi.SendOption{asgi.Lend}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, apps(c.app), workerpool.Options{})
				began := time.Now()
				b.send("http.request", "a", c.opts)
				if took := time.Since(began); took != c.want {
					t.Errorf("Send took %v, want %v", took, c.want)
				}
				time.Sleep(time.Second)
				if len(b.sent("a")) != 1 {
					t.Error("the request got no reply")
				}
			})
		})
	}
}

func TestASlowHandlerRunsOnAGoroutineOfThePool(t *testing.T) {
	bothKinds(t, func(t *testing.T, build func(work) workerpool.Application) {
		takes := map[string]time.Duration{"front!slow": time.Second}
		b := start(t, apps(build(func(ctx context.Context, j *workerpool.Job) error {
			return sleeper(takes[j.ReplyChannel()])(ctx, j)
		})), workerpool.Options{Workers: 1})
		if took := b.lent("slow"); took != time.Second {
			t.Errorf("the first slow call: Send took %v", took)
		}
		if took := b.lent("slow"); took != 0 {
			t.Errorf("the second slow call: Send took %v", took)
		}
		time.Sleep(2 * time.Second)
		b.lent("fast") // on a worker, because the last call was slow
		synctest.Wait()
		if took := b.lent("slow"); took != time.Second {
			t.Errorf("after a fast call: Send took %v", took)
		}
	})
}

func TestTheSendOfAHandlerRunsNoOtherHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		a := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
			l.add("begin %s", j.ReplyChannel())
			defer l.add("end %s", j.ReplyChannel())
			if j.ReplyChannel() == "front!a" {
				if err := j.Send(ctx, "http.request", message("b", nil), asgi.Volatile); err != nil {
					return err
				}
			}
			return reply(ctx, j)
		})
		b := start(t, apps(a), workerpool.Options{Workers: 1})
		b.lent("a")
		synctest.Wait()
		l.want(t, "begin front!a", "end front!a", "begin front!b", "end front!b")
	})
}

func TestLentGoroutinesCountAsWorkers(t *testing.T) {
	bothKinds(t, func(t *testing.T, build func(work) workerpool.Application) {
		c := &counter{}
		b := start(t, apps(build(c.work)), workerpool.Options{Workers: 2})
		var senders sync.WaitGroup
		for n := range 6 {
			senders.Go(func() { b.lent(fmt.Sprint(n)) })
		}
		synctest.Wait()
		busy := 0
		for _, w := range b.pool.Workers() {
			if w.Busy {
				busy++
			}
		}
		if busy != 2 {
			t.Errorf("%d workers are busy: %+v", busy, b.pool.Workers())
		}
		senders.Wait()
		time.Sleep(time.Minute)
		if running, most := c.now(); running != 0 || most != 2 {
			t.Errorf("%d run, at most %d ran; want 0 and 2", running, most)
		}
		for n := range 6 {
			if len(b.sent(fmt.Sprint(n))) != 1 {
				t.Errorf("request %d got no reply", n)
			}
		}
	})
}

func TestASurplusWorkerEndsAfterItWasLent(t *testing.T) {
	bothKinds(t, func(t *testing.T, build func(work) workerpool.Application) {
		b := start(t, apps(build(sleeper(time.Second))), workerpool.Options{Workers: 1})
		go b.lent("a")
		synctest.Wait()
		if err := errors.Join(b.pool.SetWorkers(3), b.pool.SetWorkers(1)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(2 * time.Second)
		if all := b.pool.Workers(); len(all) != 1 || all[0].Busy {
			t.Errorf("the workers are %+v", all)
		}
	})
}

func TestAReloadDoesNotWaitForALentGoroutine(t *testing.T) {
	bothKinds(t, func(t *testing.T, build func(work) workerpool.Application) {
		old := build(func(ctx context.Context, j *workerpool.Job) error {
			<-ctx.Done()
			return ctx.Err()
		})
		b := start(t, apps(old, build(reply)), workerpool.Options{Workers: 1, Grace: 5 * time.Second})
		go b.lent("old")
		synctest.Wait()
		if _, err := b.pool.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.lent("new")
		synctest.Wait()
		if len(b.sent("new")) != 1 {
			t.Errorf("sent %v", b.sent("new"))
		}
		time.Sleep(10 * time.Second)
		if len(b.sent("old")) != 1 || b.pool.Workers()[0].Generation != 2 {
			t.Errorf("after the grace period: sent %v; the workers are %+v", b.sent("old"), b.pool.Workers())
		}
	})
}

func TestALentGoroutineThatDoesNotStopIsReplaced(t *testing.T) {
	bothKinds(t, func(t *testing.T, build func(work) workerpool.Application) {
		free := make(chan struct{})
		b := start(t, apps(build(func(ctx context.Context, j *workerpool.Job) error {
			if j.ReplyChannel() == "front!stuck" {
				<-free
			}
			return reply(ctx, j)
		})), workerpool.Options{Workers: 1, HandlerTimeout: 10 * time.Second})
		var sender sync.WaitGroup
		sender.Go(func() { b.lent("stuck") })
		time.Sleep(20 * time.Second)
		if got := b.sent("stuck"); len(got) != 1 || got[0].Int("status") != 500 {
			t.Errorf("its client got %v", got)
		}
		b.lent("next")
		synctest.Wait()
		if all := b.pool.Workers(); len(all) != 1 || len(b.sent("next")) != 1 {
			t.Errorf("the workers are %+v; the next request got %v", all, b.sent("next"))
		}
		b.stop()
		<-b.ended // while it still runs
		close(free)
		sender.Wait()
	})
}

func TestShutdownWaitsForLentGoroutines(t *testing.T) {
	bothKinds(t, func(t *testing.T, build func(work) workerpool.Application) {
		b := start(t, apps(build(sleeper(time.Second))), workerpool.Options{Workers: 2})
		go b.lent("a")
		synctest.Wait()
		b.stop()
		<-b.ended
		if len(b.sent("a")) != 1 {
			t.Error("the request got no reply")
		}
	})
}

// TestAPanicOfThePoolOnALentGoroutineEndsTheProcess lets the pool panic in a child
// process, on a goroutine that recovers panics as a connection does.
func TestAPanicOfThePoolOnALentGoroutineEndsTheProcess(t *testing.T) {
	for _, c := range []struct{ kind, place string }{
		{"routed", "workerpool.(*acceptor).Run("},
		{"loop", "workerpool.(*coroutine).borrow("},
	} {
		t.Run(c.kind, func(t *testing.T) {
			const child = "ASGIBOX_TEST_POOL_PANICS"
			if os.Getenv(child) != "" {
				synctest.Test(t, func(t *testing.T) { panicOnLentGoroutine(t, c.kind) })
				return
			}
			cmd := exec.Command(os.Args[0], "-test.run", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
			cmd.Env = append(os.Environ(), child+"=1")
			out, err := cmd.CombinedOutput()
			if err == nil || strings.Contains(string(out), "recovered") || !strings.Contains(string(out), c.place) {
				t.Errorf("%v; the output must name %s:\n%s", err, c.place, out)
			}
		})
	}
}

func panicOnLentGoroutine(t *testing.T, kind string) {
	defer func() { t.Log("recovered", recover()) }()
	if kind == "loop" {
		workerpool.BorrowUnstartedProgram()
		return
	}
	b := start(t, apps(on("http.request", reply)), workerpool.Options{Handled: func(workerpool.Handled) { panic("a fault") }})
	b.lent("a")
}

// TestNoMessageIsLeftBehindALentGoroutine mixes lent requests with others, in
// real time.
func TestNoMessageIsLeftBehindALentGoroutine(t *testing.T) {
	const senders, each = 8, 300
	for _, kind := range []workerpool.Kind{workerpool.KindRouted, workerpool.KindLoop} {
		t.Run(string(kind), func(t *testing.T) {
			var handled, running, most atomic.Int32
			done := make(chan struct{})
			run := func(context.Context, *workerpool.Job) error {
				if n := running.Add(1); n > most.Load() {
					most.Store(n)
				}
				running.Add(-1)
				if handled.Add(1) == senders*each {
					close(done)
				}
				return nil
			}
			var a workerpool.Application = &program{&app{}, run}
			if kind == workerpool.KindRouted {
				a = &app{
					consumers: map[string]*consumer{"http.request": {limit: "k", run: run}},
					limits:    []workerpool.Limit{{Key: "k", Channel: "http.request", Max: 2}},
				}
			}
			layer := store.Memory(store.Options{Capacity: senders * each})
			pool, err := workerpool.New(layer, apps(a), workerpool.Options{Workers: 3, NoWatchdog: true})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			var all sync.WaitGroup
			all.Go(func() { pool.Run(ctx) })
			for n := range senders {
				opts := lend[:1+n%2]
				all.Go(func() {
					for i := range each {
						m := message(fmt.Sprint(n, "-", i), nil)
						if err := layer.Send(context.Background(), asgi.NewCause(0), "http.request", m, opts...); err != nil {
							t.Error(err)
						}
					}
				})
			}
			<-done
			if n := most.Load(); kind == workerpool.KindRouted && n > 2 {
				t.Errorf("%d ran at once, the limit is 2", n)
			}
			stop()
			all.Wait()
			if err := layer.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}
