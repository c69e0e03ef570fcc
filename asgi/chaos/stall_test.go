package chaos_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/chaos"
	"asgibox/store"
)

// from returns a message of a connection.
func from(connection string, n int) asgi.Message {
	return asgi.MustMessage(asgi.Field{Key: "reply_channel", Value: "r!" + connection}, asgi.Field{Key: "n", Value: n})
}

// plain is a layer without extensions.
type plain struct{ asgi.Layer }

// TestHeldMessagesWaitForRoomInOrder: a channel with room for one message gets many that
// were held, all of them, those of each connection in order.
func TestHeldMessagesWaitForRoomInOrder(t *testing.T) {
	for name, wrap := range map[string]func(asgi.Layer) asgi.Layer{
		"store": func(l asgi.Layer) asgi.Layer { return l },
		"plain": func(l asgi.Layer) asgi.Layer { return plain{l} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				behind := store.Memory(store.Options{Capacity: 1})
				defer behind.Close(context.Background())
				l := chaos.New(wrap(behind), chaos.Options{Seed: 1, Capacity: func(string) int { return 100 }, Rules: []chaos.Rule{rule(t, "c:delay=10ms..30ms")}})
				defer l.Close()
				const each = 20
				for n := range each {
					for _, connection := range []string{"a", "b", "d"} {
						if err := l.Send(t.Context(), nil, "c", from(connection, n)); err != nil {
							t.Fatal(err)
						}
					}
				}
				next := map[string]int64{}
				for range 3 * each {
					d, err := l.Receive(t.Context(), nil, "c")
					if err != nil {
						t.Fatal(err)
					}
					connection := d.Message.Text("reply_channel")
					if got := d.Message.Int("n"); got != next[connection] {
						t.Errorf("%s: got %d, want %d", connection, got, next[connection])
					}
					next[connection]++
				}
				if got := l.Counts().Lost; got != 0 {
					t.Errorf("%d were lost", got)
				}
			})
		})
	}
}

// TestHeldRepliesWaitForAClientThatReadsSlowly: no piece of a response is lost.
func TestHeldRepliesWaitForAClientThatReadsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{}, chaos.Options{}, "*:delay=10ms")
		var mu sync.Mutex
		var got []int64
		room := 0
		unbind, err := l.Bind("r!", func(d asgi.Delivery) error {
			mu.Lock()
			defer mu.Unlock()
			if room == 0 {
				return &asgi.ChannelFullError{Channel: d.Channel}
			}
			room--
			got = append(got, d.Message.Int("n"))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		defer unbind()
		send(t, l, "r!a", 0, 1, 2, 3, 4)
		for n := range 5 {
			time.Sleep(time.Second)
			mu.Lock()
			if len(got) != n {
				t.Errorf("%d pieces were delivered, want %d", len(got), n)
			}
			room++
			mu.Unlock()
		}
		time.Sleep(time.Second)
		mu.Lock()
		defer mu.Unlock()
		if want := []int64{0, 1, 2, 3, 4}; !slices.Equal(got, want) {
			t.Errorf("got %d, want %d", got, want)
		}
	})
}

