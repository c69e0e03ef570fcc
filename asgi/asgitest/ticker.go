package asgitest

import (
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
)

var needTicker = []string{asgi.ExtTicker}

var ticking = []promise{
	{name: "one call is first in each interval", needs: needTicker, check: func(r *rig) {
		every := r.suite.scale(time.Second)
		var first atomic.Int64
		var running sync.WaitGroup
		began := time.Now()
		for range 4 {
			running.Go(func() {
				for last := false; !last; time.Sleep(every / 10) {
					last = time.Since(began) >= 5*every
					if ok, _ := r.tick("clock", every); ok {
						first.Add(1)
					}
				}
			})
		}
		running.Wait()
		most := int64(time.Since(began)/every) + 2 // intervals that it has touched
		if n := first.Load(); n < 2 || n > most {
			r.Errorf("%d calls were first in %d intervals", n, most)
		}
	}},
	{name: "the next interval begins within the length of one", needs: needTicker, check: func(r *rig) {
		if _, next := r.tick("clock", time.Hour); next <= 0 || next > time.Hour {
			r.Errorf("the next interval begins in %v", next)
		}
	}},
	{name: "names and lengths have intervals of their own", needs: needTicker, check: func(r *rig) {
		for _, name := range []string{"a", "b"} {
			for _, every := range []time.Duration{time.Hour, 2 * time.Hour} {
				if first, _ := r.tick(name, every); !first {
					r.Errorf("%s every %v: the call was not the first", name, every)
				}
			}
		}
	}},
}

func (r *rig) tick(name string, every time.Duration) (first bool, next time.Duration) {
	r.Helper()
	first, next, err := extension[asgi.Ticker](r).Tick(r.ctx, name, every)
	if err != nil {
		r.Error(err)
	}
	return first, next
}
