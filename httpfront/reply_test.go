package httpfront

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"asgibox/asgi"
	"asgibox/httpfront/http1"
)

// TestBadFirstReplyIs500 checks that the log names the channel, the key and the
// problem.
func TestBadFirstReplyIs500(t *testing.T) {
	for _, c := range []struct {
		name  string
		reply msg
		key   string
		what  string
	}{
		{"no status", msg{"content": "x"}, "status", "must have one"},
		{"status None", msg{"status": nil}, "status", "must have one"},
		{"empty message", msg{}, "status", "must have one"},
		{"status as text", msg{"status": "200"}, "status", "not text"},
		{"status as float", msg{"status": 200.0}, "status", "not a float"},
		{"status as bool", msg{"status": true}, "status", "not a bool"},
		{"status 199", msg{"status": 199}, "status", "199"},
		{"status 100", msg{"status": 100}, "status", "100"},
		{"status 1000", msg{"status": 1000}, "status", "1000"},
		{"status 0", msg{"status": 0}, "status", "0 is not"},
		{"negative status", msg{"status": -200}, "status", "-200"},
		{"content as a number", msg{"status": 200, "content": 1}, "content", "not an integer"},
		{"content as a list", msg{"status": 200, "content": []any{}}, "content", "not a list"},
		{"more_content as a number", msg{"status": 200, "more_content": 1}, "more_content", "not an integer"},
		{"headers as a dict", msg{"status": 200, "headers": msg{"a": "b"}}, "headers", "not a dict"},
		{"a header as text", msg{"status": 200, "headers": []any{"a: b"}}, "headers[0]", "name and a value"},
		{"a header of three", msg{"status": 200, "headers": []any{pair("a", "b"), []any{"a", "b", "c"}}}, "headers[1]", "name and a value"},
		{"a header value as a number", msg{"status": 200, "headers": []any{[]any{"a", 1}}}, "headers[0][1]", "not an integer"},
		{"a header name as None", msg{"status": 200, "headers": []any{[]any{nil, "b"}}}, "headers[0][0]", "not None"},
		{"an empty name", msg{"status": 200, "headers": []any{pair("", "b")}}, "headers[0][0]", "not a header name"},
		{"a name with a space", msg{"status": 200, "headers": []any{pair("a b", "c")}}, "headers[0][0]", "not a header name"},
		{"a name with a colon", msg{"status": 200, "headers": []any{pair("a:", "c")}}, "headers[0][0]", "not a header name"},
		{"a name with CR LF", msg{"status": 200, "headers": []any{pair("a\r\nb", "c")}}, "headers[0][0]", "not a header name"},
		{"a name beyond ASCII", msg{"status": 200, "headers": []any{pair("é", "c")}}, "headers[0][0]", "not a header name"},
		{"a value with LF", msg{"status": 200, "headers": []any{pair("a", "b\nset-cookie: c")}}, "headers[0][1]", "line ends"},
		{"a value with CR", msg{"status": 200, "headers": []any{pair("a", "b\rc")}}, "headers[0][1]", "line ends"},
		{"a value with NUL", msg{"status": 200, "headers": []any{pair("a", "b\x00")}}, "headers[0][1]", "control"},
		{"a value with DEL", msg{"status": 200, "headers": []any{pair("a", "\x7f")}}, "headers[0][1]", "control"},
		{"content-length that is none", msg{"status": 200, "headers": []any{pair("content-length", "x")}}, "headers[0]", "not a single number"},
		{"two content-lengths", msg{"status": 200, "headers": []any{pair("content-length", "1"), pair("Content-Length", "2")}}, "headers[1]", "not a single number"},
		{"content-length too small", msg{"status": 200, "headers": []any{pair("content-length", "1")}, "content": "ab"}, "headers", "is 1 but the content has 2 bytes"},
		{"content-length too large", msg{"status": 200, "headers": []any{pair("content-length", "3")}, "content": "ab"}, "headers", "is 3 but the content has 2 bytes"},
		{"a transfer-encoding", msg{"status": 200, "headers": []any{pair("transfer-encoding", "gzip")}}, "headers[0]", "only the server may set it"},
		{"request that is no dict", msg{"request": "x"}, "request", "not text"},
		{"abort that is no bool", msg{"status": 200, "abort": "x"}, "abort", "not text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{})
				client := s.dial()
				client.get("/")
				m := s.next("http.request")
				s.reply(m, c.reply)
				a := client.response().check(t, 500)
				if a.Header.Get("Set-Cookie") != "" {
					t.Error("a header was smuggled in")
				}
				s.logs.contains(t, m.Text("reply_channel"), "key="+c.key, c.what)
				client.get("/next") // and the server goes on
				s.reply(s.next("http.request"), msg{"status": 200})
				client.response().check(t, 200)
			})
		})
	}
}