// TestAStallHoldsUpItsSenderOnly: a sender whose held messages find no room gets an error.
func TestAStallHoldsUpItsSenderOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{Capacity: 1}, chaos.Options{Capacity: func(string) int { return 100 }}, "c:delay=1s")
		send(t, l, "c", 1)
		time.Sleep(2 * time.Second) // the channel is full
		for range 2 {
			if err := l.Send(t.Context(), nil, "c", from("a", 1)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		if err := l.Send(t.Context(), nil, "c", from("a", 2)); !errors.Is(err, asgi.ErrChannelFull) {
			t.Errorf("a sender whose messages wait: %v", err)
		}
		if err := l.Send(t.Context(), nil, "c", from("b", 1)); err != nil {
			t.Errorf("another sender: %v", err)
		}
		began := time.Now()
		go func() {
			time.Sleep(3 * time.Second)
			for range 3 {
				_, _ = l.Receive(t.Context(), nil, "c")
			}
		}()
		err := l.SendWhenRoom(t.Context(), nil, 5*time.Second, "c", from("a", 3))
		if took := time.Since(began); err != nil || took != 3*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

func TestFlushDropsTheMessagesThatWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{Capacity: 1}, chaos.Options{Capacity: func(string) int { return 2 }}, "c:delay=1s")
		for _, connection := range []string{"a", "b"} {
			if err := l.Send(t.Context(), nil, "c", from(connection, 1)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		if err := l.Flush(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wants(t, l, "c")
		for _, connection := range []string{"a", "b"} { // there is room again, for both
			if err := l.Send(t.Context(), nil, "c", from(connection, 2)); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestHeldMessagesAreLostIfThereIsNoRoomForLong: they wait no longer than messages in the
// channel, however many there are.
func TestHeldMessagesAreLostIfThereIsNoRoomForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{Capacity: 1, Expiry: time.Minute}, chaos.Options{Capacity: func(string) int { return 100 }}, "c:delay=1s")
		if err := l.Layer.Send(t.Context(), nil, "c", from("a", 0), asgi.Lasting); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		for n := range 10 {
			if err := l.Send(t.Context(), nil, "c", from("a", n)); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []uint64{0, 10} {
			if got := l.Counts().Lost; got != want {
				t.Errorf("%d were lost, want %d", got, want)
			}
			time.Sleep(62 * time.Second)
		}
	})
}

// TestASenderThatWaitsDoesNotOvertakeItsHeldMessages sends a message at the time at which
// earlier ones find no room.
func TestASenderThatWaitsDoesNotOvertakeItsHeldMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{Capacity: 1}, chaos.Options{Capacity: func(string) int { return 3 }}, "c:delay=1s")
		if err := l.Send(t.Context(), nil, "c", from("z", 0)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second) // the channel is full
		for n := range 3 {
			if err := l.Send(t.Context(), nil, "c", from("a", n)); err != nil {
				t.Fatal(err)
			}
		}
		l.SetRules(nil)
		time.Sleep(time.Second) // they are due now
		done := make(chan error, 1)
		go func() { done <- l.SendWhenRoom(t.Context(), nil, time.Minute, "c", from("a", 3)) }()
		synctest.Wait()
		var got []int64
		for range 5 {
			d, err := l.Receive(t.Context(), nil, "c")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, d.Message.Int("n"))
		}
		if want := []int64{0, 0, 1, 2, 3}; !slices.Equal(got, want) {
			t.Errorf("got %d, want %d", got, want)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestADisconnectStaysBehindAHeldConnect is about a client that leaves before its handshake
// or request is handled.
func TestADisconnectStaysBehindAHeldConnect(t *testing.T) {
	for connect, disconnect := range map[string]string{asgi.WebSocketConnect: asgi.WebSocketDisconnect, asgi.HTTPRequest: asgi.HTTPDisconnect} {
		synctest.Test(t, func(t *testing.T) {
			l := before(t, store.Options{}, chaos.Options{}, connect+":delay=2s")
			if err := l.Send(t.Context(), nil, connect, from("a", 0)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if err := l.Send(t.Context(), nil, disconnect, from("a", 1)); err != nil {
				t.Fatal(err)
			}
			d, err := l.Receive(t.Context(), nil, connect, disconnect)
			if err != nil || d.Channel != connect {
				t.Errorf("the first is on %s, %v", d.Channel, err)
			}
		})
	}
}

// recorder is a layer that records what is sent.
type recorder struct {
	asgi.Layer
	mu   sync.Mutex // guards sent
	sent []string
}

func (r *recorder) Send(_ context.Context, _ *asgi.Cause, channel string, m asgi.Message, _ ...asgi.SendOption) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, channel+" "+m.Text("reply_channel"))
	return nil
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

// TestADisconnectWaitsForTheHeldFramesOfItsConnection: a rule for frames does not apply to
// it, but it stays the last message.
func TestADisconnectWaitsForTheHeldFramesOfItsConnection(t *testing.T) {
	for _, text := range []string{"websocket.receive:delay=1s", "websocket.receive:reorder=100%", "websocket.*:reorder=100%,delay=10ms..1s"} {
		t.Run(text, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				behind := store.Memory(store.Options{})
				defer behind.Close(context.Background())
				r := &recorder{Layer: behind}
				l := chaos.New(r, chaos.Options{Seed: 1, Rules: []chaos.Rule{rule(t, text)}})
				defer l.Close()
				for n := range 7 {
					if err := l.Send(t.Context(), nil, asgi.WebSocketReceive, from("a", n)); err != nil {
						t.Fatal(err)
					}
				}
				for _, connection := range []string{"a", "b"} { // b has no frames
					go func() {
						if err := l.Send(t.Context(), nil, asgi.WebSocketDisconnect, from(connection, 7)); err != nil {
							t.Error(err)
						}
					}()
				}
				time.Sleep(time.Minute)
				sent := r.all()
				a := slices.DeleteFunc(slices.Clone(sent), func(s string) bool { return !strings.HasSuffix(s, "a") })
				if len(sent) != 9 || len(a) != 8 || a[7] != "websocket.disconnect r!a" {
					t.Errorf("sent %q", sent)
				}
			})
		})
	}
}

