package httpfront

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// TestServerCloseKeepsItsCode whatever the peer answers, or nothing.
func TestServerCloseKeepsItsCode(t *testing.T) {
	for _, answer := range []int{4001, 1000, 4999, 0, -1, -2} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, Options{})
			c, app := s.open()
			app.reply(msg{"close": 4001})
			c.gets(closeFrame(4001, ""))
			switch answer {
			case -1: // silence
			case -2:
				c.Close()
			default:
				c.frames(closeFrame(answer, ""))
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

// TestWhatAClientSaysAfterTheCloseIsNotHeard, and does not count.
func TestWhatAClientSaysAfterTheCloseIsNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, Options{})
		c, app := s.open()
		c.frames(text("a"))
		s.next("websocket.receive")
		app.reply(msg{"close": true})
		c.gets(closeFrame(1000, ""))
		c.frames(text("b"), text("c"), closeFrame(1000, ""))
		app.disconnected(1000, 2)
		if s.layer.waiting("websocket.receive") != 0 {
			t.Error("it was heard")
		}
	})
}

// TestNothingFollowsAClose of what the application still sends.
func TestNothingFollowsAClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, Options{})
		c, app := s.open()
		for _, kv := range []msg{{"text": "a"}, {"text": "b", "close": 4000}, {"text": "c"}, {"close": 4001}} {
			app.reply(kv)
		}
		c.gets(text("a"), text("b"))
		c.closed(4000, "")
		app.disconnected(4000, 1)
	})
}

// TestFullReceiveChannelStopsReading and is retried; after 5 s it closes 1013.
func TestFullReceiveChannelStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, Options{})
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
		s.logs.says(t, "websocket.receive was full")
	})
}

// TestDisconnectIsTriedAgainWhileItsChannelIsFull, until it would have
// expired; then it is dropped and logged.
func TestDisconnectIsTriedAgainWhileItsChannelIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, Options{})
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
			t.Error("it was told after it had expired")
		}
		s.logs.says(t, "could not send websocket.disconnect", app.channel)
	})
}

// TestDisconnectIsNotOwedToAChannelNobodyReads.
func TestDisconnectIsNotOwedToAChannelNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, Options{})
		s.layer.setReader("websocket.disconnect", false)
		c, app := s.open()
		c.Close()
		synctest.Wait()
		if s.layer.waiting("websocket.disconnect") != 0 || !s.layer.hasLeft(app.channel) {
			t.Error("it was told, or it has not left its groups")
		}
	})
}

// TestPings come after 20 s of silence; without a pong the socket is dropped
// after 30 s, with 1006.
func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, Options{})
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
		c.frames(frame{0x8a, "no answer to a ping"})
		c.frames(text("data is no pong"))
		s.next("websocket.receive")
		onPing("3", 70)
		app.disconnected(1006, 2)
		if d := time.Since(started); d != 80*time.Second {
			t.Errorf("dropped after %v", d)
		}
		s.logs.says(t, "no pong came")
	})
}

// TestPingsCanBeSwitchedOff.
func TestPingsCanBeSwitchedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, Options{PingInterval: Forever, SocketTimeout: Forever})
		c, app := s.open()
		time.Sleep(1000 * time.Hour)
		app.reply(msg{"text": "hello"})
		c.gets(text("hello"))
	})
}

// TestLifetimeEnds1000 after --websocket-timeout, by default the layer's
// group expiry.
func TestLifetimeEnds1000(t *testing.T) {
	for _, life := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, Options{SocketTimeout: life, PingInterval: Forever})
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

// TestSlowReaderIsBoundedAndEnded: past the bound its sender gets ChannelFull;
// with a write blocked for 30 s it ends with 1013, others go on.
func TestSlowReaderIsBoundedAndEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, Options{PingInterval: Forever})
		_, slow := s.open() // reads nothing from now on
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
			t.Error("there is room though nobody read")
		}
		synctest.Wait()
		if s.layer.waiting("websocket.disconnect") != 0 {
			t.Error("it was ended too soon")
		}
		time.Sleep(time.Second)
		if err := slow.send(msg{"text": "x"}); err == nil {
			t.Error("there is room though nobody read")
		}
		slow.disconnected(1013, 1)
		s.logs.says(t, "its client has read nothing for 30 s", "dropped=")
		fast.reply(msg{"text": "quick"})
		fastClient.gets(text("quick"))
	})
}

// TestSlowReaderThatReadsAfterAllSees1013.
func TestSlowReaderThatReadsAfterAllSees1013(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, Options{PingInterval: Forever})
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

// TestFramesWaitForTheirBarrier, in order, and a failed one closes 1011.
func TestFramesWaitForTheirBarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk()
		s := newStage(t, Options{})
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

// TestShutdownPassesBarriersBeforeItCloses.
func TestShutdownPassesBarriersBeforeItCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk()
		s := newStage(t, Options{})
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

// TestShutdownEndsHandshakes that wait, with 503 and one disconnect.
func TestShutdownEndsHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, Options{})
		c, app := s.connect()
		go s.front.Shutdown(context.Background())
		c.response().check(t, 503)
		app.disconnected(1006, 1)
	})
}

// TestSocketEventsReachTheAccessHook, each with the path and the time.
func TestSocketEventsReachTheAccessHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, Options{})
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

// TestPingFloodIsBounded: a client that pings without reading costs a
// bounded number of pongs.
func TestPingFloodIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, Options{PingInterval: Forever})
		c, app := s.open()
		app.reply(msg{"text": "stuck"}) // the writer blocks: nobody reads
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
		if pongs == 0 || pongs > maxPongs+1 { // one was being written
			t.Errorf("%d pongs", pongs)
		}
	})
}
