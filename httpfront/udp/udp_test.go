package udp

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/store"
)

// serve runs a server on loopback until the test ends.
func serve(t *testing.T, layer asgi.Layer, opts Options) (client net.Conn) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := New(layer, opts)
	go func() { done <- s.Serve(ctx, conn) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	client, err = net.Dial("udp", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	client.SetDeadline(time.Now().Add(30 * time.Second))
	return client
}

func memory(t *testing.T) asgi.Layer {
	t.Helper()
	layer := store.Memory(store.Options{})
	t.Cleanup(func() { layer.Close(context.Background()) })
	return layer
}

// hello sends a datagram and returns its reply channel.
func hello(t *testing.T, layer asgi.Layer, client net.Conn) string {
	t.Helper()
	client.Write([]byte("hello"))
	d, err := layer.Receive(t.Context(), nil, "udp.receive")
	if err != nil {
		t.Fatal(err)
	}
	return d.Message.Text("reply_channel")
}

func TestOneDatagramIsOneMessage(t *testing.T) {
	layer := memory(t)
	client := serve(t, layer, Options{})
	for _, data := range []string{"one", "", strings.Repeat("x", 9000)} {
		client.Write([]byte(data))
		d, err := layer.Receive(t.Context(), nil, "udp.receive")
		if err != nil {
			t.Fatal(err)
		}
		want := asgi.MustMessage(
			asgi.Field{Key: "reply_channel", Value: d.Message.Text("reply_channel")},
			asgi.Field{Key: "data", Value: []byte(data)},
			asgi.Field{Key: "client", Value: pair(addrPort(client.LocalAddr()))},
			asgi.Field{Key: "server", Value: pair(addrPort(client.RemoteAddr()))},
		)
		if !asgi.Equal(d.Message, want) {
			t.Errorf("got %v, want %v", d.Message, want)
		}
		if !strings.HasPrefix(d.Message.Text("reply_channel"), "udp.send.") {
			t.Errorf("reply_channel %q", d.Message.Text("reply_channel"))
		}
		layer.Send(t.Context(), nil, d.Message.Text("reply_channel"), asgi.MustMessage(asgi.Field{Key: "data", Value: "re: " + data}))
		buf := make([]byte, datagram)
		n, err := client.Read(buf)
		if got := string(buf[:n]); err != nil || got != "re: "+data {
			t.Errorf("got %.20q, %v", got, err)
		}
	}
}

func TestBadDatagramIsLoggedAndDropped(t *testing.T) {
	layer := memory(t)
	var log syncBuffer
	client := serve(t, layer, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	to := hello(t, layer, client)
	prefix := asgi.ProcessPrefix(to)
	for _, bad := range []string{"zz-1", "7f000001", "7f000001-99999", "7f-1"} {
		if err := layer.Send(t.Context(), nil, prefix+bad, asgi.MustMessage()); err != nil {
			t.Errorf("a send to an invalid address: %v", err)
		}
	}
	layer.Send(t.Context(), nil, to, asgi.MustMessage(asgi.Field{Key: "data", Value: 1}))
	layer.Send(t.Context(), nil, to, asgi.MustMessage(asgi.Field{Key: "data", Value: strings.Repeat("x", 70000)}))
	layer.Send(t.Context(), nil, to, asgi.MustMessage(asgi.Field{Key: "data", Value: "good"}))
	buf := make([]byte, 100)
	if n, err := client.Read(buf); err != nil || string(buf[:n]) != "good" {
		t.Errorf("got %q, %v", buf[:n], err)
	}
	for _, want := range []string{"it must be a byte string", "it has 70000 bytes; a datagram has at most 65507"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log without %q: %s", want, log.String())
		}
	}
}

func TestAddressesRoundTripThroughChannelNames(t *testing.T) {
	for _, a := range []string{"127.0.0.1:53", "[::1]:65535", "[fe80::1%eth0.1]:1"} {
		want := netip.MustParseAddrPort(a)
		name := "udp.send.abcdefghij!" + encode(want)
		if err := asgi.CheckSend(name); err != nil {
			t.Error(err)
		}
		if got, ok := decode(encode(want)); !ok || got != want {
			t.Errorf("%s became %s, %v", a, got, ok)
		}
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A disk is a watermark that stays at zero until the test moves it.
type disk struct{ passed chan error }

func (d disk) Passed(uint64) bool { return false }

func (d disk) Notify(_ uint64, f func(error)) func() {
	go func() { f(<-d.passed) }()
	return func() {}
}

// behind returns a cause of messages that wait for the disk.
func (d disk) behind() *asgi.Cause {
	c := asgi.NewCause(0)
	c.Raise(asgi.NewBarrier(d, 1))
	return c
}

func TestDatagramWaitsForItsBarrier(t *testing.T) {
	layer := memory(t)
	var log syncBuffer
	client := serve(t, layer, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	to := hello(t, layer, client)
	slow := disk{make(chan error)}
	cause := slow.behind()
	send := func(c *asgi.Cause, to, data string) {
		layer.Send(t.Context(), c, to, asgi.MustMessage(asgi.Field{Key: "data", Value: data}))
	}
	other, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetDeadline(time.Now().Add(30 * time.Second))
	send(cause, to, "after the disk")
	send(cause, to, "never") // its barrier fails
	send(nil, to, "behind them")
	send(nil, asgi.ProcessPrefix(to)+encode(addrPort(other.LocalAddr())), "at once")
	buf := make([]byte, 100)
	if n, _, err := other.ReadFrom(buf); err != nil || string(buf[:n]) != "at once" {
		t.Errorf("another peer got %q, %v", buf[:n], err)
	}
	go func() {
		slow.passed <- nil
		slow.passed <- asgi.ErrStoreFailed
	}()
	for _, want := range []string{"after the disk", "behind them"} {
		n, err := client.Read(buf)
		if got := string(buf[:n]); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

// TestRepliesToAPeerKeepTheirOrder: those that wait for the disk do not overtake one
// another.
func TestRepliesToAPeerKeepTheirOrder(t *testing.T) {
	layer := memory(t)
	client := serve(t, layer, Options{})
	to := hello(t, layer, client)
	passed := make(chan error)
	cause := disk{passed}.behind()
	const n = 100
	for i := range n {
		layer.Send(t.Context(), cause, to, asgi.MustMessage(asgi.Field{Key: "data", Value: strconv.Itoa(i)}))
	}
	close(passed)
	buf := make([]byte, 100)
	for i := range n {
		if got, err := client.Read(buf); err != nil || string(buf[:got]) != strconv.Itoa(i) {
			t.Fatalf("reply %d: got %q, %v", i, buf[:got], err)
		}
	}
}

// TestOnePeerDoesNotTakeTheRoomOfOthers: replies that wait for the disk have a limit for
// each peer.
func TestOnePeerDoesNotTakeTheRoomOfOthers(t *testing.T) {
	layer := memory(t)
	client := serve(t, layer, Options{})
	to := hello(t, layer, client)
	passed := make(chan error)
	defer close(passed)
	cause := disk{passed}.behind()
	send := func(peer string, n int, data string) (sent int) {
		for sent < n && layer.Send(t.Context(), cause, asgi.ProcessPrefix(to)+peer, asgi.MustMessage(asgi.Field{Key: "data", Value: data})) == nil {
			sent++
		}
		return sent
	}
	if n := send("7f000001-1", 5000, "x"); n != peerReplies {
		t.Errorf("%d replies to one peer were taken", n)
	}
	if n := send("7f000001-2", 200, "x"); n != 200 {
		t.Errorf("%d replies to another peer were taken", n)
	}
	long := strings.Repeat("x", maxData)
	if n := send("7f000001-3", 5000, long) + send("7f000001-4", 5000, long); n > repliesBytes/maxData {
		t.Errorf("%d long replies were taken", n)
	}
}

func TestDatagramIsDroppedIfTheChannelIsFull(t *testing.T) {
	layer := store.Memory(store.Options{Capacity: 1})
	t.Cleanup(func() { layer.Close(context.Background()) })
	s := New(layer, Options{})
	from := netip.MustParseAddrPort("127.0.0.1:1")
	for range 3 { // without a reader
		s.receive(t.Context(), []byte("x"), from, from)
	}
	if _, ok, err := layer.Poll(t.Context(), nil, "udp.receive"); !ok || err != nil {
		t.Errorf("the first is not there: %v", err)
	}
	if d, ok, _ := layer.Poll(t.Context(), nil, "udp.receive"); ok {
		t.Errorf("there is another: %v", d)
	}
}
