package httpfront

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/store"
)

// TestADisconnectThatWaitsNeedsNoGoroutine checks that the messages of many sockets that
// end while the channel is full wait without them, and are sent in order.
func TestADisconnectThatWaitsNeedsNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		s.layer.setFull("websocket.disconnect", true)
		synctest.Wait()
		before := runtime.NumGoroutine()
		const sockets = 50
		var ended []*application
		for range sockets {
			c, app := s.open()
			c.Close()
			time.Sleep(time.Millisecond)
			ended = append(ended, app)
		}
		if n := runtime.NumGoroutine() - before; n > sockets/2 {
			t.Errorf("%d ended sockets need %d goroutines", sockets, n)
		}
		s.layer.setFull("websocket.disconnect", false)
		for _, app := range ended {
			app.disconnected(1006, 1)
		}
	})
}

// TestTooManyWaitingDisconnectsRefuseHandshakes checks that open sockets are not affected,
// and that handshakes succeed again when there is room.
func TestTooManyWaitingDisconnectsRefuseHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		open, app := s.open()
		s.layer.setFull("websocket.disconnect", true)
		for range maxDisconnects {
			s.front.disconnect(fields(t, msg{"reply_channel": "c"}))
		}
		for range 2 {
			refused := s.dial()
			refused.write(handshake + "\r\n")
			if r := refused.response().check(t, 503); r.Header.Get("Retry-After") != "1" {
				t.Errorf("headers %v", r.Header)
			}
		}
		app.reply(msg{"text": "a"})
		open.gets(text("a"))
		open.Close()
		synctest.Wait()
		if n := s.front.disconnects.length(); n != maxDisconnects+1 {
			t.Errorf("%d wait", n)
		}
		if n := strings.Count(s.logs.String(), "WebSocket handshakes get 503"); n != 1 {
			t.Errorf("%d warnings", n)
		}
		s.layer.setFull("websocket.disconnect", false)
		for range maxDisconnects {
			s.next("websocket.disconnect")
		}
		app.disconnected(1006, 1)
		s.open()
	})
}

// On a layer where senders wait in turn, a disconnect waits longer than it would live while
// the channel has a reader, or is paused.
func TestADisconnectWaitsForAReaderThatIsSlow(t *testing.T) {
	for _, paused := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			layer := store.Memory(store.Options{Capacity: 1, Expiry: time.Minute})
			defer layer.Close(context.Background())
			front, err := New(layer, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if paused {
				layer.Debug().Pause("websocket.disconnect")
			}
			const sockets = 5
			for i := range sockets {
				front.disconnect(fields(t, msg{"reply_channel": "c", "order": i}))
			}
			if paused {
				go func() {
					time.Sleep(10 * time.Minute)
					layer.Debug().Resume("websocket.disconnect")
				}()
			}
			for i := range sockets {
				d, err := layer.Receive(t.Context(), nil, "websocket.disconnect")
				if err != nil || d.Message.Int("order") != int64(i) {
					t.Fatalf("message %d is %v, %v", i, d.Message, err)
				}
				time.Sleep(50 * time.Second)
			}
			if err := front.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// pathRooms is a layer whose refused senders wait for room for the path of their message.
type pathRooms struct {
	*fakeLayer
	asgi.Acceptors // nil: only SendWhenRoom is called
	rooms          map[string]chan struct{}
}

func (p *pathRooms) SendWhenRoom(ctx context.Context, c *asgi.Cause, patience time.Duration, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	r := &roomy{fakeLayer: p.fakeLayer, room: p.rooms[m.Text("path")], paused: true}
	return r.SendWhenRoom(ctx, c, patience, channel, m, opts...)
}

// TestADisconnectDoesNotWaitForThoseOfOtherPaths checks that a route whose messages cannot
// start holds up only its own.
func TestADisconnectDoesNotWaitForThoseOfOtherPaths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		slow, fast := make(chan struct{}), make(chan struct{})
		s.front.acceptors = &pathRooms{fakeLayer: s.layer, rooms: map[string]chan struct{}{"/slow": slow, "/fast": fast}}
		s.layer.setFull("websocket.disconnect", true)
		for i, path := range []string{"/slow", "/slow", "/fast", "/slow"} {
			s.front.disconnect(fields(t, msg{"reply_channel": "c", "path": path, "order": i}))
		}
		synctest.Wait()
		s.layer.setFull("websocket.disconnect", false)
		fast <- struct{}{}
		if m := s.next("websocket.disconnect"); m.Int("order") != 2 {
			t.Errorf("got %v first", m)
		}
		slow <- struct{}{}
		for _, order := range []int64{0, 1, 3} {
			if m := s.next("websocket.disconnect"); m.Int("order") != order {
				t.Errorf("got %v, want message %d", m, order)
			}
		}
		synctest.Wait()
		if n := s.front.disconnects.length(); n != 0 {
			t.Errorf("%d wait", n)
		}
	})
}

// TestADisconnectIsLostWithoutAReader checks that it does not wait for ever.
func TestADisconnectIsLostWithoutAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		s.front.acceptors = &roomy{fakeLayer: s.layer, room: make(chan struct{})}
		s.layer.setFull("websocket.disconnect", true)
		for range 3 {
			c, _ := s.open()
			c.Close()
		}
		time.Sleep(150 * time.Second)
		if n := s.front.disconnects.length(); n != 3 {
			t.Errorf("%d wait while there is a reader", n)
		}
		s.layer.setReader("websocket.disconnect", false)
		time.Sleep(2 * time.Minute)
		if n := s.front.disconnects.length(); n != 0 {
			t.Errorf("%d wait without a reader", n)
		}
		s.logs.contains(t, "could not send websocket.disconnect")
	})
}

// TestDisconnectsDoNotHoldUpAShutdown checks that Shutdown waits for them only as long as
// it may.
func TestDisconnectsDoNotHoldUpAShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		s.front.acceptors = &roomy{fakeLayer: s.layer, room: make(chan struct{})}
		s.layer.setFull("websocket.disconnect", true)
		for range 3 {
			s.open()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		if err := s.front.Shutdown(ctx); err != context.DeadlineExceeded || time.Since(began) > 11*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		s.logs.contains(t, "the server stopped before there was room for messages on websocket.disconnect\" count=3")
	})
}
