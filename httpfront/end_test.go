package httpfront

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// TestDisconnectIsSentOnce checks every way in which an exchange ends.
func TestDisconnectIsSentOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(s *memServer, c *client, m asgi.Message)
	}{
		{"by completion", func(s *memServer, c *client, m asgi.Message) {
			s.reply(m, msg{"status": 200})
			c.response()
		}},
		{"by completion of a stream", func(s *memServer, c *client, m asgi.Message) {
			s.reply(m, msg{"status": 200, "more_content": true})
			s.reply(m, msg{"content": "x"})
			c.response()
		}},
		{"by loss before the response", func(s *memServer, c *client, m asgi.Message) { c.Close() }},
		{"by loss within the response", func(s *memServer, c *client, m asgi.Message) {
			s.reply(m, msg{"status": 200, "more_content": true})
			c.r.ReadString('\n')
			c.Close()
		}},
		{"by a bad reply", func(s *memServer, c *client, m asgi.Message) {
			s.reply(m, msg{})
			c.response().check(s.t, 500)
		}},
		{"by time-out", func(s *memServer, c *client, m asgi.Message) { c.response().check(s.t, 503) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{})
				client := s.dial()
				client.get("/a%20b")
				m := s.next("http.request")
				c.end(s, client, m)
				d := s.next("http.disconnect")
				want := fields(t, msg{"reply_channel": m.Text("reply_channel"), "path": "/a b"})
				if !asgi.Equal(d, want) {
					t.Errorf("got %v, want %v", d, want)
				}
				if !s.layer.hasLeft(m.Text("reply_channel")) {
					t.Error("it has not left its groups")
				}
				if err := s.send(m, msg{"content": "late"}); err != nil {
					t.Errorf("a late reply: %v", err)
				}
				synctest.Wait()
				if n := s.layer.waiting("http.disconnect"); n != 0 {
					t.Errorf("%d more", n)
				}
			})
		})
	}
}

// TestDisconnectIsDroppedSilentlyWhenFull also checks that none is sent to a
// channel without readers.
func TestDisconnectIsDroppedSilentlyWhenFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		exchange := func() {
			t.Helper()
			c.get("/")
			s.reply(s.next("http.request"), msg{"status": 200})
			c.response().check(t, 200)
			synctest.Wait()
		}
		s.layer.setFull("http.disconnect", true)
		exchange()
		if strings.Contains(s.logs.String(), "WARN") {
			t.Errorf("the log is not silent: %s", s.logs)
		}
		s.layer.setFull("http.disconnect", false)
		s.layer.setReader("http.disconnect", false)
		exchange()
		if n := s.layer.waiting("http.disconnect"); n != 0 {
			t.Errorf("%d messages without a reader", n)
		}
	})
}

// TestFullRequestChannelIs503 checks Retry-After and the end of the connection.
func TestFullRequestChannelIs503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		s.layer.setFull("http.request", true)
		c := s.dial()
		c.get("/", "Accept: text/html")
		a := c.response().check(t, 503)
		if a.Header.Get("Retry-After") != "1" || !a.Close || !c.ended() {
			t.Errorf("headers %v", a.Header)
		}
		if !strings.Contains(a.body, "<h1>The server is busy</h1>") {
			t.Errorf("body %q", a.body)
		}
		synctest.Wait()
		if n := s.layer.waiting("http.disconnect"); n != 0 {
			t.Error("a disconnect for a request that was not sent")
		}
	})
}

// TestErrorPagesFollowAccept checks that browsers get escaped HTML and other
// clients get text.
func TestErrorPagesFollowAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		for accept, want := range map[string]string{
			"text/html,application/xhtml+xml": "text/html; charset=utf-8", "*/*": "text/plain; charset=utf-8", "application/json": "text/plain; charset=utf-8",
		} {
			c := s.dial()
			c.get("/", "Accept: "+accept)
			s.reply(s.next("http.request"), msg{"status": 200, "headers": []any{pair("<b>", "x")}})
			a := c.response().check(t, 500)
			if a.Header.Get("Content-Type") != want || strings.Contains(a.body, "<b>") != (want[5:9] != "html") {
				t.Errorf("%s: %v %q", accept, a.Header, a.body)
			}
		}
	})
}

