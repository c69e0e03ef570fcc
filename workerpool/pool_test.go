package workerpool_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/store"
	"asgibox/workerpool"
)

// app is a routed application that calls a Go function for each channel.
type app struct {
	consumers map[string]*consumer
	limits    []workerpool.Limit
	clocks    []workerpool.Clock
	live      func(first bool) error
	stopped   func()
	closed    func()
}

type consumer struct {
	name      string
	unordered bool
	limit     string
	run       func(context.Context, *workerpool.Job) error
}

func (c *consumer) Name() string                                         { return c.name }
func (c *consumer) Explain(err error) error                              { return err }
func (c *consumer) Ordered() bool                                        { return !c.unordered }
func (c *consumer) Limit() string                                        { return c.limit }
func (c *consumer) Consume(ctx context.Context, j *workerpool.Job) error { return c.run(ctx, j) }

func (a *app) Live(_ context.Context, first bool) error {
	if a.live != nil {
		return a.live(first)
	}
	return nil
}

func (a *app) Current() {}

func (a *app) Drain() {}

func (a *app) Stop(context.Context) error {
	if a.stopped != nil {
		a.stopped()
	}
	return nil
}

func (a *app) Close() {
	if a.closed != nil {
		a.closed()
	}
}

func (a *app) Channels() []string {
	var names []string
	for name := range a.consumers {
		names = append(names, name)
	}
	return names
}

func (a *app) Route(d asgi.Delivery) workerpool.Consumer {
	if c := a.consumers[d.Channel]; c != nil {
		return c
	}
	return nil
}

func (a *app) Clocks() []workerpool.Clock { return a.clocks }
func (a *app) Limits() []workerpool.Limit { return a.limits }

// on returns an application with one consumer.
func on(channel string, run func(context.Context, *workerpool.Job) error) *app {
	return &app{consumers: map[string]*consumer{channel: {name: channel, run: run}}}
}

// loader returns one application after another, and the last one again and
// again.
type loader struct {
	mu   sync.Mutex
	next []func() (workerpool.Application, error)
}

func (l *loader) Load(context.Context, uint64) (workerpool.Application, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.next[0]
	if len(l.next) > 1 {
		l.next = l.next[1:]
	}
	return f()
}

func apps(all ...workerpool.Application) *loader {
	l := &loader{}
	for _, a := range all {
		l.next = append(l.next, func() (workerpool.Application, error) { return a, nil })
	}
	return l
}

// bench is a running pool on a layer in memory. It records the messages that
// the pool sends to connections.
type bench struct {
	t       testing.TB
	layer   *store.Store
	pool    *workerpool.Pool
	stop    context.CancelFunc
	ended   chan struct{}
	mu      sync.Mutex
	replies map[string][]asgi.Message
	left    map[string]bool  // connections whose clients have left
	full    map[string]int64 // what the clients of full connections have read
}

// start runs a pool inside the bubble of a synctest.
func start(t testing.TB, l workerpool.Loader, o workerpool.Options) *bench {
	t.Helper()
	return startOn(t, direct, l, o)
}

func direct(l asgi.Layer) asgi.Layer { return l }

// startOn is start with a layer in front of the one in memory.
func startOn(t testing.TB, front func(asgi.Layer) asgi.Layer, l workerpool.Loader, o workerpool.Options) *bench {
	t.Helper()
	return startStore(t, store.Options{}, front, l, o)
}

// startStore is startOn with options of the layer in memory.
func startStore(t testing.TB, so store.Options, front func(asgi.Layer) asgi.Layer, l workerpool.Loader, o workerpool.Options) *bench {
	t.Helper()
	b := &bench{t: t, layer: store.Memory(so), replies: make(map[string][]asgi.Message), left: make(map[string]bool), full: make(map[string]int64), ended: make(chan struct{})}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	unbind, err := b.layer.Bind("front!", b.deliver)
	if err != nil {
		t.Fatal(err)
	}
	b.pool, err = workerpool.New(front(b.layer), l, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go func() {
		defer close(b.ended)
		if err := b.pool.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		stop()
		<-b.ended
		unbind()
		if err := b.layer.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	return b
}

func (b *bench) deliver(d asgi.Delivery) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.left[d.Channel]:
		return asgi.ErrGone
	case d.Probe:
		return nil
	}
	if read, full := b.full[d.Channel]; full && !d.Message.Has("abort") && !d.Message.Has("close") {
		return &asgi.ChannelFullError{Channel: d.Channel, Reason: "its client does not read", Read: func() int64 { return read }}
	}
	b.replies[d.Channel] = append(b.replies[d.Channel], d.Message)
	return nil
}

