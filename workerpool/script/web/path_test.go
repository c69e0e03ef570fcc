package web

import (
	"strings"
	"testing"
)

func TestPathsCapture(t *testing.T) {
	for _, c := range []struct{ pattern, path, want string }{
		{"/", "/", ""},
		{"/", "/x", "no"},
		{"/rooms/", "/rooms/", ""},
		{"/rooms/", "/rooms", "no"},
		{"/a.b", "/aXb", "no"},
		{"/rooms/<room>", "/rooms/blue", `room="blue"`},
		{"/rooms/<str:room>", "/rooms/é x", `room="é x"`},
		{"/rooms/<room>", "/rooms/", "no"},
		{"/rooms/<room>", "/rooms/a/b", "no"},
		{"/rooms/<room>/<int:n>.json", "/rooms/a/007.json", `room="a" n=7`},
		{"/n/<int:n>", "/n/-1", "no"},
		{"/n/<int:n>", "/n/9223372036854775807", "n=9223372036854775807"},
		{"/n/<int:n>", "/n/9223372036854775808", "no"},
		{"/n/<int:n>", "/n/1x", "no"},
		{"/f/<path:rest>", "/f/a/b//c", `rest="a/b//c"`},
		{"/f/<path:rest>", "/f/", "no"},
		{"/f/<path:rest>", "/f/a\nb", `rest="a\nb"`},
		{"/<a>-<b>", "/1-2-3", `a="1-2" b="3"`},
	} {
		p, err := CompilePath(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		captured, ok := p.Match(c.path)
		var got []string
		for _, capture := range captured {
			got = append(got, capture.String())
		}
		if s := strings.Join(got, " "); ok != (c.want != "no") || ok && s != c.want {
			t.Errorf("%s %s: got %v %s", c.pattern, c.path, ok, s)
		}
	}
}

func TestWrongPathsHaveHints(t *testing.T) {
	for _, c := range [][3]string{
		{"rooms/", "must begin with /", `write "/rooms/"`},
		{"", "must begin with /", `write "/"`},
		{`^/rooms/(?P<room>\w+)$`, "must begin with /", "not a regular expression"},
		{"/a/<room", "a < without a >", "<name>"},
		{"/a/room>", "a > without a <", "<name>"},
		{"/a/<>", "captures <>, which is not a valid name", ""},
		{"/a/<a b>", "captures <a b>, which is not a valid name", ""},
		{"/a/<1a>", "is not a valid name", ""},
		{"/a/<itn:n>", `no kind "itn"`, "did you mean <int:n>?"},
		{"/a/<uuid:n>", `no kind "uuid"`, "write <name>, <int:name> or <path:name>"},
		{"/a/<n>/<n>", "captures n twice", ""},
		{"/<path:rest>/x", "before its end", "put it last"},
	} {
		_, err := CompilePath(c[0])
		checkError(t, c[0], err, c[1], c[2])
	}
}

func TestNearSuggestsAPath(t *testing.T) {
	for _, c := range [][3]string{
		{"/rooms/<room>", "/room/blue", "/rooms/blue"},
		{"/rooms/<room>/edit", "/Rooms/blue/edti", "/rooms/blue/edit"},
		{"/files/<path:rest>", "/flies/a/b", "/files/a/b"},
		{"/about", "/abuot", "/about"},
		{"/rooms/<room>", "/rooms/blue", ""},
		{"/rooms/<room>", "/people/blue", ""},
		{"/rooms/<int:n>", "/room/blue", ""},
		{"/rooms/<room>", "/room", ""},
		{"/rooms/<room>", "/room/a/b", ""},
	} {
		p, err := CompilePath(c[0])
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Near(c[1]); got != c[2] {
			t.Errorf("%s near %s: got %q, want %q", c[1], c[0], got, c[2])
		}
	}
}

func FuzzPath(f *testing.F) {
	f.Add("/rooms/<room>/<int:n>", "/rooms/a/1")
	f.Add("/<path:p>", "/\n")
	f.Add("/(<a>)[", "/(x)[")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		p, err := CompilePath(pattern)
		if err != nil {
			return
		}
		captured, ok := p.Match(path)
		if ok && len(captured) != len(p.Names()) {
			t.Errorf("%q matches %q with %v", pattern, path, captured)
		}
		if len(p.Names()) == 0 && ok != (path == pattern) {
			t.Errorf("%q matches %q: %v", pattern, path, ok)
		}
	})
}