// TestTimeoutEndsWhenTheResponseStarts streams longer than --http-timeout.
func TestTimeoutEndsWhenTheResponseStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{HTTPTimeout: time.Second})
		c := s.dial()
		c.get("/")
		m := s.next("http.request")
		s.reply(m, msg{"status": 200, "more_content": true})
		got := make(chan *response, 1)
		go func() { got <- c.response() }()
		time.Sleep(time.Hour)
		s.reply(m, msg{"content": "patience"})
		if a := (<-got).check(t, 200); a.body != "patience" {
			t.Errorf("body %q", a.body)
		}
		// A stream after its timeout must not stop the timers of other requests.
		c.get("/")
		c.response().check(t, 503)
	})
}

func TestTimeoutCanBeSwitchedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{HTTPTimeout: Forever})
		c := s.dial()
		c.get("/")
		m := s.next("http.request")
		time.Sleep(1000 * time.Hour)
		s.reply(m, msg{"status": 200})
		c.response().check(t, 200)
	})
}

// TestReplyWaitsForItsBarrier checks that a reply is sent only after its barrier
// passed, and that later messages wait behind it.
func TestReplyWaitsForItsBarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk()
		s := newMemServer(t, Options{})
		c := s.dial()
		c.get("/")
		m := s.next("http.request")
		to := m.Text("reply_channel")
		s.layer.Send(t.Context(), disk.after(5), to, fields(t, msg{"status": 200, "content": "a", "more_content": true}))
		s.layer.Send(t.Context(), nil, to, fields(t, msg{"content": "b", "more_content": true}))
		s.layer.Send(t.Context(), disk.after(7), to, fields(t, msg{"content": "c"}))
		got := make(chan *response)
		go func() { got <- c.response() }()
		synctest.Wait()
		disk.finish(4, nil)
		synctest.Wait()
		if len(s.seen) != 0 {
			t.Error("it was written before its barrier passed")
		}
		disk.finish(5, nil)
		synctest.Wait()
		disk.finish(7, nil)
		if a := (<-got).check(t, 200); a.body != "abc" {
			t.Errorf("body %q", a.body)
		}
	})
}

// TestEventHasTheTimeOfTheDisk checks that only the wait for barriers is counted.
func TestEventHasTheTimeOfTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk()
		s := newMemServer(t, Options{})
		c := s.dial()
		c.get("/")
		m := s.next("http.request")
		to := m.Text("reply_channel")
		got := make(chan *response, 1)
		go func() { got <- c.response() }()
		time.Sleep(time.Second)
		s.layer.Send(t.Context(), disk.after(1), to, fields(t, msg{"status": 200, "more_content": true}))
		time.Sleep(2 * time.Second)
		disk.finish(1, nil)
		time.Sleep(time.Second)
		s.layer.Send(t.Context(), disk.after(2), to, fields(t, msg{"content": "x"}))
		time.Sleep(4 * time.Second)
		disk.finish(2, nil)
		(<-got).check(t, 200)
		if e := <-s.seen; e.Disk != 6*time.Second || e.Duration != 8*time.Second {
			t.Errorf("%v of %v, want 6s of 8s", e.Disk, e.Duration)
		}
	})
}

// TestFailedBarrierIs500 also checks that a started response is aborted.
func TestFailedBarrierIs500(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk()
		s := newMemServer(t, Options{})
		c := s.dial()
		c.get("/")
		m := s.next("http.request")
		s.layer.Send(t.Context(), disk.after(5), m.Text("reply_channel"), fields(t, msg{"status": 200, "content": "secret"}))
		synctest.Wait()
		disk.finish(5, asgi.ErrStoreFailed)
		a := c.response().check(t, 500)
		if strings.Contains(a.body, "secret") || strings.Contains(a.body, "not a valid response") || !strings.Contains(a.body, "could not be stored") {
			t.Errorf("body %q", a.body)
		}

		c = s.dial()
		c.get("/")
		m = s.next("http.request")
		s.reply(m, msg{"status": 200, "content": "a", "more_content": true})
		s.layer.Send(t.Context(), disk.after(6), m.Text("reply_channel"), fields(t, msg{"content": "secret"}))
		synctest.Wait()
		disk.finish(6, asgi.ErrStoreFailed)
		if a := c.response().check(t, 200); a.body != "a" || a.err == nil {
			t.Errorf("body %q, %v", a.body, a.err)
		}
	})
}