// leave makes the client of a connection leave.
func (b *bench) leave(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left["front!"+name] = true
}

// fill makes a connection full whose client has read n bytes.
func (b *bench) fill(name string, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.full["front!"+name] = n
}

// sent returns the messages sent to a connection.
func (b *bench) sent(name string) []asgi.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.replies["front!"+name]
}

// volatile sends a message as a protocol server does.
func (b *bench) volatile(channel, connection string, fields ...asgi.Field) {
	b.t.Helper()
	b.send(channel, connection, []asgi.SendOption{asgi.Volatile}, fields...)
}

func (b *bench) send(channel, connection string, opts []asgi.SendOption, fields ...asgi.Field) {
	b.t.Helper()
	if err := b.trySend(channel, connection, opts, fields...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) trySend(channel, connection string, opts []asgi.SendOption, fields ...asgi.Field) error {
	return b.layer.Send(context.Background(), asgi.NewCause(1), channel, message(connection, fields), opts...)
}

// message returns a message from a connection.
func message(connection string, fields []asgi.Field) asgi.Message {
	if connection != "" {
		fields = append(fields, asgi.Field{Key: "reply_channel", Value: "front!" + connection})
	}
	return asgi.MustMessage(fields...)
}

func order(n int) asgi.Field { return asgi.Field{Key: "order", Value: n} }

var okay = asgi.MustMessage(asgi.Field{Key: "status", Value: 200})

func reply(ctx context.Context, j *workerpool.Job) error {
	return j.Send(ctx, j.ReplyChannel(), okay)
}

// log records lines in order.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (l *log) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.lines...)
}

func (l *log) want(t testing.TB, want ...string) {
	t.Helper()
	if got := fmt.Sprint(l.all()); got != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMessagesOfOneConnectionAreHandledInOrderOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		a := &app{consumers: map[string]*consumer{}}
		for _, name := range []string{"websocket.connect", "websocket.receive", "websocket.disconnect"} {
			a.consumers[name] = &consumer{name: name, run: func(_ context.Context, j *workerpool.Job) error {
				l.add("+%d", j.Delivery.Message.Int("order"))
				time.Sleep(time.Second)
				l.add("-%d", j.Delivery.Message.Int("order"))
				return j.Send(context.Background(), j.ReplyChannel(), asgi.MustMessage(asgi.Field{Key: "accept", Value: true}))
			}}
		}
		b := start(t, apps(a), workerpool.Options{})
		b.volatile("websocket.connect", "a", order(0))
		for n := 1; n <= 3; n++ {
			b.volatile("websocket.receive", "a", order(n))
		}
		b.volatile("websocket.disconnect", "a", order(4))
		time.Sleep(10 * time.Second)
		l.want(t, "+0", "-0", "+1", "-1", "+2", "-2", "+3", "-3", "+4", "-4")
	})
}

func TestADisconnectDoesNotOvertakeEarlierMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		block := make(chan struct{})
		a := &app{consumers: map[string]*consumer{
			"http.request": {run: func(ctx context.Context, j *workerpool.Job) error { <-block; return reply(ctx, j) }},
		}}
		for _, name := range []string{"websocket.connect", "websocket.receive", "websocket.disconnect"} {
			a.consumers[name] = &consumer{name: name, run: func(_ context.Context, j *workerpool.Job) error {
				l.add("%d", j.Delivery.Message.Int("order"))
				return j.Send(context.Background(), j.ReplyChannel(), asgi.MustMessage(asgi.Field{Key: "accept", Value: true}))
			}}
		}
		b := start(t, apps(a), workerpool.Options{Workers: 1})
		b.volatile("http.request", "busy")
		synctest.Wait()
		for n := 1; n <= 50; n++ {
			b.volatile("websocket.receive", "other", order(n))
		}
		b.volatile("websocket.connect", "a", order(0))
		for n := 1; n <= 50; n++ {
			b.volatile("websocket.receive", "a", order(100+n))
		}
		b.volatile("websocket.disconnect", "a", order(151))
		close(block)
		synctest.Wait()
		var last int64 = -1
		for _, line := range l.all() {
			var n int64
			fmt.Sscan(line, &n)
			if n == 0 || n > 100 {
				if n < last {
					t.Fatalf("%d came after %d: %v", n, last, l.all())
				}
				last = n
			}
		}
		if len(l.all()) != 102 || last != 151 {
			t.Errorf("%d handled, the last %d", len(l.all()), last)
		}
	})
}

