package workerpool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/store"
	"asgibox/workerpool"
)

var asVolatile = []asgi.SendOption{asgi.Volatile}

// request tries to send a request and reports whether it was accepted.
func (b *bench) request(connection, path string) bool {
	b.t.Helper()
	err := b.trySend("http.request", connection, asVolatile, asgi.Field{Key: "path", Value: path})
	if err != nil && !errors.Is(err, asgi.ErrChannelFull) {
		b.t.Fatal(err)
	}
	return err == nil
}

// pending returns the number of messages that wait in a channel.
func (b *bench) pending(channel string) int {
	b.t.Helper()
	stats, err := b.layer.ChannelStatistics(context.Background(), channel)
	if err != nil {
		b.t.Fatal(err)
	}
	return stats.MessagesPending
}

// pathApp is an application whose requests to /slow have a limit.
type pathApp struct {
	*app
	slow *consumer
}

func (a *pathApp) Route(d asgi.Delivery) workerpool.Consumer {
	if d.Channel == "http.request" && d.Message.Text("path") == "/slow" {
		return a.slow
	}
	return a.app.Route(d)
}

// gate is a handler that runs until it is opened.
type gate struct {
	open chan struct{}

	mu      sync.Mutex
	running int
	most    int
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) run(ctx context.Context, j *workerpool.Job) error {
	g.mu.Lock()
	g.running++
	g.most = max(g.most, g.running)
	g.mu.Unlock()
	select {
	case <-g.open:
	case <-ctx.Done():
	}
	g.mu.Lock()
	g.running--
	g.mu.Unlock()
	return reply(ctx, j)
}

func (g *gate) now() int {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.running
}

// slowFast returns an application with one handler of /slow at a time.
func slowFast(g *gate, most int) *pathApp {
	return &pathApp{
		app: &app{
			consumers: map[string]*consumer{"http.request": {run: reply}},
			limits:    []workerpool.Limit{{Key: "slow", Channel: "http.request", Max: most}},
		},
		slow: &consumer{name: "slow", limit: "slow", run: g.run},
	}
}

func TestSlotsRunTheCapacityWaitsAndTheRestIsRefused(t *testing.T) {
	const capacity = 4
	for name, test := range map[string]struct{ workers, limit, slots int }{
		"workers":     {3, 100, 3},
		"concurrency": {16, 1, 1},
	} {
		for _, reload := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, reload=%v", name, reload), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := newGate()
					b := startStore(t, store.Options{ChannelCapacity: []store.PatternCapacity{{Pattern: "http.request", Capacity: capacity}}}, direct,
						apps(slowFast(g, test.limit), slowFast(g, test.limit)), workerpool.Options{Workers: test.workers})
					slots, accepted := test.slots, 0
					for n := range 20 {
						if b.request(fmt.Sprint("c", n), "/slow") {
							accepted++
						}
						if n == 10 && reload {
							synctest.Wait() // for the handlers to start
							if _, err := b.pool.Reload(t.Context()); err != nil {
								t.Fatal(err)
							}
						}
					}
					if reload && test.limit > slots {
						slots += test.workers // the new generation has its own workers
					}
					want := slots + capacity
					if got := g.now(); got != slots || accepted != want || b.pending("http.request") != capacity {
						t.Errorf("%d run, %d wait, %d were accepted; want %d, %d, %d", got, b.pending("http.request"), accepted, slots, capacity, want)
					}
					close(g.open)
					synctest.Wait()
					if b.pending("http.request") != 0 {
						t.Errorf("%d still wait", b.pending("http.request"))
					}
				})
			})
		}
	}
}

func TestAFullRouteDoesNotStopOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := startStore(t, store.Options{Capacity: 3}, direct, apps(slowFast(g, 1)), workerpool.Options{Workers: 4})
		for n := range 10 {
			b.request(fmt.Sprint("slow", n), "/slow")
		}
		for n := range 10 { // the channel is full
			name := fmt.Sprint("fast", n)
			if !b.request(name, "/fast") {
				t.Fatalf("request %d was refused", n)
			}
			synctest.Wait()
			if len(b.sent(name)) != 1 {
				t.Fatalf("request %d waits", n)
			}
		}
		close(g.open)
	})
}

