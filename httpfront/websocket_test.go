package httpfront

import (
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

func TestConnectHasAllKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{RootPath: "/app"})
		c := s.dial()
		c.write(handshake + "X-A: 1\r\nX-A: 2\r\n\r\n")
		m := s.next("websocket.connect")
		want := fields(t, msg{
			"reply_channel": m.Text("reply_channel"), "http_version": "1.1", "scheme": "ws", "path": "/ws",
			"query_string": []byte("a=b"), "root_path": "/app", "order": 0,
			"headers": []any{
				pair("host", "h"), pair("upgrade", "websocket"), pair("connection", "keep-alive, Upgrade"), pair("sec-websocket-version", "13"),
				pair("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), pair("x-a", "1"), pair("x-a", "2"),
			},
			"client": []any{"192.0.2.7", 4711}, "server": []any{"10.0.0.1", 80},
		})
		if !asgi.Equal(m, want) {
			t.Errorf("got  %v\nwant %v", m, want)
		}
	})
}

func TestSocketCarriesMessagesBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, app := s.open()
		if s.front.Sockets() != 1 {
			t.Errorf("%d sockets", s.front.Sockets())
		}
		c.frames(text("hé"), binaryFrame("\xff"))
		for i, want := range []msg{
			{"text": "hé", "bytes": nil}, {"bytes": []byte("\xff"), "text": nil},
		} {
			want["reply_channel"], want["path"], want["order"] = app.channel, "/ws", i+1
			if m := s.next("websocket.receive"); !asgi.Equal(m, fields(t, want)) {
				t.Errorf("got %v, want %v", m, want)
			}
		}
		app.reply(msg{"text": "one"})
		app.reply(msg{"bytes": []byte("two"), "text": nil})
		app.reply(msg{"text": ""})
		c.gets(text("one"), binaryFrame("two"), text(""))
		c.frames(closeFrame(4001, "bye"))
		c.gets(closeFrame(4001, "bye"))
		app.disconnected(4001, 3)
		if s.front.Sockets() != 0 {
			t.Errorf("%d sockets", s.front.Sockets())
		}
	})
}

func TestHandshakeTimeoutIs403(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		started := time.Now()
		c, app := s.connect()
		c.response().check(t, 403)
		if d := time.Since(started); d != 5*time.Second {
			t.Errorf("a response came after %v", d)
		}
		app.disconnected(1006, 1)
		s.logs.contains(t, "a WebSocket handshake got no reply in time", app.channel)
	})
}

func TestShutdownCloses1001(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c1, app1 := s.open()
		c2, app2 := s.open()
		done := make(chan error)
		go func() { done <- s.front.Shutdown(t.Context()) }()
		c1.closed(1001, "the server is shutting down")
		c2.closed(1001, "the server is shutting down")
		if err := <-done; err != nil {
			t.Error(err)
		}
		codes := map[string]int64{}
		for range 2 {
			m := s.next("websocket.disconnect")
			codes[m.Text("reply_channel")] = m.Int("code")
		}
		if len(codes) != 2 || codes[app1.channel] != 1001 || codes[app2.channel] != 1001 {
			t.Errorf("disconnects: %v", codes)
		}
	})
}
