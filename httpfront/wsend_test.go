package httpfront

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// TestServerCloseKeepsItsCode checks that the peer's reply does not change it.
func TestServerCloseKeepsItsCode(t *testing.T) {
	for _, reply := range []int{4001, 1000, 4999, 0, -1, -2} {
		synctest.Test(t, func(t *testing.T) {
			s := newMemServer(t, Options{})
			c, app := s.open()
			app.reply(msg{"close": 4001})
			c.gets(closeFrame(4001, ""))
			switch reply {
			case -1: // no reply
			case -2:
				c.Close()
			default:
				c.frames(closeFrame(reply, ""))
			}
			started := time.Now()
			app.disconnected(4001, 1)
			if d := time.Since(started); d > 5*time.Second {
				t.Errorf("a silent peer was waited for %v", d)
			}
			if err := app.send(msg{"text": "late"}); err != nil {
				t.Errorf("a late send: %v", err)
			}
			synctest.Wait()
			if s.layer.waiting("websocket.disconnect") != 0 {
				t.Error("there are two disconnects")
			}
		})
	}
}

// TestMessagesAfterTheServersCloseAreIgnored checks that they do not count.
func TestMessagesAfterTheServersCloseAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, app := s.open()
		c.frames(text("a"))
		s.next("websocket.receive")
		app.reply(msg{"close": true})
		c.gets(closeFrame(1000, ""))
		c.frames(text("b"), text("c"), closeFrame(1000, ""))
		app.disconnected(1000, 2)
		if s.layer.waiting("websocket.receive") != 0 {
			t.Error("it was received")
		}
	})
}

// TestNothingFollowsAClose checks that later messages are dropped.
func TestNothingFollowsAClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, app := s.open()
		for _, kv := range []msg{{"text": "a"}, {"text": "b", "close": 4000}, {"text": "c"}, {"close": 4001}} {
			app.reply(kv)
		}
		c.gets(text("a"), text("b"))
		c.closed(4000, "")
		app.disconnected(4000, 1)
	})
}

// TestFullReceiveChannelStopsReading checks the retries and the close with 1013
// after 5 s.
func TestFullReceiveChannelStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, app := s.open()
		s.layer.setFull("websocket.receive", true)
		c.frames(text("a"), text("b"))
		time.Sleep(4 * time.Second)
		s.layer.setFull("websocket.receive", false)
		for i, want := range []string{"a", "b"} {
			if m := s.next("websocket.receive"); m.Text("text") != want || m.Int("order") != int64(i+1) {
				t.Errorf("got %v", m)
			}
		}
		s.layer.setFull("websocket.receive", true)
		started := time.Now()
		c.frames(text("c"), text("d"))
		f, err := c.frame()
		if err != nil || !strings.HasPrefix(f.payload, "\x03\xf5") {
			t.Errorf("frame %s, %v; want a close with 1013", f, err)
		}
		if d := time.Since(started); d != receiveTimeout {
			t.Errorf("after %v", d)
		}
		c.frames(closeFrame(1013, ""))
		app.disconnected(1013, 3)
		s.logs.contains(t, "no room for its next frame")
	})
}

// TestDisconnectIsRetriedWhileItsChannelIsFull checks that it is dropped and
// logged when it would have expired.
func TestDisconnectIsRetriedWhileItsChannelIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		s.layer.setFull("websocket.disconnect", true)
		c, app := s.open()
		c.Close()
		time.Sleep(50 * time.Second)
		s.layer.setFull("websocket.disconnect", false)
		app.disconnected(1006, 1)

		s.layer.setFull("websocket.disconnect", true)
		c, app = s.open()
		c.Close()
		time.Sleep(61 * time.Second)
		s.layer.setFull("websocket.disconnect", false)
		synctest.Wait()
		if s.layer.waiting("websocket.disconnect") != 0 {
			t.Error("it was sent after it had expired")
		}
		s.logs.contains(t, "could not send websocket.disconnect", app.channel)
	})
}

// TestDisconnectNeedsAReader checks that none is sent to a channel without one.
func TestDisconnectNeedsAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		s.layer.setReader("websocket.disconnect", false)
		c, app := s.open()
		c.Close()
		synctest.Wait()
		if s.layer.waiting("websocket.disconnect") != 0 || !s.layer.hasLeft(app.channel) {
			t.Error("it was sent, or the socket has not left its groups")
		}
	})
}

