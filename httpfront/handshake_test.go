package httpfront

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// TestBadHandshakeIsRefused checks that nothing is sent to the application.
func TestBadHandshakeIsRefused(t *testing.T) {
	edit := func(old, replacement string) string {
		if !strings.Contains(handshake, old) {
			t.Fatalf("no %q in the handshake", old)
		}
		return strings.Replace(handshake, old, replacement, 1)
	}
	for _, c := range []struct {
		name, head string
		status     int
	}{
		{"no key", edit("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), 400},
		{"a short key", edit("dGhlIHNhbXBsZSBub25jZQ==", "dGhl"), 400},
		{"a key that is not base64", edit("dGhlIHNhbXBsZSBub25jZQ==", "????????????????????????"), 400},
		{"two keys", handshake + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400},
		{"version 12", edit("Version: 13", "Version: 12"), 400},
		{"no version", edit("Sec-WebSocket-Version: 13\r\n", ""), 400},
		{"no connection header", edit("Connection: keep-alive, Upgrade\r\n", ""), 400},
		{"connection without upgrade", edit("keep-alive, Upgrade", "keep-alive"), 400},
		{"POST", edit("GET", "POST"), 405},
		{"GET in lower case", edit("GET", "get"), 405},
		{"HTTP/1.0", edit("HTTP/1.1", "HTTP/1.0"), 400},
		{"a body", handshake + "Content-Length: 5\r\n", 400},
		{"a chunked body", handshake + "Transfer-Encoding: chunked\r\n", 400},
		{"a fragment", edit("/ws?a=b", "/ws?a=b#c"), 400},
		{"a sub-protocol twice", handshake + "Sec-WebSocket-Protocol: a, a\r\n", 400},
		{"a sub-protocol that is no token", handshake + "Sec-WebSocket-Protocol: a b\r\n", 400},
		{"raw bytes in the target", edit("/ws", "/\xff"), 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{})
				client := s.dial()
				client.write(c.head + "\r\n")
				a := client.response().check(t, c.status)
				if strings.Contains(c.name, "version") && a.Header.Get("Sec-WebSocket-Version") != "13" {
					t.Errorf("headers %v", a.Header)
				}
				if !client.ended() {
					t.Error("the connection is still open")
				}
				if n := s.layer.waiting("websocket.connect") + s.layer.waiting("http.request"); n != 0 {
					t.Error("it was sent to the application")
				}
			})
		})
	}
}

// TestOtherUpgradeIsPlainHTTP checks that other protocols are ignored.
func TestOtherUpgradeIsPlainHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.get("/", "Connection: upgrade", "Upgrade: tarnhelm")
		s.reply(s.next("http.request"), msg{"status": 200})
		c.response().check(t, 200)
	})
}

