package asgi

import "testing"

func TestMatchName(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"http.request", "http.request", true},
		{"http.request", "http.requests", false},
		{"http.request", "http", false},
		{"*", "", true},
		{"*", "anything!x", true},
		{"websocket.*", "websocket.connect", true},
		{"websocket.*", "websocket.", true},
		{"websocket.*", "http.websocket.x", false},
		{"*.request", "http.request", true},
		{"*.request", "http.request.body?x", false},
		{"a*b", "ab", true},
		{"a*b", "a", false},
		{"ab*b", "ab", false},
		{"a*b*c", "a.b.b.c", true},
		{"a*b*c", "a.c.b", false},
		{"a*b*b", "ab", false},
		{"*a*", "bab", true},
		{"**", "x", true},
		{"http.request.body?*", "http.request.body?x7Kd", true},
		{"body?", "bodyx", false},
		{"", "", true},
		{"", "a", false},
	} {
		if got := MatchName(tt.pattern, tt.name); got != tt.want {
			t.Errorf("%q matches %q: %v", tt.pattern, tt.name, got)
		}
	}
}
