package asgi

import (
	"errors"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	long := strings.Repeat("n", MaxNameLength)
	for _, tt := range []struct {
		name                                  string
		send, receive, prefix, pattern, group bool
	}{
		{"http.request", true, true, false, false, true},
		{"A-z_0.9", true, true, false, false, true},
		{long, true, true, false, false, true},
		{"body?x7Kd", true, true, false, false, false},
		{"reply!c41", true, false, false, false, false},
		{"reply!", false, true, true, false, false},
		{"body?", false, false, false, true, false},
		{long + "n", false, false, false, false, false},
		{"", false, false, false, false, false},
		{"a b", false, false, false, false, false},
		{"name\n", false, false, false, false, false},
		{"nämé", false, false, false, false, false},
		{"a?b?c", false, false, false, false, false},
		{"a?b!", false, false, false, false, false},
		{"a!b!", false, false, false, false, false},
		{"!a", false, false, false, false, false},
		{"?a", false, false, false, false, false},
	} {
		for _, c := range []struct {
			call  string
			check func(string) error
			ok    bool
		}{{"send", CheckSend, tt.send}, {"receive", CheckReceive, tt.receive}, {"prefix", CheckPrefix, tt.prefix}, {"pattern", CheckPattern, tt.pattern}, {"group", CheckGroup, tt.group}} {
			err := c.check(tt.name)
			if (err == nil) != c.ok {
				t.Errorf("%s %q: %v", c.call, tt.name, err)
			}
			if err != nil && !errors.Is(err, ErrInvalidName) {
				t.Errorf("%s %q: %v is not an ErrInvalidName", c.call, tt.name, err)
			}
		}
	}
}

func TestKindsAndPrefixes(t *testing.T) {
	for _, tt := range []struct {
		name, prefix string
		kind         Kind
	}{{"a", "a", Normal}, {"a?b", "a?b", SingleReader}, {"a!b", "a!", ProcessSpecific}, {"a!", "a!", ProcessSpecific}} {
		if k, p := KindOf(tt.name), ProcessPrefix(tt.name); k != tt.kind || p != tt.prefix {
			t.Errorf("%q: kind %d, prefix %q", tt.name, k, p)
		}
	}
}
