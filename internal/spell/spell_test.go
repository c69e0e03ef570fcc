package spell

import "testing"

func TestNearest(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"txet", "text"}, {"Text", "text"}, {"acept", "accept"}, {"reply_chanel", "reply_channel"}, {"replychannel", "reply_channel"},
		{"text", ""}, {"x", ""}, {"zzz", ""}, {"", ""}, {"content_type", ""},
	} {
		if got := Nearest(c.name, []string{"text", "bytes", "accept", "close", "/", "reply_channel"}); got != c.want {
			t.Errorf("%q: got %q, want %q", c.name, got, c.want)
		}
	}
}
