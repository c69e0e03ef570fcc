package httpfront

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// drip reads n bytes every second, until the connection ends.
func (c *client) drip(n int64) {
	go func() {
		for {
			if _, err := io.CopyN(io.Discard, c.Conn, n); err != nil {
				return
			}
			select {
			case <-time.After(time.Second):
			case <-c.t.Context().Done():
				return
			}
		}
	}()
}

// fill sends until there is no room.
func fill(t testing.TB, send func() error) {
	t.Helper()
	for range 20 {
		if send() != nil {
			return
		}
	}
	t.Fatal("there is still room")
}

// TestSilentClientsMakeRoom checks that clients that read little do not keep all the
// memory for output, and that those that read enough are not ended.
func TestSilentClientsMakeRoom(t *testing.T) {
	piece := strings.Repeat("x", 1_000_000)
	request := func(s *memServer) *client {
		c := s.dial()
		c.get("/")
		m := s.next("http.request")
		fill(s.t, func() error { return s.send(m, msg{"status": 200, "content": piece, "more_content": true}) })
		return c
	}
	socket := func(s *memServer) *client {
		c, app := s.open()
		fill(s.t, func() error { return app.send(msg{"text": piece}) })
		return c
	}
	response := func(s *memServer) *client {
		c := s.dial()
		c.get("/")
		m := s.next("http.request")
		fill(s.t, func() error { return s.send(m, msg{"status": 200, "content": piece}) })
		return c
	}
	refusal := func(s *memServer) *client {
		c, app := s.connect()
		fill(s.t, func() error {
			return app.send(msg{"close": true, "response": msg{"status": 403, "content": piece}})
		})
		return c
	}
	lastMessage := func(s *memServer) *client {
		c, app := s.open()
		app.send(msg{"text": piece, "close": true}) // fails if there is no room
		return c
	}
	for name, fullClient := range map[string]func(*memServer) *client{
		"HTTP": request, "WebSocket": socket, "complete response": response, "refused handshake": refusal, "last message": lastMessage,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{})
				slow := s.dial()
				slow.get("/slow")
				m := s.next("http.request")
				for range 5 {
					s.reply(m, msg{"status": 200, "content": piece, "more_content": true})
				}
				slow.drip(100_000)
				for range 300 {
					fullClient(s).drip(400)
				}
				honest := s.dial()
				honest.get("/")
				request := s.next("http.request")
				start := time.Now()
				for i := range 3 {
					for s.send(request, msg{"status": 200, "content": piece, "more_content": i < 2}) != nil {
						if time.Since(start) > 7*time.Second {
							t.Fatal("there is no room after 7 s")
						}
						time.Sleep(100 * time.Millisecond)
					}
				}
				if n := len(honest.response().check(t, 200).body); n != 3*len(piece) {
					t.Errorf("the body has %d bytes", n)
				}
				if name == "WebSocket" {
					if m := s.next("websocket.disconnect"); m.Int("code") != 1013 {
						t.Errorf("a WebSocket was closed with %d", m.Int("code"))
					}
				}
				if s.front.conns.box(m.Text("reply_channel")) == nil {
					t.Error("a client that reads slowly was ended")
				}
				s.logs.contains(t, "less than 5 KiB in 5 s")
			})
		})
	}
}

// TestSilentClientsStayWhileThereIsRoom checks that a client that does not read is
// ended only for others.
func TestSilentClientsStayWhileThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.get("/")
		m := s.next("http.request")
		s.reply(m, msg{"status": 200, "content": strings.Repeat("x", 1_000_000)})
		time.Sleep(time.Minute)
		if n := len(c.response().check(t, 200).body); n != 1_000_000 {
			t.Errorf("the body has %d bytes", n)
		}
	})
}

// TestNoCheckOfClientsOutlivesTheServer shuts a server down while it looks for silent
// clients.
func TestNoCheckOfClientsOutlivesTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		s.front.outputs.short()
		synctest.Wait()
		if err := s.front.Shutdown(t.Context()); err != nil || s.front.outputs.watching {
			t.Errorf("the server has ended (%v) and looks for silent clients is %v", err, s.front.outputs.watching)
		}
	})
}

// TestFewClientsDoNotTakeAllRoom checks that a client may hold less if others hold much.
func TestFewClientsDoNotTakeAllRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		part := msg{"status": 200, "content": strings.Repeat("x", 100_000), "more_content": true}
		var held []int64
		for range 16 {
			before := s.front.outputs.bytes.Load()
			s.dial().get("/")
			m := s.next("http.request")
			for s.send(m, part) == nil {
			}
			held = append(held, s.front.outputs.bytes.Load()-before)
		}
		if held[0] < 15<<20 || held[15] > 4<<20 || held[15] < 1<<20 || s.front.outputs.bytes.Load() > 128<<20 {
			t.Errorf("the mailboxes hold %d bytes", held)
		}
	})
}

// TestAResponseWhoseHandlerWasEndedForItsClientIsCut checks that a response is aborted at
// once, and not when the client has read what waits, if its handler has waited too long
// for the client.
func TestAResponseWhoseHandlerWasEndedForItsClientIsCut(t *testing.T) {
	for status, cut := range map[int]bool{408: true, 500: false} {
		synctest.Test(t, func(t *testing.T) {
			s := newMemServer(t, Options{})
			c := s.dial()
			c.get("/")
			m := s.next("http.request")
			s.reply(m, msg{"status": 200, "content": strings.Repeat("x", 1_000_000), "more_content": true})
			s.reply(m, msg{"status": status, "content": "failed", "abort": true})
			synctest.Wait()
			if ended := s.front.conns.box(m.Text("reply_channel")) == nil; ended != cut {
				t.Errorf("status %d: the response has ended is %v, want %v", status, ended, cut)
			}
		})
	}
}

