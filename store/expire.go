package store

import (
	"math"
	"strings"
	"time"

	"asgibox/asgi"
)

// sweepStep is the number of records that are checked before the lock is
// released.
const sweepStep = 1024

// sweepLocked drops expired messages and memberships, up to about a step, and
// returns when the next step is due.
func (s *Store) sweepLocked(now int64) (next int64) {
	for budget := sweepStep; budget > 0; budget-- {
		if m := s.groups.byExpiry.first; m != nil && m.entry.expires <= now {
			s.removeMemberLocked(m.entry)
			continue
		}
		q, ok := s.sweeps.next(now)
		if !ok {
			return s.nextLocked()
		}
		budget -= s.sweepQueueLocked(q, now)
	}
	return now
}

// nextLocked returns when the next queue must be swept or membership expires.
func (s *Store) nextLocked() int64 {
	next := never
	if len(s.sweeps) > 0 {
		next = s.sweeps[0].nextSweep
	}
	if m := s.groups.byExpiry.first; m != nil {
		next = min(next, m.entry.expires)
	}
	return next
}

// sweepQueueLocked drops the expired messages of a queue, and the queue itself
// if it was idle for long. If more than a step of messages has expired, the
// queue remains due. It returns the number of checked messages.
func (s *Store) sweepQueueLocked(q *queue, now int64) (checked int) {
	if q.breakpoint != nil {
		q.nextSweep = now + idleTime
		s.sweeps.fix(q)
		return 1
	}
	if q.disorder {
		checked = s.sweepDisorderLocked(q, now)
	} else {
		for q.head != nil && q.head.deadline <= now && checked < sweepStep {
			s.expireLocked(q, s.popLocked(q))
			checked++
		}
		if q.head != nil {
			q.nextSweep = q.head.deadline
		}
	}
	if q.head == nil {
		q.nextSweep = s.idleAt(q)
		if q.nextSweep <= now && !s.removeIdleLocked(q, now) {
			q.nextSweep = now + idleTime
		}
	}
	if q.heapIndex >= 0 {
		s.sweeps.fix(q)
	}
	return checked
}

// sweepDisorderLocked checks every record of a queue in which a record may
// expire before one ahead of it, because a message was put back or delayed.
func (s *Store) sweepDisorderLocked(q *queue, now int64) (checked int) {
	q.disorder, q.nextSweep = false, never
	for r := q.head; r != nil; {
		next := r.next
		checked++
		if r.deadline <= now {
			s.dropLocked(q, r)
			s.expireLocked(q, r)
		} else {
			q.nextSweep = min(q.nextSweep, r.deadline)
			q.disorder = q.disorder || r.prev != nil && r.deadline < r.prev.deadline
		}
		r = next
	}
	return checked
}

// removeIdleLocked removes a queue unless it has a reader, and reports whether
// it did.
func (s *Store) removeIdleLocked(q *queue, now int64) bool {
	if q.parked.first != nil || q.binding != nil || q.offering != nil {
		q.lastRead = now
		return false
	}
	s.sweeps.remove(q)
	delete(s.queues, q.name)
	if q.extra.entry != nil {
		s.extras.remove(&q.extra)
	}
	return true
}

// expireLocked ends a message that was not received in time, after it was
// removed from its queue. A connection that does not read leaves its groups.
func (s *Store) expireLocked(q *queue, r *record) {
	s.journalTakeLocked(q, r)
	if q.kind == asgi.ProcessSpecific {
		s.leaveLocked(r.channel, math.MaxInt)
	}
	q.expired++
	s.noteEnd(Expired, r)
	s.expiries.add(q.name)
	s.wakeBy(s.expiries.next)
}

// expiryLogInterval is the time between two log records about expired messages
// of one channel.
const expiryLogInterval = int64(time.Minute)

// maxExpiryNames is how many channels are named in the log in an interval. The names
// may come from clients.
const maxExpiryNames = 100

// An expiryLog counts expired messages until they are logged.
type expiryLog struct {
	// By channel. The count of all request bodies is under bodyChannels, that of the
	// channels that are not named under "".
	byName map[string]*expiryCount

	next int64 // when the first count is due
}

type expiryCount struct {
	messages int
	due      int64 // not logged earlier
}

func (n *expiryLog) add(name string) {
	if n.byName == nil {
		n.byName, n.next = make(map[string]*expiryCount), 0
	}
	if strings.HasPrefix(name, bodyChannels) {
		name = bodyChannels
	}
	e := n.byName[name]
	if e == nil && len(n.byName) >= maxExpiryNames {
		name = ""
		e = n.byName[name]
	}
	if e == nil {
		e = &expiryCount{}
		n.byName[name] = e
	}
	e.messages++
	n.next = min(n.next, e.due)
}

// takeDue returns the numbers of messages to log now, by channel, and removes
// the counts of channels where no more messages expired.
func (n *expiryLog) takeDue(now int64) map[string]int {
	if n.byName == nil || n.next > now {
		return nil
	}
	n.next = never
	due := make(map[string]int)
	for name, e := range n.byName {
		switch {
		case e.due > now:
			n.next = min(n.next, e.due)
			continue
		case e.messages == 0:
			delete(n.byName, name)
			continue
		}
		due[name] = e.messages
		e.messages, e.due = 0, now+expiryLogInterval
		n.next = min(n.next, e.due)
	}
	if len(n.byName) == 0 {
		n.byName = nil
	}
	return due
}