// TestGoodReplies checks valid messages and the responses they become.
func TestGoodReplies(t *testing.T) {
	for _, c := range []struct {
		name   string
		method string
		reply  msg
		want   string // the response but for its date
	}{
		{"bytes", "GET", msg{"status": 200, "content": []byte("a\xff")}, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na\xff"},
		{"text is UTF-8", "GET", msg{"status": 200, "content": "é"}, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\né"},
		{"no content-type is invented", "GET", msg{"status": 200, "content": "<html>"}, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"},
		{"no content", "GET", msg{"status": 404}, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"},
		{"None is absence", "GET", msg{"status": 200, "headers": nil, "content": nil, "more_content": nil}, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{"text headers", "GET", msg{"status": 200, "headers": []any{[]any{"x-a", "b"}}}, "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 0\r\n\r\n"},
		{"duplicates in order", "GET", msg{"status": 200, "headers": []any{pair("set-cookie", "b"), pair("Set-Cookie", "a")}},
			"HTTP/1.1 200 OK\r\nSet-Cookie: b\r\nSet-Cookie: a\r\nContent-Length: 0\r\n\r\n"},
		{"value bytes beyond ASCII", "GET", msg{"status": 200, "headers": []any{pair("x-a", "\xe9\t!")}}, "HTTP/1.1 200 OK\r\nX-A: \xe9\t!\r\nContent-Length: 0\r\n\r\n"},
		{"its own date", "GET", msg{"status": 200, "headers": []any{pair("date", "today")}}, "HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 0\r\n\r\n"},
		{"an unknown status", "GET", msg{"status": 299}, "HTTP/1.1 299 status code 299\r\nContent-Length: 0\r\n\r\n"},
		{"status 999", "GET", msg{"status": 999}, "HTTP/1.1 999 status code 999\r\nContent-Length: 0\r\n\r\n"},
		{"its own length", "GET", msg{"status": 200, "headers": []any{pair("content-length", "2")}, "content": "ab"}, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"},
		{"its length twice the same", "GET", msg{"status": 200, "headers": []any{pair("content-length", "2"), pair("content-length", "2")}, "content": "ab"}, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"},
		{"chunked is the server's word", "GET", msg{"status": 200, "headers": []any{pair("transfer-encoding", "chunked")}, "content": "ab"}, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"},
		{"HEAD has no body", "HEAD", msg{"status": 200, "content": "ab"}, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"},
		{"HEAD with a length only", "HEAD", msg{"status": 200, "headers": []any{pair("content-length", "7")}}, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"},
		{"204 has no body", "GET", msg{"status": 204, "content": "ab"}, "HTTP/1.1 204 No Content\r\n\r\n"},
		{"204 has no length", "GET", msg{"status": 204, "headers": []any{pair("content-length", "0")}}, "HTTP/1.1 204 No Content\r\n\r\n"},
		{"204 has no length, even with content", "GET", msg{"status": 204, "headers": []any{pair("content-length", "2")}, "content": "ab"}, "HTTP/1.1 204 No Content\r\n\r\n"},
		{"205 has an empty body", "GET", msg{"status": 205, "content": "ab"}, "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"},
		{"205 has no other length", "GET", msg{"status": 205, "headers": []any{pair("content-length", "2")}, "content": "ab"}, "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"},
		{"205 is no stream", "GET", msg{"status": 205, "content": "ab", "more_content": true}, "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"},
		{"HEAD of a 205", "HEAD", msg{"status": 205, "content": "ab"}, "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"},
		{"304 has no body", "GET", msg{"status": 304, "headers": []any{pair("etag", "x")}, "content": "ab"}, "HTTP/1.1 304 Not Modified\r\nEtag: x\r\n\r\n"},
		{"an abort with a response", "GET", msg{"status": 500, "content": "oh", "abort": true}, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\noh"},
		{"an abort that is False", "GET", msg{"status": 200, "abort": false}, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{})
				client := s.dial()
				client.write(c.method + " / HTTP/1.1\r\nHost: h\r\n\r\n")
				s.reply(s.next("http.request"), c.reply)
				got := client.raw(len(c.want))
				if got != c.want {
					t.Errorf("got  %q\nwant %q", got, c.want)
				}
				client.get("/next") // and nothing follows
				s.reply(s.next("http.request"), msg{"status": 200})
				client.response().check(t, 200)
			})
		})
	}
}

// raw reads a response as bytes, without the date that the server adds.
func (c *client) raw(n int) string {
	c.t.Helper()
	var b strings.Builder
	for b.Len() < n {
		line, err := c.r.ReadString('\n')
		if err != nil {
			break
		}
		if !strings.HasSuffix(line, " GMT\r\n") {
			b.WriteString(line)
		}
		if line == "\r\n" {
			io.CopyN(&b, c.r, int64(n-b.Len()))
		}
	}
	return b.String()
}

// TestUnknownKeysAreIgnoredAndLogged checks that the response is still sent.
func TestUnknownKeysAreIgnoredAndLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.get("/")
		m := s.next("http.request")
		s.reply(m, msg{"status": 200, "contents": "typo", "content": "a"})
		if a := c.response().check(t, 200); a.body != "a" {
			t.Errorf("body %q", a.body)
		}
		s.logs.contains(t, "key=contents", m.Text("reply_channel"))
	})
}

// TestSecondStatusIsIgnored checks that it is logged and that the rest of its
// message counts. An application may repeat the status in every part.
func TestSecondStatusIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.get("/")
		m := s.next("http.request")
		s.reply(m, msg{"status": 200, "content": "a", "more_content": true})
		s.reply(m, msg{"status": 500, "content": "b", "more_content": true})
		s.reply(m, msg{"status": 200, "content": "c"})
		if a := c.response().check(t, 200); a.body != "abc" || a.err != nil {
			t.Errorf("body %q, %v", a.body, a.err)
		}
		s.logs.contains(t, "a second status was ignored")
	})
}

// TestBadReplyAbortsAStartedResponse checks that the client sees an incomplete
// response.
func TestBadReplyAbortsAStartedResponse(t *testing.T) {
	for _, c := range []struct {
		name         string
		first, later msg
	}{
		{"wrong type", msg{"status": 200, "more_content": true}, msg{"content": 1}},
		{"abort", msg{"status": 200, "more_content": true}, msg{"abort": true}},
		{"abort with a response", msg{"status": 200, "more_content": true}, msg{"abort": true, "status": 500, "headers": []any{pair("a", "b")}, "content": "oh"}},
		{"longer than its length", msg{"status": 200, "headers": []any{pair("content-length", "2")}, "content": "a", "more_content": true}, msg{"content": "bc"}},
		{"shorter than its length", msg{"status": 200, "headers": []any{pair("content-length", "3")}, "content": "a", "more_content": true}, msg{"content": "b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{})
				client := s.dial()
				client.get("/")
				m := s.next("http.request")
				s.reply(m, c.first)
				s.reply(m, c.later)
				a := client.response().check(t, 200)
				if a.err == nil {
					t.Errorf("the response looks whole: %q", a.body)
				}
				if len(a.body) > 2 {
					t.Errorf("body %q", a.body)
				}
				if d := s.next("http.disconnect"); d.Text("reply_channel") != m.Text("reply_channel") {
					t.Errorf("disconnect %v", d)
				}
				if strings.Contains(s.logs.String(), "means nothing") {
					t.Errorf("an aborting reply is complained of:\n%s", s.logs)
				}
			})
		})
	}
}