func TestAStuckHandlerDelaysOnlyItsOwnConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		a := on("websocket.receive", func(ctx context.Context, j *workerpool.Job) error {
			if j.Delivery.Message.Text("text") == "stick" {
				<-ctx.Done()
			}
			l.add("%s", j.ReplyChannel())
			return nil
		})
		b := start(t, apps(a), workerpool.Options{Workers: 2})
		b.volatile("websocket.receive", "stuck", order(1), asgi.Field{Key: "text", Value: "stick"})
		for n := 2; n < 10; n++ {
			b.volatile("websocket.receive", "stuck", order(n))
		}
		for n := 1; n < 4; n++ {
			b.volatile("websocket.receive", fmt.Sprintf("free%d", n), order(1))
		}
		synctest.Wait()
		l.want(t, "front!free1", "front!free2", "front!free3")
	})
}

func TestUnorderedRoutesDoNotKeepOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		a := &app{consumers: map[string]*consumer{"websocket.receive": {unordered: true, run: func(_ context.Context, j *workerpool.Job) error {
			time.Sleep(time.Duration(10-j.Delivery.Message.Int("order")) * time.Second)
			l.add("%d", j.Delivery.Message.Int("order"))
			return nil
		}}}}
		b := start(t, apps(a), workerpool.Options{})
		for n := 1; n <= 3; n++ {
			b.volatile("websocket.receive", "a", order(n))
		}
		time.Sleep(20 * time.Second)
		l.want(t, "3", "2", "1")
	})
}

func TestDurableMessagesStayInTheLayerUntilAWorkerIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		a := on("jobs", func(context.Context, *workerpool.Job) error { <-release; return nil })
		b := start(t, apps(a), workerpool.Options{Workers: 2})
		for range 5 {
			b.send("jobs", "", nil)
		}
		synctest.Wait()
		stats, _ := b.layer.ChannelStatistics(context.Background(), "jobs")
		if stats.MessagesPending != 3 {
			t.Errorf("%d are pending, want 3", stats.MessagesPending)
		}
		close(release)
		synctest.Wait()
		if stats, _ := b.layer.ChannelStatistics(context.Background(), "jobs"); stats.MessagesPending != 0 {
			t.Errorf("%d are still pending", stats.MessagesPending)
		}
	})
}

func TestConcurrencyLimitsARouteAndLeavesDurableMessagesInTheLayer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most, done := 0, 0, 0
		work := func(context.Context, *workerpool.Job) error {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			done++
			mu.Unlock()
			return nil
		}
		a := &app{
			consumers: map[string]*consumer{
				"jobs":         {limit: "j", run: work},
				"http.request": {run: reply},
			},
			limits: []workerpool.Limit{{Key: "j", Channel: "jobs", Max: 2}},
		}
		b := start(t, apps(a), workerpool.Options{Workers: 8})
		for range 10 {
			b.send("jobs", "", nil)
		}
		synctest.Wait()
		if stats, _ := b.layer.ChannelStatistics(context.Background(), "jobs"); stats.MessagesPending != 8 {
			t.Errorf("%d are pending in the layer, want 8", stats.MessagesPending)
		}
		b.volatile("http.request", "a")
		synctest.Wait()
		if len(b.sent("a")) != 1 {
			t.Error("a request waits behind jobs")
		}
		time.Sleep(6 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if most != 2 || done != 10 {
			t.Errorf("at most %d ran at once, %d are done", most, done)
		}
	})
}

func TestConcurrencyLimitHoldsAcrossAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most := 0, 0
		make := func() *app {
			return &app{
				consumers: map[string]*consumer{"http.request": {limit: "v", run: func(ctx context.Context, j *workerpool.Job) error {
					mu.Lock()
					running++
					most = max(most, running)
					mu.Unlock()
					time.Sleep(time.Second)
					mu.Lock()
					running--
					mu.Unlock()
					return reply(ctx, j)
				}}},
				limits: []workerpool.Limit{{Key: "v", Channel: "http.request", Max: 3}},
			}
		}
		b := start(t, apps(make(), make()), workerpool.Options{})
		for n := range 12 {
			b.volatile("http.request", fmt.Sprintf("c%d", n))
		}
		synctest.Wait()
		if _, err := b.pool.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		for n := range 12 {
			if len(b.sent(fmt.Sprintf("c%d", n))) != 1 {
				t.Errorf("request %d got no reply", n)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if most != 3 {
			t.Errorf("at most %d ran at once", most)
		}
	})
}

func TestWorkersLimitTheNumberOfRunningHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most := 0, 0
		a := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return reply(ctx, j)
		})
		b := start(t, apps(a), workerpool.Options{Workers: 3})
		for n := range 20 {
			b.volatile("http.request", fmt.Sprint("c", n))
		}
		time.Sleep(20 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if most != 3 {
			t.Errorf("at most %d ran at once, want 3", most)
		}
	})
}

func TestPanicsAndErrorsAreRepliedToAndTheWorkerContinues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &app{consumers: map[string]*consumer{}}
		for _, name := range []string{"http.request", "websocket.connect", "websocket.receive", "jobs"} {
			a.consumers[name] = &consumer{name: name, run: func(_ context.Context, j *workerpool.Job) error {
				if j.Delivery.Message.Text("how") == "panic" {
					panic("oh")
				}
				return errors.New("oh")
			}}
		}
		b := start(t, apps(a), workerpool.Options{Workers: 1})
		for _, how := range []string{"panic", "error"} {
			how := asgi.Field{Key: "how", Value: how}
			b.volatile("http.request", "h", how)
			b.volatile("websocket.connect", "c", how)
			b.volatile("websocket.receive", "r", how)
			b.send("jobs", "j", nil, how)
		}
		synctest.Wait()
		for _, m := range b.sent("h") {
			if abort, _ := m.Get("abort"); m.Int("status") != 500 || abort != true {
				t.Errorf("a request was sent %v", m)
			}
		}
		for _, m := range append(b.sent("c"), b.sent("r")...) {
			response, _ := m.Get("response")
			if m.Int("close") != 1011 || response.(asgi.Dict).Int("status") != 500 {
				t.Errorf("a socket was sent %v", m)
			}
		}
		if len(b.sent("h")) != 2 || len(b.sent("c")) != 2 || len(b.sent("r")) != 2 || len(b.sent("j")) != 0 {
			t.Errorf("%d %d %d %d replies", len(b.sent("h")), len(b.sent("c")), len(b.sent("r")), len(b.sent("j")))
		}
	})
}

func TestAHangingHandlerIsCancelledAndRepliedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		b := start(t, apps(a), workerpool.Options{HandlerTimeout: 10 * time.Second})
		b.volatile("http.request", "a")
		time.Sleep(9 * time.Second)
		if len(b.sent("a")) != 0 {
			t.Error("cancelled too early")
		}
		time.Sleep(3 * time.Second)
		if got := b.sent("a"); len(got) != 1 || got[0].Int("status") != 500 {
			t.Errorf("sent %v", got)
		}
	})
}

func TestAStreamDoesNotTimeOutWhileItSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		piece := asgi.MustMessage(asgi.Field{Key: "status", Value: 200}, asgi.Field{Key: "more_content", Value: true})
		a := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
			for range 10 {
				time.Sleep(5 * time.Second)
				if err := j.Send(ctx, j.ReplyChannel(), piece); err != nil || ctx.Err() != nil {
					return errors.Join(err, ctx.Err())
				}
			}
			return reply(ctx, j)
		})
		b := start(t, apps(a), workerpool.Options{HandlerTimeout: 10 * time.Second})
		b.volatile("http.request", "a")
		time.Sleep(time.Minute)
		if got := b.sent("a"); len(got) != 11 {
			t.Errorf("%d pieces came", len(got))
		}
	})
}

func TestAWorkerThatDoesNotStopIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		a := on("websocket.receive", func(ctx context.Context, j *workerpool.Job) error {
			if j.Delivery.Message.Int("order") == 1 {
				<-free
				return nil
			}
			return reply(ctx, j)
		})
		b := start(t, apps(a), workerpool.Options{Workers: 1, HandlerTimeout: 10 * time.Second})
		b.volatile("websocket.receive", "a", order(1))
		b.volatile("websocket.receive", "a", order(2))
		time.Sleep(20 * time.Second)
		if got := b.sent("a"); len(got) != 2 || got[0].Int("close") != 1011 || got[1].Int("status") != 200 {
			t.Errorf("sent %v", got)
		}
		close(free)
		synctest.Wait()
		b.volatile("websocket.receive", "b", order(2))
		synctest.Wait()
		if len(b.sent("b")) != 1 {
			t.Error("the pool does not continue")
		}
	})
}

func TestALoadErrorKeepsTheOldGeneration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := apps(on("http.request", reply))
		l.next = append(l.next, func() (workerpool.Application, error) { return nil, errors.New("broken") })
		b := start(t, l, workerpool.Options{})
		if _, err := b.pool.Reload(context.Background()); err == nil || err.Error() != "broken" {
			t.Errorf("got %v", err)
		}
		b.volatile("http.request", "a")
		synctest.Wait()
		if got := b.sent("a"); len(got) != 1 || got[0].Int("status") != 200 {
			t.Errorf("sent %v", got)
		}
		if got := b.pool.Current().Number; got != 1 {
			t.Errorf("generation %d is current", got)
		}
	})
}

func TestABrokenFirstLoadServesTheErrorUntilItIsFixed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loader{next: []func() (workerpool.Application, error){
			func() (workerpool.Application, error) { return nil, errors.New("broken") },
			func() (workerpool.Application, error) { panic("while loading") },
			func() (workerpool.Application, error) { return on("http.request", reply), nil },
		}}
		b := start(t, l, workerpool.Options{})
		b.send("jobs", "", nil)
		b.volatile("http.request", "a")
		b.volatile("websocket.connect", "b")
		synctest.Wait()
		if got := b.sent("a"); len(got) != 1 || got[0].Int("status") != 500 {
			t.Errorf("a request: %v", got)
		}
		if got := b.sent("b"); len(got) != 1 || got[0].Int("close") != 1011 {
			t.Errorf("a handshake: %v", got)
		}
		if _, err := b.pool.Reload(context.Background()); err == nil {
			t.Error("a panic while loading is not an error")
		}
		if _, err := b.pool.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		b.volatile("http.request", "c")
		synctest.Wait()
		if got := b.sent("c"); len(got) != 1 || got[0].Int("status") != 200 {
			t.Errorf("a request: %v", got)
		}
	})
}

func TestTheOldGenerationFinishesItsMessagesWhileTheNewOneTakesNewMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		old := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
			time.Sleep(5 * time.Second)
			l.add("old %v", ctx.Err())
			return reply(ctx, j)
		})
		old.closed = func() { l.add("closed") }
		fresh := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
			l.add("new %d", j.Generation())
			return reply(ctx, j)
		})
		b := start(t, apps(old, fresh), workerpool.Options{Workers: 1})
		b.volatile("http.request", "a")
		synctest.Wait()
		if _, err := b.pool.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		b.volatile("http.request", "b")
		time.Sleep(time.Minute)
		l.want(t, "new 2", "old <nil>", "closed")
	})
}

