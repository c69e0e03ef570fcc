package store

import (
	"time"

	"asgibox/asgi"
)

// sweepStep is how many records are looked at under one hold of the lock.
const sweepStep = 1024

// sweepLocked drops what has expired, up to about a step, and answers when to
// go on.
func (s *Store) sweepLocked(now int64) (next int64) {
	for budget := sweepStep; budget > 0; budget-- {
		if m := s.groups.oldest; m != nil && m.expires <= now {
			s.removeMemberLocked(m)
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

// nextLocked answers when something expires, at the earliest.
func (s *Store) nextLocked() int64 {
	next := never
	if len(s.sweeps) > 0 {
		next = s.sweeps[0].nextSweep
	}
	if m := s.groups.oldest; m != nil {
		next = min(next, m.expires)
	}
	return next
}

// sweepQueueLocked drops what has expired in a queue, and the queue itself if
// it has been idle for long; if more than a step has expired the queue stays
// due. It answers how many it looked at.
func (s *Store) sweepQueueLocked(q *queue, now int64) (looked int) {
	if q.breakpoint != nil {
		q.nextSweep = now + idleTime
		s.sweeps.fix(q)
		return 1
	}
	if q.disorder {
		looked = s.sweepDisorderLocked(q, now)
	} else {
		for q.head != nil && q.head.deadline <= now && looked < sweepStep {
			s.expireLocked(q, s.popLocked(q))
			looked++
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
	return looked
}

// sweepDisorderLocked looks at every record: put-back ones and late ones may
// expire before those ahead of them.
func (s *Store) sweepDisorderLocked(q *queue, now int64) (looked int) {
	r := q.head
	q.head, q.tail, q.disorder, q.nextSweep = nil, nil, false, never
	for r != nil {
		next := r.next
		r.next = nil
		looked++
		s.uncountLocked(q, r)
		if r.deadline <= now {
			s.expireLocked(q, r)
		} else {
			s.pushLocked(q, r)
		}
		r = next
	}
	return looked
}

// retireLocked forgets a queue that nobody uses.
func (s *Store) removeIdleLocked(q *queue, now int64) bool {
	if q.parked.first != nil || q.binding != nil {
		q.lastRead = now
		return false
	}
	s.sweeps.remove(q)
	delete(s.queues, q.name)
	return true
}

// expireLocked is the end of a message that nobody received in time; it has
// left its queue. A connection that does not read leaves its groups.
func (s *Store) expireLocked(q *queue, r *record) {
	s.journalTakeLocked(q, r)
	if q.kind == asgi.ProcessSpecific {
		s.leaveLocked(r.channel)
	}
	q.expired++
	s.noteEnd(Expired, r)
	s.expiries.add(q.name)
	s.wakeBy(s.expiries.next)
}

// noteEvery is how often at most one channel's expired messages are logged.
const expiryLogInterval = int64(time.Minute)

// notes are what is to be said of messages that expired.
type expiryLog struct {
	byName map[string]*expiryCount
	next   int64 // when one is due; never if none is
}

type expiryCount struct {
	messages int
	due      int64 // not said before
}

func (n *expiryLog) add(name string) {
	if n.byName == nil {
		n.byName, n.next = make(map[string]*expiryCount), 0
	}
	e := n.byName[name]
	if e == nil {
		e = &expiryCount{}
		n.byName[name] = e
	}
	e.messages++
	n.next = min(n.next, e.due)
}

// said answers what to say now, by channel, and forgets channels that have
// been quiet for long.
func (n *expiryLog) takeDue(now int64) map[string]int {
	if n.byName == nil || n.next > now {
		return nil
	}
	n.next = never
	said := make(map[string]int)
	for name, e := range n.byName {
		switch {
		case e.due > now:
			n.next = min(n.next, e.due)
			continue
		case e.messages == 0:
			delete(n.byName, name)
			continue
		}
		said[name] = e.messages
		e.messages, e.due = 0, now+expiryLogInterval
		n.next = min(n.next, e.due)
	}
	if len(n.byName) == 0 {
		n.byName = nil
	}
	return said
}