// TestPings checks for pings after 20 s of silence. A socket without a pong is
// closed with 1006 after 30 s.
func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, app := s.open()
		started := time.Now()
		onPing := func(payload string, at time.Duration) {
			t.Helper()
			c.gets(frame{0x89, payload})
			if d := time.Since(started); d != at*time.Second {
				t.Errorf("ping %s after %v, want %d s", payload, d, at)
			}
		}
		onPing("1", 20)
		c.frames(frame{0x8a, "1"})
		time.Sleep(10 * time.Second)
		app.reply(msg{"text": "at 30"}) // breaks the silence
		c.gets(text("at 30"))
		onPing("2", 50)
		c.frames(frame{0x8a, "not the payload of a ping"})
		c.frames(text("data is no pong"))
		s.next("websocket.receive")
		onPing("3", 70)
		app.disconnected(1006, 2)
		if d := time.Since(started); d != 80*time.Second {
			t.Errorf("dropped after %v", d)
		}
		s.logs.contains(t, "no pong came")
	})
}

// TestSlowFrameIsNotSilence sends a frame byte by byte. No pong can be within it.
func TestSlowFrameIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, _ := s.open()
		c.gets(frame{0x89, "1"}) // has no pong yet when the frame begins
		content := strings.Repeat("x", 100)
		sent := string(text(content).bytes())
		c.write(sent[:7])
		for _, b := range []byte(sent[7:]) {
			time.Sleep(15 * time.Second)
			c.write(string([]byte{b}))
		}
		if m := s.next("websocket.receive"); m.Text("text") != content {
			t.Errorf("the application got %v", m)
		}
	})
}

// TestSlowReadingIsNotSilence reads a long message slowly. Pings wait behind it.
func TestSlowReadingIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, app := s.open()
		app.reply(msg{"text": strings.Repeat("x", 1<<20)})
		piece := make([]byte, 4096)
		for left := 1 << 20; left > 0; {
			time.Sleep(time.Second)
			n, err := c.Conn.Read(piece)
			if err != nil {
				t.Fatalf("%d bytes are missing: %v; log:\n%s", left, err, s.logs)
			}
			left -= n
		}
	})
}

// TestPingsCanBeSwitchedOff waits a long time without a ping.
func TestPingsCanBeSwitchedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{PingInterval: Forever, SocketTimeout: Forever})
		c, app := s.open()
		time.Sleep(1000 * time.Hour)
		app.reply(msg{"text": "hello"})
		c.gets(text("hello"))
	})
}

// TestLifetimeEnds1000 tests --websocket-timeout and its default, the layer's
// group expiry.
func TestLifetimeEnds1000(t *testing.T) {
	for _, life := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s := newMemServer(t, Options{SocketTimeout: life, PingInterval: Forever})
			c, app := s.open()
			started := time.Now()
			c.closed(1000, "this connection has lived as long as it may")
			app.disconnected(1000, 1)
			want := life
			if want == 0 {
				want = 24 * time.Hour
			}
			if d := time.Since(started); d != want {
				t.Errorf("after %v, want %v", d, want)
			}
		})
	}
}

// TestSlowReaderIsBoundedAndEnded checks that senders get ChannelFull, and that
// the socket is closed with 1013 when a write was blocked for 30 s.
func TestSlowReaderIsBoundedAndEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{PingInterval: Forever})
		_, slow := s.open() // this client never reads
		fastClient, fast := s.open()
		sent := 0
		for ; slow.send(msg{"text": "x"}) == nil; sent++ {
			synctest.Wait()
		}
		if sent < mailboxMessages || sent > mailboxMessages+1 {
			t.Errorf("%d messages were accepted", sent)
		}
		time.Sleep(29 * time.Second)
		if err := slow.send(msg{"text": "x"}); err == nil {
			t.Error("there is room although the client did not read")
		}
		synctest.Wait()
		if s.layer.waiting("websocket.disconnect") != 0 {
			t.Error("it was ended too soon")
		}
		time.Sleep(time.Second)
		if err := slow.send(msg{"text": "x"}); err == nil {
			t.Error("there is room although the client did not read")
		}
		slow.disconnected(1013, 1)
		s.logs.contains(t, "its client has read nothing for 30 s", "dropped=")
		fast.reply(msg{"text": "quick"})
		fastClient.gets(text("quick"))
	})
}

// TestSlowReaderThatReadsLaterSees1013 checks that the close frame arrives.
func TestSlowReaderThatReadsLaterSees1013(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{PingInterval: Forever})
		c, app := s.open()
		for app.send(msg{"text": "x"}) == nil {
			synctest.Wait()
		}
		time.Sleep(30 * time.Second)
		app.send(msg{"text": "x"})
		time.Sleep(time.Second)
		for {
			f, err := c.frame()
			if err != nil {
				t.Fatalf("no close came: %v", err)
			}
			if f.first == 0x88 {
				if !strings.HasPrefix(f.payload, "\x03\xf5") {
					t.Errorf("close %s", f)
				}
				break
			}
		}
		app.disconnected(1013, 1)
	})
}

