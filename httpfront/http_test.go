package httpfront

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

func TestRequestHasAllKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{RootPath: "/app"})
		c := s.dial()
		c.write("post /a%20b/%C3%A9%FF?x=%41&y HTTP/1.1\r\nHost: example.com\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\nx_c: 4\r\nContent-Length: 5\r\n\r\nhello")
		m := s.next("http.request")
		if !strings.HasPrefix(m.Text("reply_channel"), s.front.prefix) {
			t.Errorf("reply_channel %q is not on %q", m.Text("reply_channel"), s.front.prefix)
		}
		want := fields(t, msg{
			"reply_channel": m.Text("reply_channel"), "http_version": "1.1", "method": "POST", "scheme": "http",
			"path": "/a b/é\ufffd", "query_string": []byte("x=%41&y"), "root_path": "/app",
			"headers": []any{pair("host", "example.com"), pair("x-b", "1"), pair("x-a", "2"), pair("x-b", "3"), pair("content-length", "5")},
			"body":    []byte("hello"), "body_channel": nil,
			"client": []any{"192.0.2.7", 4711}, "server": []any{"10.0.0.1", 80},
		})
		if !asgi.Equal(m, want) {
			t.Errorf("got  %v\nwant %v", m, want)
		}
		s.reply(m, msg{"status": 200, "content": []byte("hi")})
		if a := c.response().check(t, 200); a.body != "hi" || a.ContentLength != 2 {
			t.Errorf("body %q, length %d", a.body, a.ContentLength)
		}
	})
}

func pair(name, value string) []any { return []any{[]byte(name), []byte(value)} }

func TestResponseStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.get("/")
		m := s.next("http.request")
		s.reply(m, msg{"status": 201, "headers": []any{pair("x-a", "1"), pair("X-A", "2")}, "content": "one", "more_content": true})
		got := make([]byte, 512)
		n, err := c.r.Read(got) // the first piece comes before the last is sent
		if err != nil || !strings.HasSuffix(string(got[:n]), "3\r\none\r\n") {
			t.Fatalf("first read: %q, %v", got[:n], err)
		}
		s.reply(m, msg{"content": []byte("two"), "more_content": true})
		s.reply(m, msg{})
		rest, _ := c.r.ReadString('0')
		if rest != "3\r\ntwo\r\n0" {
			t.Errorf("rest: %q", rest)
		}
	})
}

func TestTimeoutIs503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		started := time.Now()
		c.get("/slow")
		m := s.next("http.request")
		c.response().check(t, 503)
		if d := time.Since(started); d != 120*time.Second {
			t.Errorf("a response came after %v", d)
		}
		s.reply(m, msg{"status": 200})
		s.logs.contains(t, "a reply came after the time-out and was dropped")
	})
}

// TestRequestWithoutHeadersHasAnEmptyList sends two on one connection, because
// the list of the last request is stored.
func TestRequestWithoutHeadersHasAnEmptyList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		for range 2 {
			c := s.dial()
			c.write("GET / HTTP/1.0\r\n\r\n")
			m := s.next("http.request")
			v, _ := m.Get("headers")
			if list, ok := v.(asgi.List); !ok || list.Len() != 0 {
				t.Errorf("headers is %#v, want an empty list", v)
			}
			s.reply(m, msg{"status": 200})
			c.response()
		}
	})
}
