package process

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
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

// TestReplacedASGIProcessesEnd has requests that do not end, for which the pool keeps their
// generation.
func TestReplacedASGIProcessesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		l := &Loader{sockets: newSockets(nil, nil, true, &wg)}
		s := &Server{sets: map[*set]struct{}{}}
		newSet := func(generation uint64) *set {
			g := &set{server: s, loader: l, generation: generation, opts: &Options{Grace: time.Second}, ending: make(chan struct{})}
			g.wg.Add(1) // until end
			s.sets[g] = struct{}{}
			return g
		}
		asgi3, routed, next := newSet(1), newSet(2), newSet(3)
		loop := newEventLoop(asgi3.asgi3(), nil, nil)
		asgi3.asgi3().loops[loop] = struct{}{}
		if _, err := loop.add(&request{}); err != nil {
			t.Fatal(err)
		}
		s.replace(next)
		time.Sleep(time.Second + forceWait/2)
		if asgi3.isEnding() {
			t.Error("the processes end too early")
		}
		wg.Wait()
		if !asgi3.isEnding() || routed.isEnding() || next.isEnding() {
			t.Errorf("the generations end: %v, %v, %v, want the first only", asgi3.isEnding(), routed.isEnding(), next.isEnding())
		}
	})
}
