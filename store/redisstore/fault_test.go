package redisstore

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"asgibox/asgi"
)

// numbered returns a message with a number.
func numbered(n int) asgi.Message { return asgi.MustMessage(asgi.Field{Key: "n", Value: n}) }

// eventually waits until a condition holds, and fails the test if it takes very
// long.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after a minute: %s", what)
		}
	}
}

func TestCallsFailAtOnceWhileRedisIsGoneAndResume(t *testing.T) {
	t.Parallel()
	needServer(t)
	s := startServer(t)
	log := &lines{}
	l := open(t, s, Options{Log: log.logger()})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	received := make(chan asgi.Delivery, 1)
	go func() {
		d, err := l.Receive(ctx, nil, "c")
		if err != nil {
			t.Error(err)
		}
		received <- d
	}()
	s.kill()
	eventually(t, "the host counts as gone", func() bool {
		_ = l.Send(ctx, nil, "d", numbered(0))
		return !l.Up()
	})
	began := time.Now()
	for range 1000 {
		if err := l.Send(ctx, nil, "c", numbered(0)); !errors.Is(err, asgi.ErrStoreFailed) {
			t.Fatalf("send: %v, want StoreFailed", err)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("1,000 calls took %v; they must fail at once", took)
	}
	if _, ok, err := l.Poll(ctx, nil, "c"); ok || err != nil {
		t.Errorf("poll: %v, %v; want nothing", ok, err)
	}
	if err := l.GroupLeave(ctx, nil, "x!y"); err != nil {
		t.Errorf("leaving groups waits for Redis: %v", err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a send succeeds", func() bool { return l.Send(ctx, nil, "c", numbered(7)) == nil })
	if d := <-received; d.Message.Int("n") != 7 {
		t.Errorf("received %d, want 7", d.Message.Int("n"))
	}
	if l.Reconnects() == 0 {
		t.Error("no lost connection was counted")
	}
	eventually(t, "the log says that Redis is back", func() bool { return log.count("Redis is back") == 1 })
	if n := log.count("Redis has gone"); n != 1 {
		t.Errorf("the log says %d times that Redis has gone:\n%s", n, log)
	}
}

// A load sends and receives numbered messages and notes what became of them.
type load struct {
	t     testing.TB
	layer *Layer

	mu    sync.Mutex // guards the rest
	acked map[int64]bool
	seen  map[int64]int
}

func newLoad(t testing.TB, l *Layer) *load {
	return &load{t: t, layer: l, acked: map[int64]bool{}, seen: map[int64]int{}}
}

// send sends until ctx ends. A send that fails may or may not have been made.
func (w *load) send(ctx context.Context, from int64) {
	for n := from; ctx.Err() == nil; n++ {
		err := w.layer.Send(context.Background(), nil, "c", numbered(int(n)))
		w.mu.Lock()
		if err == nil {
			w.acked[n] = true
		}
		w.mu.Unlock()
		if err != nil {
			time.Sleep(time.Millisecond)
		}
	}
}

// receive receives until ctx ends.
func (w *load) receive(ctx context.Context) {
	for {
		d, err := w.layer.Receive(ctx, nil, "c")
		if err != nil {
			return
		}
		w.mu.Lock()
		w.seen[d.Message.Int("n")]++
		w.mu.Unlock()
	}
}

// lost returns how many acknowledged messages were not received, and fails the
// test if one was received twice.
func (w *load) lost() (lost int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := range w.acked {
		if w.seen[n] == 0 {
			lost++
		}
	}
	for n, times := range w.seen {
		if times > 1 {
			w.t.Errorf("message %d was received %d times", n, times)
		}
	}
	return lost
}

func TestRestartUnderLoadLosesOnlyWhatIsInHand(t *testing.T) {
	t.Parallel()
	needServer(t)
	s := startServer(t, "--appendonly", "yes", "--appendfsync", "always")
	l := open(t, s, Options{Capacity: 1_000_000})
	const readers, restarts = 4, 2
	w := newLoad(t, l)
	sending, stopSending := context.WithCancel(t.Context())
	receiving, stopReceiving := context.WithCancel(t.Context())
	var senders, receivers sync.WaitGroup
	for i := range int64(4) {
		senders.Go(func() { w.send(sending, i<<32) })
	}
	for range readers {
		receivers.Go(func() { w.receive(receiving) })
	}
	for range restarts {
		time.Sleep(200 * time.Millisecond) // of load
		s.kill()
		time.Sleep(100 * time.Millisecond)
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "a send succeeds", func() bool { return l.Send(t.Context(), nil, "other", numbered(0)) == nil })
	stopSending()
	senders.Wait()
	eventually(t, "all messages are received", func() bool {
		stats, err := l.ChannelStatistics(t.Context(), "c")
		return err == nil && stats.MessagesPending == 0
	})
	eventually(t, "all are received but those that were in hand", func() bool { return w.lost() <= readers*restarts })
	stopReceiving()
	receivers.Wait()
	t.Logf("%d acknowledged, %d received, %d lost", len(w.acked), len(w.seen), w.lost())
}

func TestNoAcknowledgedMessageThatRedisKeptIsLost(t *testing.T) {
	t.Parallel()
	needServer(t)
	s := startServer(t, "--appendonly", "yes", "--appendfsync", "always")
	l := open(t, s, Options{Capacity: 1_000_000})
	w := newLoad(t, l)
	sending, stop := context.WithCancel(t.Context())
	var senders sync.WaitGroup
	for i := range int64(4) {
		senders.Go(func() { w.send(sending, i<<32) })
	}
	time.Sleep(200 * time.Millisecond) // of load
	s.kill()
	stop()
	senders.Wait()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	receiving, stopReceiving := context.WithCancel(t.Context())
	var receivers sync.WaitGroup
	receivers.Go(func() { w.receive(receiving) })
	eventually(t, "all acknowledged messages are received", func() bool { return w.lost() == 0 })
	stopReceiving()
	receivers.Wait()
	if len(w.acked) == 0 {
		t.Error("no message was acknowledged")
	}
}

func TestConnectionsCutAtRandomDeliverNothingTwice(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	p := startProxy(t, s)
	l := open(t, s, Options{Hosts: []Host{p.host()}, Capacity: 1_000_000})
	const readers, cuts = 4, 20
	w := newLoad(t, l)
	sending, stopSending := context.WithCancel(t.Context())
	receiving, stopReceiving := context.WithCancel(t.Context())
	var senders, receivers sync.WaitGroup
	for i := range int64(2) {
		senders.Go(func() { w.send(sending, i<<32) })
	}
	for range readers {
		receivers.Go(func() { w.receive(receiving) })
	}
	for range cuts {
		time.Sleep(20 * time.Millisecond) // of load
		p.cut()
	}
	stopSending()
	senders.Wait()
	eventually(t, "all messages are received", func() bool {
		stats, err := l.ChannelStatistics(t.Context(), "c")
		return err == nil && stats.MessagesPending == 0
	})
	eventually(t, "all are received but those that were in hand", func() bool { return w.lost() <= readers*cuts })
	stopReceiving()
	receivers.Wait()
	t.Logf("%d acknowledged, %d received, %d lost", len(w.acked), len(w.seen), w.lost())
}

func TestRedisThatHangsCountsAsGone(t *testing.T) {
	t.Parallel()
	needServer(t)
	s := startServer(t)
	l := open(t, s, Options{})
	c := s.client(t)
	asleep := make(chan error, 1)
	go func() { asleep <- c.Do(context.Background(), "client", "pause", "8000", "all").Err() }()
	if err := <-asleep; err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	received := make(chan error, 1)
	go func() {
		_, err := l.Receive(ctx, nil, "c")
		received <- err
	}()
	if err := l.Send(t.Context(), nil, "d", numbered(1)); !errors.Is(err, asgi.ErrStoreFailed) {
		t.Errorf("send: %v, want StoreFailed", err)
	}
	eventually(t, "the host counts as gone", func() bool { return !l.Up() })
	cancel()
	if err := <-received; !errors.Is(err, context.Canceled) {
		t.Errorf("receive: %v, want canceled", err)
	}
	eventually(t, "a send succeeds", func() bool { return l.Send(t.Context(), nil, "d", numbered(2)) == nil })
}

// TestALayerClosesSoonWhileRedisHangs checks that neither a receive that ends nor the
// end of a binding nor Close waits long for replies.
func TestALayerClosesSoonWhileRedisHangs(t *testing.T) {
	t.Parallel()
	needServer(t)
	s := startServer(t)
	l := open(t, s, Options{})
	unbind, err := l.Bind("x!", func(asgi.Delivery) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	received := make(chan error, 1)
	go func() {
		_, err := l.Receive(ctx, nil, "c")
		received <- err
	}()
	eventually(t, "the receive waits", func() bool {
		l.hosts[0].reader.mu.Lock()
		defer l.hosts[0].reader.mu.Unlock()
		return l.hosts[0].reader.round != nil
	})
	if err := s.client(t).Do(t.Context(), "client", "pause", "60000", "all").Err(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	cancel()
	if err := <-received; !errors.Is(err, context.Canceled) {
		t.Errorf("receive: %v, want canceled", err)
	}
	unbind()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestAnErrorSaysWhetherTheCallMayHaveBeenMade(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	p := startProxy(t, s)
	l := open(t, s, Options{Hosts: []Host{p.host()}})
	ctx := t.Context()
	p.setMute(true)
	if err := l.Send(ctx, nil, "c", numbered(1)); !errors.Is(err, asgi.ErrStoreFailed) || !errors.Is(err, asgi.ErrUncertain) {
		t.Errorf("no reply to a send: %v", err)
	}
	_ = p.listener.Close()
	p.cut()
	if err := l.Send(ctx, nil, "c", numbered(2)); !errors.Is(err, asgi.ErrStoreFailed) || errors.Is(err, asgi.ErrUncertain) {
		t.Errorf("no connection for a send: %v", err)
	}
	waiting, err := s.client(t).LLen(ctx, l.opts.Prefix+"c").Result()
	if err != nil || waiting != 1 {
		t.Errorf("%d messages wait, %v; want the first one", waiting, err)
	}
	h, ping := l.hosts[0], redis.NewCmd(ctx, "ping")
	if h.exec([]*redis.Cmd{ping}); !errors.Is(h.failed(ping.Err()), asgi.ErrStoreFailed) || errors.Is(h.failed(ping.Err()), asgi.ErrUncertain) {
		t.Errorf("a connection that cannot be opened: %v", ping.Err())
	}
}

func TestFullMemoryIsChannelFull(t *testing.T) {
	t.Parallel()
	needServer(t)
	s := startServer(t)
	log := &lines{}
	l := open(t, s, Options{Log: log.logger()})
	ctx, c := t.Context(), s.client(t)
	if err := errors.Join(l.Send(ctx, nil, "c", numbered(1)), l.GroupAdd(ctx, nil, "g", "c"), l.Set(ctx, nil, "k", int64(1), 0)); err != nil {
		t.Fatal(err)
	}
	if err := c.ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.Send(ctx, nil, "c", numbered(2)); !errors.Is(err, asgi.ErrChannelFull) {
			t.Errorf("send: %v, want ChannelFull", err)
		}
	}
	if err := l.SendLater(ctx, nil, time.Now(), "c", numbered(2)); !errors.Is(err, asgi.ErrChannelFull) {
		t.Errorf("send later: %v, want ChannelFull", err)
	}
	if err := l.Set(ctx, nil, "k", "v", 0); !errors.Is(err, asgi.ErrStateFull) {
		t.Errorf("set: %v, want StateFull", err)
	}
	if _, err := l.Incr(ctx, nil, "k", 1); !errors.Is(err, asgi.ErrStateFull) {
		t.Errorf("incr: %v, want StateFull", err)
	}
	if n := log.count("maxmemory"); n != 1 {
		t.Errorf("%d lines say that the memory is full:\n%s", n, log)
	}
	if d, err := l.Receive(ctx, nil, "c"); err != nil || d.Message.Int("n") != 1 {
		t.Errorf("received %v, %v", d.Message, err)
	}
	if !l.Up() {
		t.Error("the host counts as gone")
	}
	if err := c.ConfigSet(ctx, "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if err := l.Send(ctx, nil, "c", numbered(3)); err != nil {
		t.Error(err)
	}
}

func TestScriptsAreLoadedAgain(t *testing.T) {
	t.Parallel()
	needServer(t)
	s := startServer(t)
	l := open(t, s, Options{})
	ctx, c := t.Context(), s.client(t)
	var senders sync.WaitGroup
	var sent atomic.Int64
	for range 4 {
		senders.Go(func() {
			for range 50 {
				if err := l.Send(ctx, nil, "c", numbered(1)); err != nil {
					t.Error(err)
				}
				sent.Add(1)
			}
		})
	}
	for range 20 {
		if err := c.ScriptFlush(ctx).Err(); err != nil {
			t.Error(err)
		}
	}
	senders.Wait()
	for range 200 {
		if err := c.ScriptFlush(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Receive(ctx, nil, "c"); err != nil {
			t.Fatal(err)
		}
	}
	if d, ok, err := l.Poll(ctx, nil, "c"); ok || err != nil {
		t.Errorf("one more message: %v, %v", d.Message, err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	needServer(t)
	s := startServer(t, "--requirepass", "right")
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := gone.Addr().String()
	_ = gone.Close()
	for _, c := range []struct {
		place       Host
		say         string
		unreachable bool
	}{
		{Host{Network: "unix", Address: s.socket, Password: "wrong-secret"}, "WRONGPASS", false},
		{Host{Network: "unix", Address: s.socket}, "NOAUTH", false},
		{Host{Network: "tcp", Address: address, Password: "wrong-secret"}, "refused", true},
		{Host{Network: "unix", Address: s.socket + "-none"}, "no such file", true},
	} {
		_, err := Open(t.Context(), Options{Hosts: []Host{c.place}})
		if err == nil {
			t.Errorf("%s was opened", c.place)
			continue
		}
		text := err.Error()
		if !strings.Contains(text, c.say) || strings.Contains(text, "secret") || strings.Contains(text, "\n") {
			t.Errorf("the error must be one line with %q and no password: %s", c.say, text)
		}
		if errors.Is(err, ErrUnreachable) != c.unreachable {
			t.Errorf("%s: unreachable is %v, want %v", text, !c.unreachable, c.unreachable)
		}
	}
	replica := startServer(t, "--replicaof", "127.0.0.1 1")
	if _, err := Open(t.Context(), Options{Hosts: []Host{replica.host()}}); err == nil || !strings.Contains(err.Error(), "replica") {
		t.Errorf("a replica: %v", err)
	}
	log := &lines{}
	open(t, startServer(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"), Options{Log: log.logger()})
	if log.count("noeviction") != 1 {
		t.Errorf("no warning about the policy:\n%s", log)
	}
	if !before("6.0.16", 6, 2) || before("6.2.0", 6, 2) || before("7.0.15", 6, 2) {
		t.Error("versions are compared wrongly")
	}
}

func TestKeyOfAnotherTypeDoesNotStopOtherChannels(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	log := &lines{}
	l := open(t, s, Options{Log: log.logger()})
	ctx, c := t.Context(), s.client(t)
	if err := c.Set(ctx, l.opts.Prefix+"bad", "text", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	if err := l.Send(ctx, nil, "bad", numbered(1)); !errors.Is(err, asgi.ErrStoreFailed) {
		t.Errorf("send: %v, want StoreFailed", err)
	}
	received := make(chan asgi.Delivery, 1)
	go func() {
		d, err := l.Receive(ctx, nil, "bad", "good")
		if err != nil {
			t.Error(err)
		}
		received <- d
	}()
	if err := l.Send(ctx, nil, "good", numbered(2)); err != nil {
		t.Fatal(err)
	}
	if d := <-received; d.Message.Int("n") != 2 {
		t.Errorf("received %v", d.Message)
	}
	if err := l.Send(ctx, nil, "good", numbered(3)); err != nil {
		t.Fatal(err)
	}
	if d, ok, err := l.Poll(ctx, nil, "bad", "good"); !ok || d.Message.Int("n") != 3 {
		t.Errorf("polled %v, %v, %v", d.Message, ok, err)
	}
	if log.count("wrong type") == 0 {
		t.Errorf("no line says it:\n%s", log)
	}
}

func TestIdleLayerSendsFewCommands(t *testing.T) {
	t.Parallel()
	needServer(t)
	s := startServer(t)
	l := open(t, s, Options{})
	unbind, err := l.Bind("x!", func(asgi.Delivery) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer unbind()
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 16 {
		readers.Go(func() { _, _ = l.Receive(ctx, nil, "c", "d") })
	}
	c := s.client(t)
	commands := func() int {
		n, err := strconv.Atoi(parseInfo(c.Info(t.Context(), "stats").Val())["total_commands_processed"])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	time.Sleep(time.Second) // for the start
	before, began := commands(), time.Now()
	time.Sleep(6 * time.Second)
	rate := float64(commands()-before) / time.Since(began).Seconds()
	if rate >= 15 {
		t.Errorf("%.1f commands a second", rate)
	}
	t.Logf("%.1f commands a second", rate)
	cancel()
	readers.Wait()
}
