package httpfront

import (
	"strings"
	"testing"
	"testing/synctest"
)

func TestRootPathIsTheBeginningOfAURL(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "/": "/", "/app": "/app", "/app/": "/app/", "/a/b;c=d": "/a/b;c=d", "/é": "/é",
		"/a%20b%3f": "/a b?", "/%C3%A9%ff": "/é\ufffd",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newMemServer(t, Options{RootPath: text})
			c := s.dial()
			c.get("/")
			m := s.next("http.request")
			if got := m.Text("root_path"); got != want {
				t.Errorf("%q is %q, want %q", text, got, want)
			}
			s.reply(m, msg{"status": 200})
			c.response()
		})
	}
	for _, bad := range []string{
		"app", "app/", "?", "/a?b", "/a?", "/a#b", "/a b", " /a", "/a ", "/a\tb", "/a\r\nb", "/a\x00", "/a\x7f", "/a\u0085", "/a\u00a0b", "/\xff", "/%", "/%4", "/%zz", "/a%2", "http://h/a",
	} {
		if _, err := New(newFakeLayer(), Options{RootPath: bad}); err == nil || !strings.Contains(err.Error(), "--root-path") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
