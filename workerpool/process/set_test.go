package process

import (
	"strings"
	"testing"
)

func TestCallsThatAreHeldBackHaveABound(t *testing.T) {
	for size, most := range map[int]int{0: maxCalls, 1 << 20: 15} {
		g := &set{}
		f := frame{call: "send", args: fields("channel", "a", "message", map[string]any{"text": strings.Repeat("x", size)})}
		n := 0
		for g.stage(f) == nil {
			n++
		}
		if n != most {
			t.Errorf("%d calls of %d bytes are held back, want %d", n, size, most)
		}
	}
}
