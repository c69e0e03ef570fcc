package load

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// serveSockets serves WebSockets with a handler and returns their server.
func serveSockets(t *testing.T, handle func(ctx context.Context, c *websocket.Conn)) *Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		handle(r.Context(), c)
	}))
	t.Cleanup(s.Close)
	return resolve(t, "ws"+strings.TrimPrefix(s.URL, "http"))
}

// echo writes the messages that it reads.
func echo(ctx context.Context, c *websocket.Conn) {
	for {
		kind, data, err := c.Read(ctx)
		if err != nil || c.Write(ctx, kind, data) != nil {
			return
		}
	}
}

func TestEchoesOfEveryLength(t *testing.T) {
	server := serveSockets(t, echo)
	for _, n := range []int{1, 125, 126, 4096, 65535, 65536, 200_000} {
		c := server.Echo(nil, strings.Repeat("x", n))()
		for range 2 {
			if _, err := c.Do(t.Context()); err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
		}
		c.Close()
	}
}

func TestOnlyTheSameTextIsTheEcho(t *testing.T) {
	server := serveSockets(t, func(ctx context.Context, c *websocket.Conn) {
		for _, text := range []string{"welcome", "ab", "abcd", "abc"} {
			if c.Write(ctx, websocket.MessageText, []byte(text)) != nil {
				return
			}
		}
		echo(ctx, c)
	})
	socket := server.Sockets(nil, "abc")()
	defer socket.Close()
	if _, err := socket.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestATextThatDoesNotComeBackIsATimeout(t *testing.T) {
	server := serveSockets(t, func(ctx context.Context, c *websocket.Conn) {
		_ = c.Write(ctx, websocket.MessageText, []byte("something else"))
		_, _, _ = c.Read(ctx)
		_, _, _ = c.Read(ctx)
	})
	c := server.Sockets(nil, "abc")()
	defer c.Close()
	if err := c.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.r.Peek(1); err != nil { // the message is there
		t.Fatal(err)
	}
	server.Timeout = 20 * time.Millisecond
	_, err := c.Do(t.Context())
	if KindOf(err) != Timeout || !strings.Contains(err.Error(), "something else") {
		t.Errorf("%q: %v", KindOf(err), err)
	}
}

func TestPingsAndFragmentsBeforeTheEcho(t *testing.T) {
	server := serveSockets(t, func(ctx context.Context, c *websocket.Conn) {
		ctx = c.CloseRead(ctx)
		if err := c.Ping(ctx); err != nil { // waits for the pong
			return
		}
		w, err := c.Writer(ctx, websocket.MessageText)
		if err != nil {
			return
		}
		_, _ = w.Write([]byte(strings.Repeat("x", 40_000)))
		_, _ = w.Write([]byte(strings.Repeat("y", 40_000)))
		_ = w.Close()
		<-ctx.Done()
	})
	c := server.Sockets(nil, strings.Repeat("x", 40_000)+strings.Repeat("y", 40_000))()
	defer c.Close()
	if err := c.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.receive(); err != nil || string(c.message) != string(c.text) {
		t.Errorf("%d bytes, %v", len(c.message), err)
	}
}

func TestASocketThatTheServerClosesIsAFailureWithItsCode(t *testing.T) {
	server := serveSockets(t, func(ctx context.Context, c *websocket.Conn) {
		_, _, _ = c.Read(ctx)
		_ = c.Close(4321, "enough")
	})
	c := server.Echo(nil, "abc")()
	defer c.Close()
	for range 2 { // the second time on a new connection
		_, err := c.Do(t.Context())
		if KindOf(err) != Closed || !strings.Contains(err.Error(), "4321 enough") {
			t.Errorf("%q: %v", KindOf(err), err)
		}
	}
}

func TestARefusedHandshake(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	err := resolve(t, "ws"+strings.TrimPrefix(s.URL, "http")).Echo(nil, "abc")().Connect(t.Context())
	if KindOf(err) != Handshake || !strings.Contains(err.Error(), "404") {
		t.Errorf("%q: %v", KindOf(err), err)
	}
}

// hub sends each message to all sockets except those that lose it.
type hub struct {
	mu    sync.Mutex
	conns []*websocket.Conn
	seen  int // messages
	lost  int // of seen messages
	loses func(member, message int) bool
}

func (h *hub) handle(ctx context.Context, c *websocket.Conn) {
	h.mu.Lock()
	h.conns = append(h.conns, c)
	h.mu.Unlock()
	for {
		kind, data, err := c.Read(ctx)
		if err != nil {
			return
		}
		h.mu.Lock()
		h.seen++
		for i, member := range h.conns {
			if h.loses != nil && h.loses(i, h.seen) {
				h.lost++
			} else {
				_ = member.Write(ctx, kind, data)
			}
		}
		h.mu.Unlock()
	}
}

func TestBroadcastCountsWhatTheServerSends(t *testing.T) {
	const members = 5
	for _, rate := range []float64{0, 200} {
		h := &hub{}
		server := serveSockets(t, h.handle)
		m := &Meter{}
		o := Options{Connections: members, Duration: 200 * time.Millisecond, Rate: rate}
		seen := 0
		ready := func() error { h.mu.Lock(); defer h.mu.Unlock(); seen = h.seen; return nil }
		if err := Broadcast(t.Context(), server.Sockets(nil, "hello"), o, m, ready); err != nil {
			t.Fatal(err)
		}
		want := int64(h.seen-seen) * members
		if m.Completed() != want || m.Failed() != 0 {
			t.Errorf("rate %v: %d deliveries instead of %d, %v", rate, m.Completed(), want, m.Failures())
		}
		if n := m.Completed() + m.Skipped(); rate > 0 && n != 40*members || n != m.Latencies.Count() {
			t.Errorf("rate %v: %d deliveries", rate, n)
		}
	}
}

func TestLostDeliveriesAreFailures(t *testing.T) {
	h := &hub{loses: func(member, message int) bool { return member == 1 && message%2 == 0 }}
	server := serveSockets(t, h.handle)
	server.Timeout = time.Second
	m := &Meter{}
	o := Options{Connections: 3, Duration: 500 * time.Millisecond, Rate: 20}
	ready := func() error { h.mu.Lock(); defer h.mu.Unlock(); h.lost = 0; return nil }
	if err := Broadcast(t.Context(), server.Sockets(nil, "hello"), o, m, ready); err != nil {
		t.Fatal(err)
	}
	if f := m.Failures(); len(f) != 1 || f[0].Kind != Lost || f[0].Count != int64(h.lost) || m.Completed()+f[0].Count+m.Skipped() != 30 {
		t.Errorf("%d lost, %d delivered: %+v", h.lost, m.Completed(), f)
	}
}

func TestAMemberThatIsDisconnectedEndsTheBroadcast(t *testing.T) {
	for _, rate := range []float64{0, 100} {
		h := &hub{}
		server := serveSockets(t, h.handle)
		m := &Meter{}
		ready := func() error { return h.conns[2].CloseNow() }
		o := Options{Connections: 3, Duration: time.Hour, Rate: rate}
		if err := Broadcast(t.Context(), server.Sockets(nil, "hello"), o, m, ready); err != nil {
			t.Fatal(err)
		}
		if f := m.Failures(); len(f) != 1 || f[0].Kind != Closed {
			t.Errorf("rate %v: %+v", rate, f)
		}
	}
}

func TestBroadcastNeedsAServerThatBroadcasts(t *testing.T) {
	server := serveSockets(t, echo)
	server.Timeout = time.Second
	err := Broadcast(t.Context(), server.Sockets(nil, "hello"), Options{Connections: 3, Duration: time.Second}, &Meter{}, nil)
	if err == nil || !strings.Contains(err.Error(), "every connection") {
		t.Error(err)
	}
}