func TestOldHandlersAreCancelledAfterTheGracePeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		began := time.Now()
		old := on("http.request", func(ctx context.Context, _ *workerpool.Job) error {
			<-ctx.Done()
			l.add("cancelled after %v", time.Since(began).Round(time.Second))
			return context.Cause(ctx)
		})
		old.closed = func() { l.add("closed") }
		b := start(t, apps(old, on("http.request", reply)), workerpool.Options{Grace: 8 * time.Second})
		b.volatile("http.request", "a")
		synctest.Wait()
		if _, err := b.pool.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		l.want(t, "cancelled after 8s", "closed")
	})
}

func TestOrderHoldsAcrossAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		version := func(name string) *app {
			return on("websocket.receive", func(_ context.Context, j *workerpool.Job) error {
				time.Sleep(time.Second)
				l.add("%s%d", name, j.Delivery.Message.Int("order"))
				return nil
			})
		}
		b := start(t, apps(version("a"), version("b")), workerpool.Options{})
		for n := 1; n <= 3; n++ {
			b.volatile("websocket.receive", "s", order(n))
		}
		synctest.Wait()
		if _, err := b.pool.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		l.want(t, "a1", "b2", "b3")
	})
}

func TestALoopDoesNotOvertakeTheRoutesBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		handle := func(took time.Duration) func(context.Context, *workerpool.Job) error {
			return func(ctx context.Context, j *workerpool.Job) error {
				time.Sleep(took)
				l.add("%s%d", j.ReplyChannel(), j.Delivery.Message.Int("order"))
				return nil
			}
		}
		b := start(t, apps(on("websocket.receive", handle(500*time.Millisecond)), &program{&app{}, handle(0)}), workerpool.Options{Workers: 1})
		for n := range 4 {
			b.volatile("websocket.receive", "s", order(n))
		}
		synctest.Wait()
		if _, err := b.pool.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		for n := range 3 {
			b.volatile("websocket.receive", "s", order(4+n))
		}
		b.volatile("http.request", "r", order(1)) // does not wait
		time.Sleep(time.Minute)
		l.want(t, "front!r1", "front!s0", "front!s1", "front!s2", "front!s3", "front!s4", "front!s5", "front!s6")
	})
}

func TestAHangingHandlerDoesNotKeepALoopFromWebSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		hang := on("websocket.receive", func(ctx context.Context, _ *workerpool.Job) error { <-ctx.Done(); return ctx.Err() })
		loop := &program{&app{}, func(_ context.Context, j *workerpool.Job) error { l.add("%s", j.ReplyChannel()); return nil }}
		b := start(t, apps(hang, loop), workerpool.Options{Grace: time.Second})
		b.volatile("websocket.receive", "hanging", order(1))
		synctest.Wait()
		if _, err := b.pool.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.volatile("websocket.receive", "other", order(1))
		time.Sleep(2 * time.Second)
		l.want(t, "front!other")
	})
}

func TestDrainLeavesDurableMessagesAndHandlesOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		a := on("jobs", func(context.Context, *workerpool.Job) error { l.add("job"); return nil })
		a.consumers["http.request"] = &consumer{run: reply}
		b := start(t, apps(a), workerpool.Options{})
		b.pool.Drain()
		synctest.Wait()
		b.send("jobs", "", nil)
		b.volatile("http.request", "a")
		synctest.Wait()
		l.want(t)
		if len(b.sent("a")) != 1 {
			t.Error("the request was not handled")
		}
	})
}

func TestShutdownHandlesQueuedMessagesThenStopsTheApplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		a := on("websocket.disconnect", func(_ context.Context, j *workerpool.Job) error {
			time.Sleep(100 * time.Millisecond)
			l.add("disconnect")
			return nil
		})
		a.stopped = func() { l.add("stopped") }
		a.closed = func() { l.add("closed") }
		b := start(t, apps(a), workerpool.Options{Workers: 1})
		for n := range 3 {
			b.volatile("websocket.disconnect", fmt.Sprint(n), order(1))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		b.pool.Shutdown(ctx)
		<-b.ended
		l.want(t, "disconnect", "disconnect", "disconnect", "stopped", "closed")
		if _, err := b.pool.Reload(context.Background()); !errors.Is(err, workerpool.ErrClosed) {
			t.Errorf("Reload after Shutdown: %v", err)
		}
	})
}

// slow is a loader whose loads, except the first, last until their context is
// done.
type slow struct{ loads int }