func TestRequestsOfARouteStartInTheOrderOfSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		a := slowFast(newGate(), 2)
		a.slow.run = func(ctx context.Context, j *workerpool.Job) error {
			l.add("%s", j.ReplyChannel())
			time.Sleep(time.Second)
			if j.ReplyChannel() == "front!0" {
				time.Sleep(time.Second / 2) // so that no two start at the same time
			}
			return reply(ctx, j)
		}
		b := start(t, apps(a, a), workerpool.Options{Workers: 4})
		var want []string
		for n := range 20 {
			b.request(fmt.Sprint(n), "/slow")
			want = append(want, fmt.Sprint("front!", n))
			synctest.Wait()
			if n == 10 {
				if _, err := b.pool.Reload(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(20 * time.Second)
		l.want(t, want...)
	})
}

func TestASaveFreesAPoolWhoseHandlersHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := start(t, apps(on("http.request", g.run), on("http.request", reply)), workerpool.Options{Workers: 2, Grace: 10 * time.Second})
		for n := range 2 {
			b.request(fmt.Sprint("hangs", n), "/")
		}
		b.request("waits", "/")
		synctest.Wait()
		if _, err := b.pool.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(b.sent("waits")) != 1 || g.now() != 2 {
			t.Errorf("%d replies to the waiting request, %d old handlers run", len(b.sent("waits")), g.now())
		}
		time.Sleep(13 * time.Second)
		if g.now() != 0 {
			t.Error("old handlers run after the grace period")
		}
	})
}

func TestShutdownRunsWhatWaitsForConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := slowFast(newGate(), 1)
		a.slow.run = func(ctx context.Context, j *workerpool.Job) error {
			time.Sleep(time.Second)
			return reply(ctx, j)
		}
		b := start(t, apps(a, a), workerpool.Options{Workers: 4, Grace: 10 * time.Second})
		for n := range 5 {
			b.request(fmt.Sprint("c", n), "/slow")
		}
		synctest.Wait()
		if _, err := b.pool.Reload(t.Context()); err != nil { // the first runs in the old generation
			t.Fatal(err)
		}
		b.stop()
		<-b.ended
		for n := range 5 {
			if len(b.sent(fmt.Sprint("c", n))) != 1 {
				t.Errorf("request %d got no reply", n)
			}
		}
	})
}

// TestASenderWhoseMessageCanStartDoesNotWaitForTheChannel fills the channel with requests
// to /slow while other requests wait with their senders for the only other worker.
func TestASenderWhoseMessageCanStartDoesNotWaitForTheChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		a := slowFast(g, 1)
		a.consumers["http.request"].run = func(ctx context.Context, j *workerpool.Job) error {
			time.Sleep(time.Second)
			return reply(ctx, j)
		}
		b := startStore(t, store.Options{Capacity: 3}, direct, apps(a), workerpool.Options{Workers: 2})
		for n := range 4 {
			if !b.request(fmt.Sprint("slow", n), "/slow") {
				t.Fatalf("request %d to /slow was refused", n)
			}
		}
		var sends sync.WaitGroup
		for n := range 5 {
			sends.Go(func() {
				m := message(fmt.Sprint("fast", n), []asgi.Field{{Key: "path", Value: "/fast"}})
				if err := b.layer.SendWhenRoom(t.Context(), nil, 10*time.Second, "http.request", m, asgi.Volatile); err != nil {
					t.Errorf("request %d to /fast: %v", n, err)
				}
			})
			time.Sleep(time.Millisecond)
		}
		sends.Wait()
		if n := b.pending("http.request"); n != 3 {
			t.Errorf("%d requests to /slow wait, want 3", n)
		}
		close(g.open)
	})
}

