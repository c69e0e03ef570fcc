package asgi

import (
	"strings"
	"testing"
)

// FuzzNames compares the five checks with a second implementation: which calls
// accept a name depends on its type character, and no call accepts a name with
// other bytes or of another length than allowed.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"", "a", "http.request", "a?b", "a!b", "a!", "a?", "?", "!b", "a?b!c", "a b", "ä", strings.Repeat("n", 101), "a\x00"} {
		f.Add(name)
	}
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
	f.Fuzz(func(t *testing.T, name string) {
		plain := len(name) >= 1 && len(name) <= MaxNameLength && strings.Trim(name, allowed) == ""
		before, after, typed := strings.Cut(name, "?")
		shriek := false
		if !typed {
			before, after, shriek = strings.Cut(name, "!")
		}
		split := (typed || shriek) && before != "" && len(name) <= MaxNameLength && strings.Trim(before+after, allowed) == ""
		for _, c := range []struct {
			call  string
			check func(string) error
			want  bool
		}{
			{"group", CheckGroup, plain},
			{"send", CheckSend, plain || split && after != ""},
			{"receive", CheckReceive, plain || split && shriek == (after == "")},
			{"prefix", CheckPrefix, split && shriek && after == ""},
			{"pattern", CheckPattern, split && typed && after == ""},
		} {
			if err := c.check(name); (err == nil) != c.want {
				t.Errorf("%s %q: %v, want accepted: %v", c.call, name, err, c.want)
			}
		}
		if CheckSend(name) == nil && shriek != (KindOf(name) == ProcessSpecific) {
			t.Errorf("kind of %q: %v", name, KindOf(name))
		}
		if p := ProcessPrefix(name); !strings.HasPrefix(name, p) || CheckSend(name) == nil && shriek && CheckPrefix(p) != nil {
			t.Errorf("prefix of %q: %q", name, p)
		}
	})
}
