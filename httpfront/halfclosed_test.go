package httpfront

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestHalfClosedClientGetsItsResponse uses clients that close their sending half
// after the request, as nc and many scripts do. net/http treats them as
// disconnected, but they still read.
func TestHalfClosedClientGetsItsResponse(t *testing.T) {
	for _, c := range []struct {
		name    string
		before  time.Duration // time until the first message
		between time.Duration // time until each further message
		pieces  int           // of a streamed response; 0 for a complete response
		empty   int           // pieces without content after them
		whole   bool          // the client gets the whole response
	}{
		{name: "at once", whole: true},
		{name: "within the limit", before: silenceLimit - 1, whole: true},
		{name: "never begun", before: time.Hour},
		{name: "stream", before: time.Second, between: time.Second, pieces: 10, whole: true},
		{name: "idle stream", before: time.Second, between: time.Hour, pieces: 2},
		{name: "stream of nothing", before: time.Second, between: time.Second, pieces: 1, empty: 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{})
				client := s.halfClosed("GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
				m := s.next("http.request")
				began := time.Now()
				var ended time.Time
				go func() {
					s.next("http.disconnect")
					ended = time.Now()
				}()
				go func() {
					time.Sleep(c.before)
					s.send(m, msg{"status": 200, "content": "x", "more_content": c.pieces > 0})
					for range c.pieces {
						time.Sleep(c.between)
						s.send(m, msg{"content": "x", "more_content": true})
					}
					for range c.empty {
						time.Sleep(time.Second)
						s.send(m, msg{"more_content": true})
					}
					if c.whole {
						s.send(m, msg{})
					}
				}()
				res, err := http.ReadResponse(client.r, nil)
				if err == nil {
					_, err = io.ReadAll(res.Body)
				}
				if (err == nil) != c.whole {
					t.Errorf("reading the response: %v; want all of it: %v", err, c.whole)
				}
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				if took := ended.Sub(began); ended.IsZero() || took > time.Duration(c.pieces)*time.Second+c.before+silenceLimit && c.before < time.Hour {
					t.Errorf("the request ended after %v", took)
				}
			})
		})
	}
}

func TestHalfClosedClientThatIsLostIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		client := s.halfClosed("GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
		m := s.next("http.request")
		client.Close()
		began := time.Now()
		for range 2 {
			s.send(m, msg{"status": 200, "content": "x", "more_content": true})
			synctest.Wait()
		}
		s.next("http.disconnect")
		if took := time.Since(began); took != 0 {
			t.Errorf("the request ended after %v", took)
		}
	})
}

func TestHalfClosedClientLeavesItsHandshakeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		client := s.halfClosed(handshake + "\r\n")
		s.next("websocket.connect")
		began := time.Now()
		if m := s.next("websocket.disconnect"); m.Int("code") != 1006 {
			t.Errorf("code %d, want 1006", m.Int("code"))
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the handshake ended after %v", took)
		}
		if out, _ := io.ReadAll(client.r); len(out) != 0 {
			t.Errorf("it received %q", out)
		}
	})
}

// halfClosed connects a client that sends a request and closes its sending half.
func (s *memServer) halfClosed(request string) *client {
	s.t.Helper()
	toServer, fromClient := net.Pipe()
	toClient, fromServer := net.Pipe()
	s.net.conns <- &memConn{&halves{toServer, fromServer}, memAddr("10.0.0.1:80"), memAddr("192.0.2.7:4711")}
	s.t.Cleanup(func() { toClient.Close() })
	if _, err := io.WriteString(fromClient, request); err != nil {
		s.t.Fatal(err)
	}
	fromClient.Close()
	return &client{t: s.t, Conn: toClient, r: bufio.NewReader(toClient)}
}

// halves is a connection of two pipes, one for each direction.
type halves struct {
	net.Conn // for reading
	out      net.Conn
}

func (c *halves) Write(p []byte) (int, error)        { return c.out.Write(p) }
func (c *halves) SetWriteDeadline(t time.Time) error { return c.out.SetWriteDeadline(t) }

func (c *halves) Close() error {
	c.Conn.Close()
	return c.out.Close()
}