// frames sends frames of a connection, each when there is room for it, and then
// a disconnect message. It returns when all are sent.
func (b *bench) frames(connection string, from, to int) error {
	ctx := context.Background()
	for n := from; n <= to; n++ {
		err := b.layer.SendWhenRoom(ctx, nil, 5*time.Second, "websocket.receive", message(connection, []asgi.Field{order(n)}), asgi.Volatile)
		if err != nil {
			return fmt.Errorf("frame %d of %s: %w", n, connection, err)
		}
	}
	return b.layer.SendWhenRoom(ctx, nil, 5*time.Second, "websocket.disconnect", message(connection, []asgi.Field{order(to + 1)}), asgi.Volatile)
}

// sockets returns an application that logs the orders of a connection's
// messages, and takes a time for each.
func sockets(l *log, takes time.Duration) *app {
	a := &app{consumers: map[string]*consumer{}}
	for _, name := range []string{"websocket.receive", "websocket.disconnect"} {
		a.consumers[name] = &consumer{name: name, run: func(_ context.Context, j *workerpool.Job) error {
			time.Sleep(takes)
			l.add("%s %d", j.ReplyChannel(), j.Delivery.Message.Int("order"))
			return nil
		}}
	}
	return a
}

func TestABurstOfFramesIsHandledInOrderAndHoldsUpNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		b := start(t, apps(sockets(&l, 20*time.Millisecond)), workerpool.Options{Workers: 1})
		const burst = 10_000
		done := make(chan error, 1)
		go func() { done <- b.frames("burst", 1, burst) }()
		var want []string
		for n := 1; n <= burst+1; n++ {
			want = append(want, fmt.Sprint("front!burst ", n))
		}
		synctest.Wait()
		for n := range 10 { // other connections get a turn soon
			began := time.Now()
			name := fmt.Sprint("other", n)
			if err := b.frames(name, 1, 1); err != nil {
				t.Fatal(err)
			}
			for ok := false; !ok; time.Sleep(10 * time.Millisecond) {
				for _, line := range l.all() {
					ok = ok || line == "front!"+name+" 2"
				}
			}
			if d := time.Since(began); d > 200*time.Millisecond {
				t.Fatalf("connection %d waited %v", n, d)
			}
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		var got []string
		for _, line := range l.all() {
			if line[:len("front!burst")] == "front!burst" {
				got = append(got, line)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%d frames were handled, or not in order", len(got))
		}
	})
}

func TestAFullLaneRefusesTheNextFrame(t *testing.T) {
	for name, o := range map[string]workerpool.Options{
		"messages": {LaneMessages: 5},
		"bytes":    {LaneBytes: 5 * 1600},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				b := start(t, apps(on("websocket.receive", g.run)), o)
				data := asgi.Field{Key: "bytes", Value: make([]byte, 1000)}
				for n := 1; n <= 6; n++ { // one runs
					b.volatile("websocket.receive", "flood", order(n), data)
				}
				for n := 7; n <= 9; n++ {
					if err := b.trySend("websocket.receive", "flood", asVolatile, order(n), data); !errors.Is(err, asgi.ErrChannelFull) {
						t.Errorf("frame %d: %v, want %v", n, err, asgi.ErrChannelFull)
					}
				}
				b.volatile("websocket.disconnect", "flood", order(7)) // never refused
				b.volatile("websocket.receive", "other", order(1), data)
				if g.now() != 2 || b.pending("websocket.receive") != 0 {
					t.Errorf("%d run, %d are queued", g.now(), b.pending("websocket.receive"))
				}
				close(g.open)
			})
		})
	}
}

func TestAllLanesTogetherAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := start(t, apps(on("websocket.receive", g.run)), workerpool.Options{Workers: 100})
		data := asgi.Field{Key: "bytes", Value: make([]byte, 1<<20)}
		accepted := 0
		for c := range 50 {
			for n := range 4 {
				if b.trySend("websocket.receive", fmt.Sprint("c", c), asVolatile, order(n+1), data) == nil {
					accepted++
				}
			}
		}
		if waiting := accepted - g.now(); waiting != 63 {
			t.Errorf("%d frames of 1 MiB wait in lanes, want 63", waiting)
		}
		done := make(chan error, 1)
		go func() {
			done <- b.layer.SendWhenRoom(t.Context(), nil, time.Second, "websocket.receive", message("c0", []asgi.Field{order(100), data}), asgi.Volatile)
		}()
		synctest.Wait()
		close(g.open)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestAllSendersThatFitAreAdmitted fills all lanes together and then makes room for
// several of the frames that wait with their senders.
func TestAllSendersThatFitAreAdmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, first := newGate(), make(chan struct{})
		b := start(t, apps(on("websocket.receive", func(ctx context.Context, j *workerpool.Job) error {
			if j.ReplyChannel() == "front!long" {
				<-first
				return reply(ctx, j)
			}
			return g.run(ctx, j)
		})), workerpool.Options{Workers: 200})
		send := func(connection string, n, size int) error {
			return b.trySend("websocket.receive", connection, asVolatile, order(n), asgi.Field{Key: "bytes", Value: make([]byte, size)})
		}
		const small = 20 << 10
		for c := range 11 {
			if err := send(fmt.Sprint("small", c), 1, small); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 2 {
			if err := send("long", n+1, 1<<20); err != nil {
				t.Fatal(err)
			}
		}
		for c, full := 0, false; !full; c++ {
			for n := range 4 {
				full = full || send(fmt.Sprint("c", c), n+1, 1<<20) != nil
			}
		}
		for c, full := 0, false; !full; c++ {
			for n := range 2 {
				full = full || send(fmt.Sprint("d", c), n+1, small) != nil
			}
		}
		var wg sync.WaitGroup
		for c := range 11 {
			wg.Go(func() {
				data := asgi.Field{Key: "bytes", Value: make([]byte, small)}
				if err := b.layer.SendWhenRoom(t.Context(), nil, time.Second, "websocket.receive", message(fmt.Sprint("small", c), []asgi.Field{order(2), data}), asgi.Volatile); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(first)
		wg.Wait()
		close(g.open)
	})
}

func TestADisconnectStartsAfterEveryEarlierFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		b := start(t, apps(sockets(&l, time.Second)), workerpool.Options{Workers: 4})
		control := b.layer.Debug()
		b.volatile("websocket.receive", "a", order(1)) // runs
		b.volatile("websocket.receive", "a", order(2)) // waits in the lane
		if err := control.Pause("websocket.receive"); err != nil {
			t.Fatal(err)
		}
		b.volatile("websocket.receive", "a", order(3)) // waits in the channel
		b.volatile("websocket.receive", "a", order(4))
		b.volatile("websocket.disconnect", "a", order(5))
		time.Sleep(time.Minute)
		l.want(t, "front!a 1", "front!a 2")
		if _, err := control.Step("websocket.receive"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		l.want(t, "front!a 1", "front!a 2", "front!a 3")
		if _, err := control.Resume("websocket.receive"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		l.want(t, "front!a 1", "front!a 2", "front!a 3", "front!a 4", "front!a 5")
		if n := b.pool.Lanes(); n != 0 {
			t.Errorf("%d lanes are left", n)
		}
	})
}

func TestALaneContinuesWhenItsFirstMessageIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		g := newGate()
		a := sockets(&l, 0)
		a.consumers["http.request"] = &consumer{run: g.run}
		b := startStore(t, store.Options{Expiry: 10 * time.Second}, direct, apps(a), workerpool.Options{Workers: 1, HandlerTimeout: -1})
		b.request("busy", "/")
		b.volatile("websocket.receive", "a", order(1)) // waits in the channel, and expires there
		b.volatile("websocket.receive", "a", order(2)) // waits in the lane
		b.volatile("websocket.disconnect", "a", order(3))
		time.Sleep(time.Minute)
		close(g.open)
		time.Sleep(time.Second)
		l.want(t, "front!a 2", "front!a 3")
	})
}

func TestARefusedHandshakeLeavesNoLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := startStore(t, store.Options{Capacity: 1}, direct, apps(on("websocket.connect", g.run)), workerpool.Options{Workers: 1, NoWatchdog: true})
		for n := range 10 {
			_ = b.trySend("websocket.connect", fmt.Sprint("c", n), asVolatile, order(0))
		}
		synctest.Wait()
		if n := b.pool.Lanes(); n != 2 {
			t.Errorf("%d lanes, want 2: one handshake runs and one waits", n)
		}
		close(g.open)
	})
}

func TestWithoutAcceptorsThePoolReceivesOnlyWhatAWorkerIsFreeFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := startStore(t, store.Options{Capacity: 4}, withoutAcceptors, apps(on("http.request", g.run)), workerpool.Options{Workers: 3})
		accepted := 0
		for n := range 20 {
			if b.request(fmt.Sprint("c", n), "/") {
				accepted++
			}
			synctest.Wait()
		}
		if accepted != 7 || g.now() != 3 {
			t.Errorf("%d were accepted, %d run; want 7 and 3", accepted, g.now())
		}
		close(g.open)
	})
}

func TestWithoutAcceptorsAPoolThatStopsLeavesMessagesToOthers(t *testing.T) {
	slow := func(ctx context.Context, j *workerpool.Job) error {
		time.Sleep(time.Second)
		return reply(ctx, j)
	}
	for kind, a := range map[workerpool.Kind]workerpool.Application{
		workerpool.KindRouted: on("http.request", slow),
		workerpool.KindLoop:   &program{&app{}, slow},
	} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := startStore(t, store.Options{}, withoutAcceptors, apps(a), workerpool.Options{Workers: 2})
				for n := range 10 {
					b.request(fmt.Sprint("c", n), "/")
				}
				synctest.Wait()
				taken := 10 - b.pending("http.request")
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				b.pool.Shutdown(ctx)
				replies := 0
				for n := range 10 {
					replies += len(b.sent(fmt.Sprint("c", n)))
				}
				if waiting := b.pending("http.request"); replies != taken || waiting != 10-taken || waiting == 0 {
					t.Errorf("%d of %d messages taken before the stop were handled, %d wait", replies, taken, waiting)
				}
			})
		})
	}
}

func TestWithoutAcceptorsThePoolReceivesNoFramesWhileALaneIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		b := startStore(t, store.Options{Capacity: 50}, withoutAcceptors, apps(sockets(&l, time.Second)), workerpool.Options{Workers: 3, LaneMessages: 5})
		for n := 1; n <= 20; n++ {
			b.volatile("websocket.receive", "a", order(n))
			synctest.Wait()
		}
		if got := b.pending("websocket.receive"); got != 14 { // one runs, five are in the lane
			t.Errorf("%d wait in the channel, want 14", got)
		}
		b.volatile("websocket.disconnect", "a", order(21))
		time.Sleep(30 * time.Second)
		var want []string
		for n := 1; n <= 21; n++ {
			want = append(want, fmt.Sprint("front!a ", n))
		}
		l.want(t, want...)
	})
}

func TestWithoutAcceptorsADisconnectWaitsForItsFramesWhileAnotherLaneIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		b := startStore(t, store.Options{}, withoutAcceptors, apps(sockets(&l, time.Second)), workerpool.Options{Workers: 3, LaneMessages: 2})
		for n := 1; n <= 3; n++ {
			b.volatile("websocket.receive", "a", order(n))
			synctest.Wait()
		}
		b.volatile("websocket.receive", "b", order(1))
		b.volatile("websocket.disconnect", "b", order(2))
		time.Sleep(30 * time.Second)
		got := slices.DeleteFunc(l.all(), func(line string) bool { return strings.HasPrefix(line, "front!a") })
		if !slices.Equal(got, []string{"front!b 1", "front!b 2"}) {
			t.Errorf("handled %q", got)
		}
	})
}
