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
func (s *Store) keep() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		s.wake.Store(never)
		s.lowerWake(s.round())
		timer.Reset(time.Duration(max(s.wake.Load()-s.now(), 0)))
		select {
		case <-timer.C:
		case <-s.kick:
		case <-s.stop:
			return
		}
	}
}

// round does what is due, in steps that hold the lock shortly, and answers
// when something is due next.
func (s *Store) round() (next int64) {
	for {
		now := s.now()
		s.mu.Lock()
		next = s.sweepLocked(now)
		work := s.delayedLocked(now)
		next = min(next, work.next)
		said := s.expired.said(now)
		if s.expired.byName != nil {
			next = min(next, s.expired.next)
		}
		s.mu.Unlock()
		s.finishDelayed(work)
		s.say(said)
		next = min(next, s.kv.sweep(now), s.journal.failLate(now))
		if next > now {
			return next
		}
	}
}

// say logs what expired.
func (s *Store) say(said map[string]int) {
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
		case s.kick <- struct{}{}:
		default:
		}
	}
}

// lowerWake brings the time of waking forward, and reports whether it did.
func (s *Store) lowerWake(at int64) bool {
	for {
		wake := s.wake.Load()
		if at >= wake {
			return false
		}
		if s.wake.CompareAndSwap(wake, at) {
			return true
		}
	}
}
