package httpfront

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRequestsAreRefusedAtOnceWhileTheLayerIsLost checks that the client learns when
// to try again, and that nothing is logged for each request.
func TestRequestsAreRefusedAtOnceWhileTheLayerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		s.layer.setLost(true)
		for _, request := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", handshake + "\r\n"} {
			began := time.Now()
			c := s.dial()
			c.write(request)
			r := c.response()
			if r.StatusCode != 503 || r.Header.Get("Retry-After") != "1" || time.Since(began) > 0 {
				t.Errorf("%d with Retry-After %q after %v", r.StatusCode, r.Header.Get("Retry-After"), time.Since(began))
			}
		}
		if log := s.logs.String(); strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") {
			t.Errorf("log: %s", log)
		}
	})
}

// TestSocketsStayOpenWhileTheLayerIsLost checks that frames wait for the layer, in
// order, and so does the disconnect message of a socket that ends meanwhile.
func TestSocketsStayOpenWhileTheLayerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		stays, app := s.open()
		leaves, leaving := s.open()
		s.layer.setLost(true)
		stays.frames(text("a"), text("b"))
		leaves.Close()
		time.Sleep(10 * time.Minute) // longer than a message lives
		s.layer.setLost(false)
		for _, want := range []string{"a", "b"} {
			if m := s.next("websocket.receive"); m.Text("text") != want {
				t.Errorf("got %v, want %s", m, want)
			}
		}
		leaving.disconnected(1006, 1)
		app.reply(msg{"text": "c"})
		stays.gets(text("c"))
	})
}

// TestAMessageThatMayHaveBeenSentIsNotSentAgain checks that each message of a socket
// is sent once although the layer is lost before it replies, and that the socket
// stays open.
func TestAMessageThatMayHaveBeenSentIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, app := s.open()
		s.layer.setUnsure(true)
		c.frames(text("a"), text("b"))
		time.Sleep(time.Minute)
		c.Close()
		time.Sleep(time.Minute)
		s.layer.setUnsure(false)
		for i, want := range []string{"a", "b"} {
			if m := s.next("websocket.receive"); m.Text("text") != want || m.Int("order") != int64(i+1) {
				t.Errorf("got %v, want %s", m, want)
			}
		}
		app.disconnected(1006, 3)
		if receives, disconnects := s.layer.waiting("websocket.receive"), s.layer.waiting("websocket.disconnect"); receives+disconnects > 0 {
			t.Errorf("%d frames and %d disconnect messages more", receives, disconnects)
		}
	})
}