// TestFramesWaitForTheirBarrier checks the order, and 1011 for a failed barrier.
func TestFramesWaitForTheirBarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk()
		s := newMemServer(t, Options{})
		c, app := s.open()
		send := func(cause *asgi.Cause, s2 string) {
			s.layer.Send(t.Context(), cause, app.channel, fields(t, msg{"text": s2}))
		}
		send(disk.after(1), "a")
		send(nil, "b")
		send(disk.after(2), "c")
		synctest.Wait()
		disk.finish(1, nil)
		c.gets(text("a"), text("b"))
		disk.finish(2, nil)
		c.gets(text("c"))
		send(disk.after(3), "secret")
		synctest.Wait()
		disk.finish(3, asgi.ErrStoreFailed)
		c.closed(1011, "")
		app.disconnected(1011, 1)
	})
}

// TestShutdownPassesBarriersBeforeItCloses checks that waiting frames are sent.
func TestShutdownPassesBarriersBeforeItCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk()
		s := newMemServer(t, Options{})
		c, app := s.open()
		s.layer.Send(t.Context(), disk.after(1), app.channel, fields(t, msg{"text": "a"}))
		done := make(chan error)
		go func() { done <- s.front.Shutdown(t.Context()) }()
		synctest.Wait()
		disk.finish(1, nil)
		c.gets(text("a"))
		c.closed(1001, "the server is shutting down")
		app.disconnected(1001, 1)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestShutdownEndsHandshakes checks for 503 and one disconnect.
func TestShutdownEndsHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, app := s.connect()
		go s.front.Shutdown(context.Background())
		c.response().check(t, 503)
		app.disconnected(1006, 1)
	})
}

// TestSocketEventsReachAccess checks the path and duration of each event.
func TestSocketEventsReachAccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, app := s.open()
		time.Sleep(time.Second)
		c.frames(closeFrame(4000, ""))
		c.gets(closeFrame(4000, ""))
		app.disconnected(4000, 1)
		_, app = s.connect()
		app.reply(msg{"close": true})
		app.disconnected(1006, 1)
		left, app := s.connect()
		left.Close()
		app.disconnected(1006, 1)
		for _, want := range []Event{
			{Kind: SocketConnecting}, {Kind: SocketConnected, Status: 101}, {Kind: SocketDisconnected, Status: 4000, By: "client", Duration: time.Second},
			{Kind: SocketConnecting}, {Kind: SocketRefused, Status: 403},
			{Kind: SocketConnecting}, {Kind: SocketDisconnected, Status: 1006},
		} {
			got := <-s.seen
			if got.Kind != want.Kind || got.Status != want.Status || got.Duration != want.Duration || got.By != want.By || got.Path != "/ws" || got.Target != "/ws?a=b" {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
	})
}

// TestPingFloodIsBounded checks that a client that pings without reading causes
// a bounded number of pongs.
func TestPingFloodIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{PingInterval: Forever})
		c, app := s.open()
		app.reply(msg{"text": "stuck"}) // the writer blocks because the client does not read
		synctest.Wait()
		ping := frame{0x89, "x"}.bytes()
		for range 10_000 {
			c.Write(ping)
		}
		c.gets(text("stuck"))
		synctest.Wait()
		app.reply(msg{"text": "end"})
		pongs := 0
		for {
			f, err := c.frame()
			if err != nil || f == text("end") {
				break
			}
			pongs++
		}
		if pongs == 0 || pongs > maxPongs+1 { // one more was being written
			t.Errorf("%d pongs", pongs)
		}
	})
}

// A slowHandler takes an hour for each log record, and then counts it.
type slowHandler struct {
	slog.Handler
	done *int
}

func (h slowHandler) Handle(context.Context, slog.Record) error {
	time.Sleep(time.Hour)
	*h.done++
	return nil
}

// TestShutdownWaitsForTheTimersOfSockets shuts a server down while the function of a timer
// runs.
func TestShutdownWaitsForTheTimersOfSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{PingInterval: time.Second, PingTimeout: time.Second})
		logged := 0
		s.front.log = slog.New(slowHandler{slog.NewTextHandler(s.logs, nil), &logged})
		c, _ := s.open()
		time.Sleep(time.Minute) // no pong comes, and that is being logged
		c.Close()
		if err := s.front.Shutdown(t.Context()); err != nil || logged != 1 {
			t.Errorf("Shutdown returned %v when %d functions of timers had ended, want 1", err, logged)
		}
	})
}