// TestPushIsDroppedIfUnsupported uses HTTP/1, which has no push.
func TestPushIsDroppedIfUnsupported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		c := s.dial()
		c.get("/")
		m := s.next("http.request")
		s.reply(m, msg{"request": msg{"path": "/style.css", "method": "GET"}})
		s.reply(m, msg{"status": 200, "content": "a"})
		if a := c.response().check(t, 200); a.body != "a" {
			t.Errorf("body %q", a.body)
		}
	})
}

// FuzzReply checks that any message is parsed to a reply with one line per header,
// or to a problem with a key.
func FuzzReply(f *testing.F) {
	f.Add(int64(200), "content-length", "5", []byte("hello"), true)
	f.Add(int64(99), "a\r\nb", "c\x00", []byte{}, false)
	f.Fuzz(func(t *testing.T, status int64, name, value string, content []byte, more bool) {
		m, err := asgi.NewMessage(
			asgi.Field{Key: "status", Value: status}, asgi.Field{Key: "content", Value: content}, asgi.Field{Key: "more_content", Value: more},
			asgi.Field{Key: "headers", Value: []any{[]any{[]byte(name), []byte(value)}}},
		)
		if err != nil {
			return // not a message
		}
		p, bad := parseReply(m, true)
		if bad != nil {
			if bad.key == "" || bad.what == "" {
				t.Errorf("a problem without words: %+v", bad)
			}
			return
		}
		if p.status < 200 || p.status > 999 {
			t.Errorf("status %d", p.status)
		}
		h := http1.Head{Minor: 1, Status: p.status, Headers: p.headers, Date: "today", Length: p.length}
		lines := strings.Split(string(h.Append(nil)), "\r\n")
		if text := strings.Join(lines, ""); len(lines) > 7 || strings.ContainsAny(text, "\r\n\x00") {
			t.Errorf("written as %q", lines)
		}
	})
}
