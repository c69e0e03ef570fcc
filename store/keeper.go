package store

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// never is later than anything.
const never = int64(math.MaxInt64)

// keep acts when a time comes, until the store is closed. It sleeps until the
// earliest thing to do; wakeBy shortens the sleep.
func (s *Store) runKeeper() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		s.wakeAt.Store(never)
		s.lowerWake(s.runDue())
		timer.Reset(time.Duration(max(s.wakeAt.Load()-s.now(), 0)))
		select {
		case <-timer.C:
		case <-s.wakeNow:
		case <-s.stop:
			return
		}
	}
}

// round does what is due, in steps that hold the lock shortly, and answers
// when something is due next.
func (s *Store) runDue() (next int64) {
	for {
		now := s.now()
		s.mu.Lock()
		next = s.sweepLocked(now)
		work := s.deliverDueLocked(now)
		next = min(next, work.next)
		said := s.expiries.takeDue(now)
		if s.expiries.byName != nil {
			next = min(next, s.expiries.next)
		}
		s.mu.Unlock()
		s.finishDue(work)
		s.logExpired(said)
		next = min(next, s.kv.sweep(now), s.journal.failOverdue(now))
		if next > now {
			return next
		}
	}
}

// say logs what expired.
func (s *Store) logExpired(said map[string]int) {
	for _, name := range slices.Sorted(maps.Keys(said)) {
		n, plural := said[name], "s"
		if n == 1 {
			plural = ""
		}
		s.log.Warn(fmt.Sprintf("%d message%s expired on %s: nobody received them for %v", n, plural, name, s.opts.Expiry),
			"channel", name, "messages", n)
	}
}

// wakeBy makes sure that the keeper is awake at a time.
func (s *Store) wakeBy(at int64) {
	if s.lowerWake(at) {
		select {
		case s.wakeNow <- struct{}{}:
		default:
		}
	}
}

// lowerWake brings the time of waking forward, and reports whether it did.
func (s *Store) lowerWake(at int64) bool {
	for {
		wake := s.wakeAt.Load()
		if at >= wake {
			return false
		}
		if s.wakeAt.CompareAndSwap(wake, at) {
			return true
		}
	}
}
