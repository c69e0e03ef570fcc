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
			s.endLocked(m)
			continue
		}
		q, ok := s.due.next(now)
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
	if len(s.due) > 0 {
		next = s.due[0].look
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
	if q.stop != nil {
		q.look = now + keepIdle
		s.due.fix(q)
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
			q.look = q.head.deadline
		}
	}
	if q.head == nil {
		q.look = s.idleFrom(q)
		if q.look <= now && !s.retireLocked(q, now) {
			q.look = now + keepIdle
		}
	}
	if q.at >= 0 {
		s.due.fix(q)
	}
	return looked
}

// sweepDisorderLocked looks at every record: put-back ones and late ones may
// expire before those ahead of them.
func (s *Store) sweepDisorderLocked(q *queue, now int64) (looked int) {
	r := q.head
	q.head, q.tail, q.disorder, q.look = nil, nil, false, never
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
func (s *Store) retireLocked(q *queue, now int64) bool {
	if q.parked.first != nil || q.binding != nil {
		q.asked = now
		return false
	}
	s.due.remove(q)
	delete(s.queues, q.name)
	return true
}

// expireLocked is the end of a message that nobody received in time; it has
// left its queue. A connection that does not read leaves its groups.
func (s *Store) expireLocked(q *queue, r *record) {
	s.takenLocked(q, r)
	if q.kind == asgi.ProcessSpecific {
		s.leaveLocked(r.channel)
	}
	q.expired++
	s.noteEnd(Expired, r)
	s.expired.add(q.name)
	s.wakeBy(s.expired.next)
}

// noteEvery is how often at most one channel's expired messages are logged.
const noteEvery = int64(time.Minute)

// notes are what is to be said of messages that expired.
type notes struct {
	byName map[string]*note
	next   int64 // when one is due; never if none is
}

type note struct {
	messages int
	due      int64 // not said before
}

func (n *notes) add(name string) {
	if n.byName == nil {
		n.byName, n.next = make(map[string]*note), 0
	}
	e := n.byName[name]
	if e == nil {
		e = &note{}
		n.byName[name] = e
	}
	e.messages++
	n.next = min(n.next, e.due)
}

// said answers what to say now, by channel, and forgets channels that have
// been quiet for long.
func (n *notes) said(now int64) map[string]int {
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
		e.messages, e.due = 0, now+noteEvery
		n.next = min(n.next, e.due)
	}
	if len(n.byName) == 0 {
		n.byName = nil
	}
	return said
}