// TestOrigins checks that no origin, the server's own and loopback to loopback
// are allowed. Others get 403, with a log line that names the flag.
func TestOrigins(t *testing.T) {
	for _, c := range []struct {
		host, origin string
		allow        []string
		ok           bool
	}{
		{"h", "", nil, true},
		{"h", "http://h", nil, true},
		{"H", "http://h", nil, true},
		{"h:80", "http://h", nil, true},
		{"h", "http://h:80", nil, true},
		{"h", "https://h", nil, true}, // a proxy may terminate TLS
		{"h:8000", "http://h:8000", nil, true},
		{"h:8000", "http://h", nil, false},
		{"h:8000", "http://h:8001", nil, false},
		{"h", "http://evil.h", nil, false},
		{"h", "http://evil", nil, false},
		{"h", "http://h.evil", nil, false},
		{"h", "null", nil, false},
		{"h", "file://", nil, false},
		{"h", "nonsense", nil, false},
		{"h", "http://", nil, false},
		{"localhost:8000", "http://localhost:3000", nil, true},
		{"localhost:8000", "http://127.0.0.1:3000", nil, true},
		{"127.0.0.1:8000", "http://[::1]", nil, true},
		{"app.localhost:8000", "http://localhost:1", nil, true},
		{"localhost:8000", "http://evil:8000", nil, false},
		{"h:8000", "http://localhost:8000", nil, false},
		{"localhost:8000", "http://localhost.evil", nil, false},
		{"h", "http://evil", []string{"*"}, true},
		{"h", "null", []string{"null"}, true},
		{"h", "https://a.example", []string{"https://a.example:443/"}, true},
		{"h", "https://A.example", []string{"https://a.example"}, true},
		{"h", "http://a.example", []string{"https://a.example"}, false},
		{"h", "https://b.example", []string{"https://a.example"}, false},
	} {
		t.Run(c.host+" from "+c.origin, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{AllowOrigins: c.allow})
				client := s.dial()
				head := strings.Replace(handshake, "Host: h\r\n", "Host: "+c.host+"\r\n", 1)
				if c.origin != "" {
					head += "Origin: " + c.origin + "\r\n"
				}
				client.write(head + "\r\n")
				if c.ok {
					m := s.next("websocket.connect")
					s.reply(m, msg{"accept": true})
					client.accepted()
					return
				}
				client.response().check(t, 403)
				s.logs.contains(t, "--allow-origin", "origin="+c.origin)
				if s.layer.waiting("websocket.connect") != 0 {
					t.Error("it was sent to the application")
				}
			})
		})
	}
	for _, bad := range []string{"example.com", "https://", "https://a/b", ""} {
		if _, err := New(newFakeLayer(), Options{AllowOrigins: []string{bad}}); err == nil || !strings.Contains(err.Error(), "--allow-origin") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestFullConnectChannelIs503 also checks that no disconnect is sent.
func TestFullConnectChannelIs503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		s.layer.setFull("websocket.connect", true)
		c := s.dial()
		c.write(handshake + "\r\n")
		if a := c.response().check(t, 503); a.Header.Get("Retry-After") != "1" {
			t.Errorf("headers %v", a.Header)
		}
		synctest.Wait()
		if s.layer.waiting("websocket.disconnect") != 0 || s.front.Sockets() != 0 {
			t.Error("there is a disconnect, or a socket")
		}
	})
}

// TestHandshakeTimeoutCanBeSwitchedOff sets --websocket-connect-timeout to -1.
func TestHandshakeTimeoutCanBeSwitchedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{ConnectTimeout: Forever})
		c, app := s.connect()
		time.Sleep(1000 * time.Hour)
		app.reply(msg{"accept": true})
		c.accepted()
	})
}

// TestClientThatLeavesItsHandshake checks for one disconnect with 1006.
func TestClientThatLeavesItsHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c, app := s.connect()
		c.Close()
		app.disconnected(1006, 1)
		if err := app.send(msg{"accept": true}); err != nil {
			t.Errorf("a late acceptance: %v", err)
		}
	})
}

// TestNoFrameBeforeAcceptance checks that an early frame waits for the accept.
func TestNoFrameBeforeAcceptance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.write(handshake + "\r\n" + string(text("early").bytes()))
		m := s.next("websocket.connect")
		synctest.Wait()
		if s.layer.waiting("websocket.receive") != 0 {
			t.Error("a frame was received before acceptance")
		}
		s.reply(m, msg{"accept": true})
		c.accepted()
		if m := s.next("websocket.receive"); m.Text("text") != "early" || m.Int("order") != 1 {
			t.Errorf("got %v", m)
		}
	})
}

// TestAcceptanceWaitsForItsBarrier also checks that a failed barrier gives 500.
func TestAcceptanceWaitsForItsBarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk()
		s := newMemServer(t, Options{})
		c, app := s.connect()
		s.layer.Send(t.Context(), disk.after(1), app.channel, fields(t, msg{"text": "hi"}))
		synctest.Wait()
		if s.front.conns.box(app.channel) == nil {
			t.Fatal("it has ended")
		}
		disk.finish(1, nil)
		c.accepted()
		c.gets(text("hi"))

		c, app = s.connect()
		s.layer.Send(t.Context(), disk.after(2), app.channel, fields(t, msg{"accept": true}))
		synctest.Wait()
		disk.finish(2, asgi.ErrStoreFailed)
		if a := c.response().check(t, 500); !strings.Contains(a.body, "could not be stored") {
			t.Errorf("body %q", a.body)
		}
		app.disconnected(1006, 1)
	})
}

// TestServerWithoutHijackerGives501 also checks for one disconnect.
func TestServerWithoutHijackerGives501(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(handshake + "\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		w, done := httptest.NewRecorder(), make(chan bool)
		go func() { s.front.ServeHTTP(w, r); close(done) }()
		m := s.next("websocket.connect")
		s.reply(m, msg{"accept": true})
		<-done
		if w.Code != 501 || s.next("websocket.disconnect").Int("code") != 1006 {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}
