package httpfront

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
)

// TestClientThatOnlyStopsWritingSeesNoCompleteResponse uses a client that has
// closed its sending side. net/http treats it as disconnected, but it can still
// read. It must not see a response that the application did not send or finish.
func TestClientThatOnlyStopsWritingSeesNoCompleteResponse(t *testing.T) {
	request := "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
	t.Run("before the response", func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := halfClosed(s, request)
		s.next("http.request")
		s.next("http.disconnect")
		if out, _ := io.ReadAll(c.r); len(out) != 0 {
			t.Errorf("it received %q", out)
		}
	})
	t.Run("within the response", func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := dialTCP(s)
		c.write(request)
		m := s.next("http.request")
		s.reply(m, msg{"status": 200, "content": "part", "more_content": true})
		res, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Conn.(*net.TCPConn).CloseWrite()
		s.next("http.disconnect")
		if body, err := io.ReadAll(res.Body); string(body) != "part" || err == nil {
			t.Errorf("the body is %q, and its end %v; want a broken one", body, err)
		}
	})
	t.Run("before the reply to a handshake", func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := halfClosed(s, handshake+"\r\n")
		s.next("websocket.connect")
		if m := s.next("websocket.disconnect"); m.Int("code") != 1006 {
			t.Errorf("code %d, want 1006", m.Int("code"))
		}
		if out, _ := io.ReadAll(c.r); len(out) != 0 {
			t.Errorf("it received %q", out)
		}
	})
}

// halfClosed sends bytes and closes the sending side.
func halfClosed(s *memServer, request string) *client {
	s.t.Helper()
	c := dialTCP(s)
	if _, err := io.WriteString(c.Conn, request); err != nil {
		s.t.Fatal(err)
	}
	c.Conn.(*net.TCPConn).CloseWrite()
	return c
}

// dialTCP connects a client over a real socket, whose sending side can be closed.
func dialTCP(s *memServer) *client {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.front.Serve(ctx, l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		conn.Close()
		stop()
		<-served
	})
	return &client{t: s.t, Conn: conn, r: bufio.NewReader(conn)}
}