func (l *slow) Load(ctx context.Context, _ uint64) (workerpool.Application, error) {
	if l.loads++; l.loads == 1 {
		return on("http.request", reply), nil
	}
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func TestShutdownCancelsALoadInProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, &slow{}, workerpool.Options{})
		began := time.Now()
		done := make(chan error)
		go func() {
			_, err := b.pool.Reload(context.Background())
			done <- err
		}()
		synctest.Wait()
		b.pool.Shutdown(context.Background())
		if err := <-done; !errors.Is(err, workerpool.ErrClosed) || time.Since(began) > 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestALoadThatTakesTooLongFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, &slow{}, workerpool.Options{LoadTimeout: 5 * time.Second})
		if _, err := b.pool.Reload(context.Background()); err == nil || err.Error() != "loading took longer than 5s" {
			t.Errorf("got %v", err)
		}
	})
}

func TestShutdownCancelsHandlersThatDoNotEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		defer close(stuck)
		a := on("http.request", func(ctx context.Context, _ *workerpool.Job) error { <-ctx.Done(); return nil })
		a.consumers["websocket.receive"] = &consumer{run: func(context.Context, *workerpool.Job) error { <-stuck; return nil }}
		b := start(t, apps(a), workerpool.Options{})
		b.volatile("http.request", "a")
		b.volatile("websocket.receive", "b", order(1))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		b.pool.Shutdown(ctx)
		<-b.ended
	})
}

func TestClocksTickOncePerIntervalAcrossReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		tick := asgi.MustMessage(asgi.Field{Key: "n", Value: 1})
		a := on("ticks", func(context.Context, *workerpool.Job) error { l.add("tick"); return nil })
		a.clocks = []workerpool.Clock{{Every: 10 * time.Second, Channel: "ticks", Content: tick}}
		same := *a
		b := start(t, apps(a, &same), workerpool.Options{})
		for range 9 { // a reload does not restart the interval
			time.Sleep(4 * time.Second)
			if _, err := b.pool.Reload(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		l.want(t, "tick", "tick", "tick")
	})
}

func TestClocksSendNothingWhileAMessageIsUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		a := on("ticks", func(context.Context, *workerpool.Job) error { return nil })
		a.consumers["http.request"] = &consumer{run: func(context.Context, *workerpool.Job) error { <-release; return nil }}
		a.clocks = []workerpool.Clock{{Every: time.Second, Channel: "ticks"}}
		b := start(t, apps(a), workerpool.Options{Workers: 1, NoWatchdog: true})
		b.volatile("http.request", "a")
		time.Sleep(20 * time.Second)
		if stats, _ := b.layer.ChannelStatistics(context.Background(), "ticks"); stats.MessagesPending != 1 {
			t.Errorf("%d are pending", stats.MessagesPending)
		}
		close(release)
	})
}

func TestOnlyAndExcludeChannelsSelectTheChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		a := &app{consumers: map[string]*consumer{}}
		for _, name := range []string{"http.request", "jobs.big", "jobs.small", "other"} {
			a.consumers[name] = &consumer{run: func(_ context.Context, j *workerpool.Job) error {
				l.add("%s", j.Delivery.Channel)
				return nil
			}}
		}
		b := start(t, apps(a), workerpool.Options{OnlyChannels: []string{"jobs.*"}, ExcludeChannels: []string{"*.big"}})
		b.volatile("http.request", "")
		for _, name := range []string{"jobs.big", "jobs.small", "other"} {
			b.send(name, "", nil)
		}
		synctest.Wait()
		l.want(t, "jobs.small")
	})
}

func TestBadChannelPatternsAreRefused(t *testing.T) {
	layer := store.Memory(store.Options{})
	defer layer.Close(context.Background())
	if _, err := workerpool.New(layer, apps(), workerpool.Options{OnlyChannels: []string{"[a"}}); err == nil {
		t.Error("a bad pattern was accepted")
	}
}

