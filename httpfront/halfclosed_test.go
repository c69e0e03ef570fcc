package httpfront

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
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

// TestHalfClosedClientMustRead uses clients that do not read, or read slowly, a
// message whose writing has begun when they close their sending half.
func TestHalfClosedClientMustRead(t *testing.T) {
	const size = 1 << 20
	for _, kind := range []string{"http", "websocket"} {
		for _, reads := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, " reads ", reads), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newMemServer(t, Options{})
					disconnect := "http.disconnect"
					var client *client
					var m asgi.Message
					if kind == "http" {
						client = s.halves("GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
						m = s.next("http.request")
						s.reply(m, msg{"status": 200, "content": strings.Repeat("x", size), "more_content": true})
					} else {
						disconnect = "websocket.disconnect"
						client = s.halves(handshake + "\r\n")
						m = s.next("websocket.connect")
						s.reply(m, msg{"accept": true})
						client.accepted()
						s.reply(m, msg{"text": strings.Repeat("x", size)})
					}
					time.Sleep(time.Minute / 2)
					began := time.Now()
					client.closeHalf()
					got := make(chan int, 1)
					go func() {
						n := 0
						for buf := make([]byte, 16<<10); reads; {
							time.Sleep(time.Second / 4)
							m, err := io.ReadFull(client.r, buf)
							if n += m; err != nil {
								break
							}
						}
						got <- n
					}()
					s.next(disconnect)
					took := time.Since(began)
					if n := <-got; reads && n < size || !reads && took != silenceLimit {
						t.Errorf("it ended after %v, and the client has read %d bytes", took, n)
					}
				})
			})
		}
	}
}

// halfClosed connects a client that sends a request and closes its sending half.
func (s *memServer) halfClosed(request string) *client {
	s.t.Helper()
	c := s.halves(request)
	c.closeHalf()
	return c
}

// closeHalf closes the sending half of a client of halves.
func (c *client) closeHalf() { c.Conn.(*halves).out.Close() }

// halves connects a client that sends a request and can close each half.
func (s *memServer) halves(request string) *client {
	s.t.Helper()
	toServer, fromClient := net.Pipe()
	toClient, fromServer := net.Pipe()
	s.net.conns <- &memConn{&halves{toServer, fromServer}, memAddr("10.0.0.1:80"), memAddr("192.0.2.7:4711")}
	s.t.Cleanup(func() { toClient.Close() })
	if _, err := io.WriteString(fromClient, request); err != nil {
		s.t.Fatal(err)
	}
	return &client{t: s.t, Conn: &halves{toClient, fromClient}, r: bufio.NewReader(toClient)}
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
