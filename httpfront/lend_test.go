package httpfront

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/httpfront/devcert"
)

// newLentServer starts a server whose layer runs a handler on the goroutines of
// connections.
func newLentServer(t testing.TB, opts Options, handle func(s *memServer, request asgi.Message) error) *memServer {
	if mounted {
		t.Skip("only a connection of this server is lent")
	}
	layer := newFakeLayer()
	var s *memServer
	layer.runOnSender(func(d asgi.Delivery) error { return handle(s, d.Message) })
	opts.HTTPTimeout = 30 * time.Second
	s = newMemServerOn(t, layer, opts)
	return s
}

func TestALentGoroutineServesItsConnectionAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLentServer(t, Options{}, func(s *memServer, request asgi.Message) error {
			s.reply(request, msg{"status": 200, "content": request.Text("path")})
			return nil
		})
		c := s.dial()
		for n := range 3 {
			path := fmt.Sprint("/", n)
			c.get(path)
			if got := c.response().check(t, 200).body; got != path {
				t.Errorf("got %q", got)
			}
		}
	})
}

// TestASlowHandlerDoesNotHoldUpItsConnection checks what clients notice of a
// handler that runs on the goroutine of their connection and does not end.
func TestASlowHandlerDoesNotHoldUpItsConnection(t *testing.T) {
	t.Run("plain", func(t *testing.T) { testSlowHandler(t, Options{}) })
	t.Run("TLS", func(t *testing.T) {
		cert, err := devcert.Load(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		testSlowHandler(t, Options{TLS: cert.Config()})
	})
}

func testSlowHandler(t *testing.T, opts Options) {
	for _, c := range []struct {
		name    string
		replies []msg
		client  func(s *memServer, c *client)
	}{
		{"its response is written while it runs", []msg{{"status": 200, "content": "x"}}, func(s *memServer, c *client) {
			c.response().check(s.t, 200)
			s.layer.runOnSender(nil)
			c.get("/next")
			s.reply(s.next("http.request"), msg{"status": 204})
			c.response().check(s.t, 204)
		}},
		{"its client leaves", nil, func(s *memServer, c *client) {
			c.Close()
			s.next("http.disconnect")
		}},
		{"its request times out", nil, func(s *memServer, c *client) {
			c.response().check(s.t, 503)
			s.next("http.disconnect")
		}},
		{"the server stops", nil, func(s *memServer, c *client) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			stopped := make(chan struct{})
			go func() { s.front.Shutdown(ctx); close(stopped) }()
			c.response().check(s.t, 503)
			<-stopped
		}},
		{"a stream is written at once", []msg{
			{"status": 200, "more_content": true, "content": "one "}, {"more_content": true, "content": "two "},
		}, func(s *memServer, c *client) {
			began := time.Now()
			for _, want := range []string{"one ", "two "} {
				for line := ""; !strings.Contains(line, want); {
					var err error
					if line, err = c.r.ReadString(' '); err != nil {
						s.t.Fatal(err)
					}
				}
			}
			if took := time.Since(began); took != 0 {
				s.t.Errorf("it took %v", took)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				free := make(chan struct{})
				ended := false
				s := newLentServer(t, opts, func(s *memServer, request asgi.Message) error {
					for _, kv := range c.replies {
						s.reply(request, kv)
					}
					<-free
					ended = true
					return nil
				})
				client := s.dial()
				client.get("/")
				synctest.Wait()
				c.client(s, client)
				if ended {
					t.Error("the handler has ended")
				}
				close(free)
				synctest.Wait()
			})
		})
	}
}

func TestASlowClientDoesNotHoldUpAHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := 0
		s := newLentServer(t, Options{}, func(s *memServer, request asgi.Message) error {
			for range 10 {
				s.reply(request, msg{"status": 200, "more_content": true, "content": strings.Repeat("x", 1<<20)})
			}
			s.reply(request, msg{"content": "end"})
			done++
			return nil
		})
		c := s.dial()
		c.get("/")
		synctest.Wait() // the client reads nothing
		if done != 1 {
			t.Error("the handler waits")
		}
		if body := c.response().check(t, 200).body; len(body) != 10<<20+3 {
			t.Errorf("got %d bytes", len(body))
		}
	})
}

func TestASendThatFailsLateIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLentServer(t, Options{}, func(s *memServer, request asgi.Message) error {
			time.Sleep(time.Second) // another goroutine takes over
			return &asgi.ChannelFullError{Channel: "http.request", Reason: "the test says so"}
		})
		c := s.dial()
		c.get("/")
		c.response().check(t, 503)
		synctest.Wait()
		if n := s.layer.waiting("http.disconnect"); n != 0 {
			t.Errorf("%d disconnects were sent", n)
		}
	})
}

func TestALongBodyDoesNotLendItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLentServer(t, Options{}, func(*memServer, asgi.Message) error { return errors.New("lent") })
		c := s.dial()
		body := strings.Repeat("x", 3<<20)
		go io.WriteString(c, fmt.Sprintf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		m := s.next("http.request")
		if m.Text("body_channel") == "" {
			t.Error("the request has no body channel")
		}
		s.reply(m, msg{"status": 200})
		c.response().check(t, 200)
	})
}
