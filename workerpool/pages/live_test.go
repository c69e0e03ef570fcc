package pages

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPagesWaitForTheNextState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{App: "app.star", Live: true})
		p.Current(1)
		first, _ := p.wait(t.Context(), "")
		began := time.Now()
		waits := func(change func()) (pageState, bool) {
			t.Helper()
			states := make(chan pageState, 1)
			drained := false
			go func() {
				var s pageState
				s, drained = p.wait(t.Context(), first.Seen)
				states <- s
			}()
			synctest.Wait()
			if len(states) > 0 {
				t.Fatal("it does not wait")
			}
			change()
			first = <-states
			return first, drained
		}
		if s, _ := waits(func() { _ = p.LoadFailed(t.Context(), errors.New("no")) }); s.Error == nil || s.Error.Title != "app.star does not load; generation 1 continues" || s.Version != "1" {
			t.Errorf("after a failed load: %+v", s)
		}
		if s, _ := waits(func() { p.Current(2) }); s.Error != nil || s.Version != "2" {
			t.Errorf("after a load: %+v", s)
		}
		if s, _ := waits(p.Refresh); s.Version != "2.1" {
			t.Errorf("after a change of a file: %+v", s)
		}
		if time.Since(began) > 0 {
			t.Errorf("the pages waited for %v", time.Since(began))
		}
		if s, _ := waits(func() { time.Sleep(maxWait) }); s != first {
			t.Errorf("after the longest wait: %+v", s)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if s, _ := p.wait(gone, first.Seen); s != first {
			t.Errorf("for a page that has left: %+v", s)
		}
		if _, drained := waits(p.Drain); !drained {
			t.Error("a page may wait while the server stops")
		}
		p.wait(t.Context(), first.Seen) // does not wait
	})
}
