package httpfront

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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
	for name, fullClient := range map[string]func(*memServer) *client{"HTTP": request, "WebSocket": socket} {
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
				for range 20 {
					fullClient(s).drip(400)
				}
				honest := s.dial()
				honest.get("/")
				request := s.next("http.request")
				start := time.Now()
				for i := range 8 {
					for s.send(request, msg{"status": 200, "content": piece, "more_content": i < 7}) != nil {
						if time.Since(start) > 7*time.Second {
							t.Fatal("there is no room after 7 s")
						}
						time.Sleep(100 * time.Millisecond)
					}
				}
				if n := len(honest.response().check(t, 200).body); n != 8*len(piece) {
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