func TestAVolatileMessageStaysVolatileWhenPutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		began := time.Now()
		a := on("http.request", func(ctx context.Context, j *workerpool.Job) error {
			l.add("%v %v", time.Since(began), j.Delivery.Volatile)
			if time.Since(began) > 3*time.Second {
				return reply(ctx, j)
			}
			return j.PutBack(ctx, 2*time.Second, "http.request", j.Delivery.Message)
		})
		b := start(t, apps(a), workerpool.Options{})
		b.volatile("http.request", "a")
		time.Sleep(10 * time.Second)
		l.want(t, "0s true", "2s true", "4s true")
		if len(b.sent("a")) != 1 {
			t.Errorf("sent %v", b.sent("a"))
		}
		b.volatile("http.request", "b")
	})
}

// TestADurableMessageHasNoLane sends work that names the connection to reply to.
func TestADurableMessageHasNoLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, apps(on("work", reply)), workerpool.Options{})
		for n := range 100 {
			b.send("work", fmt.Sprint("c", n), nil)
		}
		synctest.Wait()
		if n := b.pool.Lanes(); n != 0 {
			t.Errorf("%d lanes are left", n)
		}
	})
}

func TestLanesOfEndedConnectionsAreDeleted(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a := on("websocket.receive", reply)
			a.consumers["websocket.disconnect"] = &consumer{unordered: unordered, run: func(context.Context, *workerpool.Job) error { return nil }}
			b := start(t, apps(a), workerpool.Options{})
			for n := range 100 {
				name := fmt.Sprint("c", n)
				b.volatile("http.request", name)
				b.volatile("websocket.connect", name, order(0))
				b.volatile("websocket.receive", name, order(1))
			}
			synctest.Wait()
			if n := b.pool.Lanes(); n != 100 {
				t.Errorf("%d open sockets have a lane, want 100", n)
			}
			for n := range 100 {
				b.volatile("websocket.disconnect", fmt.Sprint("c", n), order(2))
			}
			synctest.Wait()
			if n := b.pool.Lanes(); n != 0 {
				t.Errorf("%d ended sockets have a lane (unordered: %v)", n, unordered)
			}
		})
	}
}

func TestAFrameThatIsPutBackLeavesNoLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		frames := 0
		a := on("websocket.receive", func(ctx context.Context, j *workerpool.Job) error {
			if frames++; frames > 1 {
				return nil
			}
			return j.ConsumeLater(ctx)
		})
		a.consumers["websocket.disconnect"] = &consumer{run: func(context.Context, *workerpool.Job) error { return nil }}
		b := start(t, apps(a), workerpool.Options{})
		b.volatile("websocket.receive", "a", order(1))
		synctest.Wait()
		b.volatile("websocket.disconnect", "a", order(2))
		time.Sleep(time.Second)
		if n := b.pool.Lanes(); frames != 2 || n != 0 {
			t.Errorf("the frame was handled %d times; %d ended sockets have a lane", frames, n)
		}
	})
}

func TestARaisedLimitAppliesToWaitingMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limited := func(most int) *app {
			return &app{
				consumers: map[string]*consumer{"http.request": {limit: "v", run: func(ctx context.Context, j *workerpool.Job) error {
					time.Sleep(time.Second)
					return reply(ctx, j)
				}}},
				limits: []workerpool.Limit{{Key: "v", Channel: "http.request", Max: most}},
			}
		}
		b := start(t, apps(limited(1), limited(10)), workerpool.Options{})
		for n := range 9 {
			b.volatile("http.request", fmt.Sprint("c", n))
		}
		synctest.Wait()
		if _, err := b.pool.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		for n := range 9 {
			if len(b.sent(fmt.Sprint("c", n))) != 1 {
				t.Errorf("request %d still waits", n)
			}
		}
	})
}

func TestLoadedReceivesTheReasonForEachLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		apps := apps(on("http.request", reply))
		apps.next = append(apps.next, func() (workerpool.Application, error) { return nil, errors.New("broken") })
		b := start(t, apps, workerpool.Options{Loaded: func(g workerpool.Generation, changed []string, err error) {
			l.add("%d %s %q %v", g.Number, g.Kind, changed, err)
		}})
		_, _ = b.pool.Reload(t.Context(), "app.star", "lib.star")
		l.want(t, "1 routed [] <nil>", `2 broken ["app.star" "lib.star"] broken`)
	})
}
