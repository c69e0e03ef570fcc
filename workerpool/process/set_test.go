package process

import (
	"fmt"
	"strings"
	"testing"
)

func TestCallsThatAreHeldBackHaveABound(t *testing.T) {
	for size, most := range map[int]int{0: maxCalls, 1 << 20: 15, 17 << 20: 1} {
		g := &set{}
		f := frame{call: "send", args: fields("channel", "a", "message", map[string]any{"text": strings.Repeat("x", size)})}
		n := 0
		err := g.stage(f)
		for ; err == nil; err = g.stage(f) {
			n++
		}
		if want := fmt.Sprintf("%d calls with %d MiB already wait", n, n*size>>20); !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %q, want %q", err, want)
		}
		if n != most {
			t.Errorf("%d calls of %d bytes are held back, want %d", n, size, most)
		}
	}
}