// TestMailboxIsBounded checks the limits of 1,000 messages and 16 MiB. Only the
// sender gets ChannelFull, and all accepted messages arrive.
func TestMailboxIsBounded(t *testing.T) {
	for _, c := range []struct {
		name    string
		content string
		want    int
	}{
		{"messages", "x", mailboxMessages},
		{"bytes", strings.Repeat("x", 1<<20), mailboxBytes >> 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{})
				slow, fast := s.dial(), s.dial()
				slow.get("/slow")
				m := s.next("http.request")
				s.reply(m, msg{"status": 200, "more_content": true})
				synctest.Wait() // the writer is blocked because the client does not read
				sent := 0
				for s.send(m, msg{"content": c.content, "more_content": true}) == nil {
					sent++
					synctest.Wait()
				}
				if sent > c.want || sent < c.want-1 {
					t.Errorf("%d were accepted, want %d", sent, c.want)
				}
				err := s.send(m, msg{"content": c.content})
				if err == nil || !strings.Contains(err.Error(), "for its client to read") {
					t.Errorf("err = %v", err)
				}
				fast.get("/fast")
				s.reply(s.next("http.request"), msg{"status": 200})
				fast.response().check(t, 200)
				go func() {
					for s.send(m, msg{"content": ""}) != nil {
						time.Sleep(time.Millisecond)
					}
				}()
				if a := slow.response(); len(a.body) != sent*len(c.content) || a.err != nil {
					t.Errorf("%d bytes came, %v", len(a.body), a.err)
				}
			})
		})
	}
}

// TestFullMailboxHasRoomForTheEnd checks that a failed handler ends its connection
// although the client has not read all earlier messages.
func TestFullMailboxHasRoomForTheEnd(t *testing.T) {
	sendAll := func(t *testing.T, send func(msg) error, piece, last msg) {
		for send(piece) == nil {
			synctest.Wait()
		}
		for range 2 { // the second time, the connection is gone, which is no error for this sender
			if err := send(last); err != nil {
				t.Errorf("the last message: %v", err)
			}
		}
	}
	t.Run("response", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newMemServer(t, Options{})
			c := s.dial()
			c.get("/")
			m := s.next("http.request")
			s.reply(m, msg{"status": 200, "more_content": true})
			send := func(kv msg) error { return s.send(m, kv) }
			sendAll(t, send, msg{"content": "x", "more_content": true}, msg{"status": 500, "content": "failed", "abort": true})
			if a := c.response(); len(a.body) < mailboxMessages-1 || a.err == nil {
				t.Errorf("%d bytes came, %v", len(a.body), a.err)
			}
		})
	})
	t.Run("WebSocket", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newMemServer(t, Options{})
			c, app := s.open()
			sendAll(t, app.send, msg{"text": "x"}, msg{"close": 1011, "reason": "failed"})
			f, err := c.frame()
			for err == nil && f.first&0xf == opText {
				f, err = c.frame()
			}
			if want := closeFrame(1011, "failed"); f != want {
				t.Errorf("after the text came %v, %v; want %v", f, err, want)
			}
		})
	})
}

// TestAllMailboxesTogetherAreBounded checks the limit of 128 MiB, beyond which
// each mailbox still accepts small messages.
func TestAllMailboxesTogetherAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.get("/")
		m := s.next("http.request")
		s.front.outputs.bytes.Add(allBytes)
		err := s.send(m, msg{"status": 200, "content": strings.Repeat("x", minBytes)})
		if err == nil || !strings.Contains(err.Error(), "128 MiB") {
			t.Errorf("err = %v", err)
		}
		s.reply(m, msg{"status": 200})
		c.response().check(t, 200)
		s.front.outputs.bytes.Add(-allBytes)
	})
}

// TestShutdownFinishesRequests checks that running requests end normally and new
// ones are refused.
func TestShutdownFinishesRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.get("/")
		m := s.next("http.request")
		done := make(chan error)
		go func() { done <- s.front.Shutdown(t.Context()) }()
		synctest.Wait()
		if _, err := s.net.dial(); err == nil {
			t.Error("it still accepts")
		}
		s.reply(m, msg{"status": 200, "content": "finished"})
		if a := c.response().check(t, 200); a.body != "finished" {
			t.Errorf("body %q", a.body)
		}
		if err := <-done; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		s.next("http.disconnect")
	})
}

