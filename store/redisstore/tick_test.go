package redisstore

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestProcessesTickOnceTogether(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	a := open(t, s, Options{})
	b := open(t, s, Options{Prefix: a.opts.Prefix, StatsPrefix: a.opts.StatsPrefix})
	var first atomic.Int64
	var ticking sync.WaitGroup
	for _, l := range []*Layer{a, b} {
		for range 4 {
			ticking.Go(func() {
				ok, next, err := l.Tick(t.Context(), "clock", 1000*time.Hour)
				if err != nil || next <= 0 {
					t.Error(next, err)
				}
				if ok {
					first.Add(1)
				}
			})
		}
	}
	ticking.Wait()
	if n := first.Load(); n != 1 {
		t.Errorf("%d calls were first", n)
	}
}
