package store

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"time"

	"asgibox/internal/logkey"
)

// never is later than anything.
const never = int64(math.MaxInt64)

// runKeeper does all work that is due at a time, until the store is closed. It
// sleeps until the next work is due; wakeBy shortens the sleep.
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

// runDue does the work that is due, in steps that hold the lock for a short
// time, and returns when the next work is due.
func (s *Store) runDue() (next int64) {
	for {
		now := s.now()
		s.mu.Lock()
		next = s.sweepLocked(now)
		work := s.deliverDueLocked(now)
		next = min(next, work.next)
		expired := s.expiries.takeDue(now)
		if s.expiries.byName != nil {
			next = min(next, s.expiries.next)
		}
		s.mu.Unlock()
		s.finishDue(work)
		s.logExpired(expired)
		next = min(next, s.kv.sweep(now), s.kv.logDiscarded(now, s.log), s.journal.failOverdue(now))
		if next > now {
			return next
		}
	}
}

// bodyChannels is the prefix of the channels of request bodies.
const bodyChannels = "http.request.body?"

// logExpired logs the number of expired messages of each channel. It is no problem
// if those of a body expire: most handlers that have responded do not read the rest.
func (s *Store) logExpired(expired map[string]int) {
	for _, name := range slices.Sorted(maps.Keys(expired)) {
		n, plural := expired[name], "s"
		if n == 1 {
			plural = ""
		}
		level := slog.LevelWarn
		switch name {
		case "":
			name = "other channels"
		case bodyChannels:
			level = slog.LevelDebug
		}
		s.log.Log(context.Background(), level, fmt.Sprintf("%d message%s expired on %s: not received within %v", n, plural, name, s.opts.Expiry),
			logkey.Channel, name, "messages", n)
	}
}

// wakeBy makes sure that the keeper wakes at the given time or earlier.
func (s *Store) wakeBy(at int64) {
	if s.lowerWake(at) {
		select {
		case s.wakeNow <- struct{}{}:
		default:
		}
	}
}

// lowerWake makes the time of waking earlier, and reports whether it changed.
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