// TestShutdownIsBoundedByItsContext checks that the requests left at the end get
// 503 or are aborted.
func TestShutdownIsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, ws := s.dial(), (*client)(nil)
		c.get("/")
		s.next("http.request")
		responses := make(chan *response, 1)
		go func() { responses <- c.response() }()
		ws, _ = s.open()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		started := time.Now()
		err := s.front.Shutdown(ctx)
		if d := time.Since(started); err == nil || d != 3*time.Second {
			t.Errorf("Shutdown: %v after %v", err, d)
		}
		(<-responses).check(t, 503)
		ws.frame() // the close frame, which the client never answered
		if s.front.Sockets() != 0 {
			t.Error("a socket is left")
		}
	})
}

// TestClientThatStopsReadingIsDisconnected checks the limit of two minutes.
func TestClientThatStopsReadingIsDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.get("/")
		m := s.next("http.request")
		s.reply(m, msg{"status": 200, "content": strings.Repeat("x", 1<<20), "more_content": true})
		time.Sleep(writeTimeout - time.Second)
		if s.layer.waiting("http.disconnect") != 0 {
			t.Error("closed too soon")
		}
		time.Sleep(2 * time.Second)
		if s.layer.waiting("http.disconnect") != 1 {
			t.Error("not closed")
		}
	})
}

// TestEachRequestHasItsOwnChannel checks that names are letters and unique.
func TestEachRequestHasItsOwnChannel(t *testing.T) {
	n := newNames()
	seen := make(map[string]bool)
	for range 100_000 {
		name := n.next("a!")
		if seen[name] || len(name) != 2+localLength || asgi.CheckSend(name) != nil {
			t.Fatalf("name %q", name)
		}
		seen[name] = true
	}
	if localStride%2 == 0 || localStride%13 == 0 {
		t.Error("names repeat before all were used")
	}
}

// TestAccessIsCalledForEachRequest checks the fields of an event.
func TestAccessIsCalledForEachRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		began := time.Now()
		c.get("/a%20b?c")
		m := s.next("http.request")
		time.Sleep(time.Second)
		s.reply(m, msg{"status": 201, "content": "four"})
		c.response()
		e := <-s.seen
		if e.Channel == "" || e.Trace == 0 {
			t.Errorf("the event tells neither channel nor trace: %+v", e)
		}
		e.Client, e.Channel, e.Trace = nil, "", 0
		if want := (Event{Kind: HTTP, Method: "GET", Target: "/a%20b?c", Version: "1.1", Path: "/a b", Status: 201, Bytes: 4, Started: began, Duration: time.Second}); fmt.Sprint(e) != fmt.Sprint(want) {
			t.Errorf("got %+v, want %+v", e, want)
		}
		c.get("/\xc3")
		c.response().check(t, 400)
		if e := <-s.seen; e.Status != 400 || e.ClientString() != "192.0.2.7:4711" {
			t.Errorf("got %+v", e)
		}
	})
}

func TestAccessLineIsInTheCommonFormat(t *testing.T) {
	at := time.Date(2016, 11, 22, 19, 30, 35, 0, time.UTC)
	client := hostPort("::1", 5)
	for _, c := range []struct {
		e    Event
		want string
	}{
		{Event{Kind: HTTP, Client: client, Method: "GET", Target: "/a?b", Status: 200, Bytes: 18}, `[::1]:5 - - [22/Nov/2016:19:30:35] "GET /a?b" 200 18`},
		{Event{Kind: HTTP, Method: "GET", Target: "/\"\n", Status: 304}, `- - - [22/Nov/2016:19:30:35] "GET /??" 304 -`},
		{Event{Kind: SocketRefused, Client: client, Target: "/chat"}, `[::1]:5 - - [22/Nov/2016:19:30:35] "WSREJECT /chat" - -`},
	} {
		if got := c.e.Common(at); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// TestDisabledAccessLogCostsNothing checks the allocations under -q.
func TestDisabledAccessLogCostsNothing(t *testing.T) {
	log := LogAccess(slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn})))
	e := Event{Client: hostPort("192.0.2.7", 4711), Method: "GET", Path: "/", Status: 200, Duration: time.Second}
	if n := testing.AllocsPerRun(100, func() { log(e) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAConnectingWebSocketIsOneLine(t *testing.T) {
	var b strings.Builder
	log := LogAccess(slog.New(slog.NewTextHandler(&b, nil)))
	log(Event{Kind: SocketConnecting, Path: "/ws"})
	log(Event{Kind: SocketConnected, Path: "/ws", Status: 101})
	if lines := strings.Count(b.String(), "\n"); lines != 1 || !strings.Contains(b.String(), "WSCONNECT ") {
		t.Errorf("%d lines:\n%s", lines, b.String())
	}
}