// TestAPieceOfASlowUploadDoesNotWaitUntilItIsFull checks that a handler sees that a slow
// client sends.
func TestAPieceOfASlowUploadDoesNotWaitUntilItIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		go func() {
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 600000\r\n\r\n"+strings.Repeat("x", inlineBody))
			for {
				if _, err := io.WriteString(c, strings.Repeat("x", 2000)); err != nil {
					return
				}
				select {
				case <-time.After(time.Second):
				case <-t.Context().Done():
					return
				}
			}
		}()
		m := s.next("http.request")
		start := time.Now()
		for range 3 {
			s.next(m.Text("body_channel"))
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("three pieces took %v", took)
		}
		c.Close()
		s.reply(m, msg{"status": 200})
	})
}

// TestAResponseWithALostPartIsAborted delivers messages as a layer does whose senders do
// not wait for room.
func TestAResponseWithALostPartIsAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.get("/")
		m := s.next("http.request")
		s.reply(m, msg{"status": 200, "more_content": true})
		res, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		part := msg{"content": strings.Repeat("x", 1<<20), "more_content": true}
		fill(t, func() error { return s.send(m, part) })
		lost := asgi.Delivery{Channel: m.Text("reply_channel"), Message: fields(t, part), Lost: true}
		if err := s.front.deliver(lost); !errors.Is(err, asgi.ErrChannelFull) {
			t.Errorf("delivered: %v", err)
		}
		s.front.deliver(lost) // the connection may have ended
		if body, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("the client takes %d bytes for the complete response", len(body))
		}
		if n := strings.Count(s.logs.String(), "did not wait"); n != 1 {
			t.Errorf("it is in the log %d times, want once:\n%s", n, s.logs)
		}
	})
}

// TestAMessageCountsUntilItIsRead checks that what a transport holds back, and the last
// message to a client, count in the memory for output until the client has read them.
func TestAMessageCountsUntilItIsRead(t *testing.T) {
	for _, more := range []bool{true, false} {
		for _, size := range []int{200, 60_000, 1_000_000} {
			content := strings.Repeat("x", size)
			t.Run(fmt.Sprint("HTTP ", more, size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newMemServer(t, Options{})
					c := s.dial()
					c.get("/")
					s.reply(s.next("http.request"), msg{"status": 200, "content": content, "more_content": more})
					s.countsUntilRead(c, min(size, writePiece))
				})
			})
			t.Run(fmt.Sprint("WebSocket ", more, size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newMemServer(t, Options{})
					c, app := s.open()
					app.reply(msg{"text": content, "close": !more})
					s.countsUntilRead(c, size)
				})
			})
		}
	}
}

// countsUntilRead checks that at least size bytes count until the client reads.
func (s *memServer) countsUntilRead(c *client, size int) {
	s.t.Helper()
	synctest.Wait()
	if n := s.front.outputs.bytes.Load(); n < int64(size) {
		s.t.Errorf("%d bytes count for a client that reads nothing, want %d", n, size)
	}
	c.drip(2_000_000)
	time.Sleep(time.Second)
	synctest.Wait()
	if n := s.front.outputs.bytes.Load(); n != 0 {
		s.t.Errorf("%d bytes count after the client has read all", n)
	}
}

// TestASocketThatIsClosedAfterALongMessageEnds checks that a client that does not read the
// last message ends, and that one that reads it slowly gets all of it.
func TestASocketThatIsClosedAfterALongMessageEnds(t *testing.T) {
	last := msg{"text": strings.Repeat("x", 1_000_000), "close": 4000}
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{PingInterval: Forever})
		_, app := s.open()
		app.reply(last)
		time.Sleep(slowTimeout + closeTimeout)
		synctest.Wait()
		app.disconnected(4000, 1)
	})
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{PingInterval: Forever})
		c, app := s.open()
		app.reply(last)
		for range 100 {
			time.Sleep(5 * time.Second)
			if _, err := io.CopyN(io.Discard, c.r, 10_000); err != nil {
				t.Fatal(err)
			}
		}
		io.CopyN(io.Discard, c.r, 10) // the head of the frame
		c.closed(4000, "")
	})
}

// TestTheReplyOfAHandshakeCountsUntilItIsRead checks that the messages that open or refuse
// WebSockets count in the memory for output until their clients have read them.
func TestTheReplyOfAHandshakeCountsUntilItIsRead(t *testing.T) {
	page := strings.Repeat("x", 1_000_000)
	replies := map[string]msg{
		"accept": {"accept": true, "text": page},
		"refuse": {"close": true, "response": msg{"status": 403, "content": page}},
	}
	for name, reply := range replies {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{})
				c, app := s.connect()
				app.reply(reply)
				synctest.Wait()
				if n := s.front.outputs.bytes.Load(); n < int64(len(page)) {
					t.Errorf("%d bytes count for a client that reads nothing", n)
				}
				if n, err := io.Copy(io.Discard, io.LimitReader(c.r, int64(len(page)))); err != nil || n < int64(len(page)) {
					t.Fatalf("read %d bytes: %v", n, err)
				}
				c.drip(1 << 10)
				synctest.Wait()
				if n := s.front.outputs.bytes.Load(); n != 0 {
					t.Errorf("%d bytes count after the client has read all", n)
				}
			})
		})
	}
}