// slowFrames is a layer that takes a while to send a frame, and may have no room for the
// first.
type slowFrames struct {
	recorder
	full bool
}

func (s *slowFrames) Send(ctx context.Context, c *asgi.Cause, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	if channel == asgi.WebSocketReceive {
		time.Sleep(5 * time.Millisecond)
		if s.full {
			s.full = false
			return &asgi.ChannelFullError{Channel: channel}
		}
	}
	return s.recorder.Send(ctx, c, channel, m, opts...)
}

func TestADisconnectWaitsForTheFrameThatIsBeingSent(t *testing.T) {
	for _, full := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			behind := store.Memory(store.Options{})
			defer behind.Close(context.Background())
			s := &slowFrames{recorder: recorder{Layer: behind}, full: full}
			l := chaos.New(s, chaos.Options{Rules: []chaos.Rule{rule(t, "websocket.receive:delay=1s")}})
			defer l.Close()
			if err := l.Send(t.Context(), nil, asgi.WebSocketReceive, from("a", 0)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second + 2*time.Millisecond)
			if err := asgi.RetryWhileFull(t.Context(), time.Second, func() error {
				return l.Send(t.Context(), nil, asgi.WebSocketDisconnect, from("a", 1))
			}); err != nil {
				t.Fatal(err)
			}
			if want := []string{"websocket.receive r!a", "websocket.disconnect r!a"}; !slices.Equal(s.all(), want) {
				t.Errorf("sent %q", s.all())
			}
		})
	}
}

func TestFramesThatAreHeldDoNotFillTheChannelOfTheDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		capacity := func(channel string) int {
			if channel == asgi.WebSocketDisconnect {
				return 1
			}
			return 1000
		}
		l := before(t, store.Options{}, chaos.Options{Capacity: capacity}, "websocket.receive:delay=10s")
		for n := range 5 {
			for _, connection := range []string{"a", "b"} {
				if err := l.Send(t.Context(), nil, asgi.WebSocketReceive, from(connection, n)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := l.Send(t.Context(), nil, asgi.WebSocketDisconnect, from("a", 5)); err != nil {
			t.Error(err)
		}
		if err := l.Send(t.Context(), nil, asgi.WebSocketDisconnect, from("b", 5)); !errors.Is(err, asgi.ErrChannelFull) {
			t.Errorf("a second disconnect that is held: %v", err)
		}
	})
}
