package httpfront

import (
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"
)

// TestTargetIsReadFromTheWire checks that path is percent-decoded UTF-8 and not
// cleaned, and that query_string is as sent.
func TestTargetIsReadFromTheWire(t *testing.T) {
	for _, c := range []struct {
		name, line  string
		path, query string // path "" for a refusal
	}{
		{"plain", "GET /a/b?c=d HTTP/1.1", "/a/b", "c=d"},
		{"no query", "GET /a HTTP/1.1", "/a", ""},
		{"empty query", "GET /a? HTTP/1.1", "/a", ""},
		{"query undecoded, second question mark unchanged", "GET /?a=%20+%zz?&b HTTP/1.1", "/", "a=%20+%zz?&b"},
		{"escapes decoded", "GET /%41%62%C3%A9 HTTP/1.1", "/Abé", ""},
		{"escaped slash decoded", "GET /a%2Fb%2f HTTP/1.1", "/a/b/", ""},
		{"plus unchanged", "GET /a+b HTTP/1.1", "/a+b", ""},
		{"double escapes decoded once", "GET /%2541 HTTP/1.1", "/%41", ""},
		{"invalid byte is U+FFFD", "GET /bad%FF HTTP/1.1", "/bad\ufffd", ""},
		{"each invalid byte is one U+FFFD", "GET /%C3%28%FF%FE HTTP/1.1", "/\ufffd(\ufffd\ufffd", ""},
		{"NUL is a character", "GET /a%00b HTTP/1.1", "/a\x00b", ""},
		{"double slash as sent", "GET //a//b HTTP/1.1", "//a//b", ""},
		{"dots as sent", "GET /a/../b/./c HTTP/1.1", "/a/../b/./c", ""},
		{"semicolon as sent", "GET /a;b=c HTTP/1.1", "/a;b=c", ""},
		{"absolute form gives its path", "GET http://h/a%20b?c HTTP/1.1", "/a b", "c"},
		{"absolute form without path", "GET http://h HTTP/1.1", "/", ""},
		{"absolute form with query only", "GET http://h?a HTTP/1.1", "/", "a"},
		{"OPTIONS *", "OPTIONS * HTTP/1.1", "*", ""},
		{"a path of one star", "GET /* HTTP/1.1", "/*", ""},
		{"raw non-ASCII in the path", "GET /\xc3\xa9 HTTP/1.1", "", ""},
		{"raw non-ASCII in the query", "GET /?\xc3\xa9 HTTP/1.1", "", ""},
		{"raw byte", "GET /\xff HTTP/1.1", "", ""},
		{"bad escape", "GET /%zz HTTP/1.1", "", ""},
		{"incomplete escape", "GET /a%4 HTTP/1.1", "", ""},
		{"bare percent", "GET /% HTTP/1.1", "", ""},
		{"star with GET", "GET * HTTP/1.1", "", ""},
		{"HEAD in lower case", "head / HTTP/1.1", "", ""},
		{"HEAD in mixed case", "Head / HTTP/1.1", "", ""},
		{"another method in lower case", "get /a HTTP/1.1", "/a", ""},
		{"no slash", "GET a/b HTTP/1.1", "", ""},
		{"CONNECT", "CONNECT h:80 HTTP/1.1", "", ""},
		{"CONNECT with a path", "CONNECT /a HTTP/1.1", "", ""},
		{"space in the target", "GET /a b HTTP/1.1", "", ""},
		{"two spaces", "GET  /a HTTP/1.1", "", ""},
		{"control character", "GET /\x01 HTTP/1.1", "", ""},
		{"no version", "GET /", "", ""},
		{"lower-case version", "GET / http/1.1", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{})
				client := s.dial()
				client.write(c.line + "\r\nHost: h\r\n\r\n")
				if c.path == "" {
					client.response().check(t, 400)
					if n := s.layer.waiting("http.request") + s.layer.waiting("http.disconnect"); n != 0 {
						t.Errorf("it was sent to the application: %d messages", n)
					}
					return
				}
				m := s.next("http.request")
				if m.Text("path") != c.path || string(m.Bytes("query_string")) != c.query {
					t.Errorf("path %q, query %q", m.Text("path"), m.Bytes("query_string"))
				}
				s.reply(m, msg{"status": 200})
				client.response().check(t, 200)
			})
		})
	}
}

func FuzzDecodePath(f *testing.F) {
	for _, s := range []string{"/", "/%41", "/%", "/%zz", "/%ff%fe", "/a%2", "//..;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		path, err := decodePath(raw)
		if err != nil {
			if strings.Count(raw, "%") == 0 {
				t.Errorf("%q has no escapes, yet: %v", raw, err)
			}
			return
		}
		if strings.IndexByte(raw, '%') >= 0 && !utf8.ValidString(path) {
			t.Errorf("%q became %q, which is not UTF-8", raw, path)
		}
		if len(path) > 3*len(raw) {
			t.Errorf("%q became longer: %q", raw, path)
		}
	})
}
