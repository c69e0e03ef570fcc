package store

import (
	"errors"

	"asgibox/asgi"
)

// dueWork is what became due and needs the lock gone.
type dueWork struct {
	wake   []*waiter
	pushes []*delayed
	to     []push
	next   int64 // when there is more to do

	flushes uint64 // how many there had been
}

// delayedLocked delivers delayed messages whose time has come, up to a step.
func (s *Store) deliverDueLocked(now int64) (work dueWork) {
	work.flushes = s.flushes
	s.retryBlockedLocked(now, &work)
	for range sweepStep {
		d, ok := s.delays.due.next(now)
		if !ok {
			break
		}
		s.delays.due.remove(d)
		d.deadline = d.due + int64(s.opts.Expiry)
		if l := s.delays.blocked[asgi.ProcessPrefix(d.channel)]; l != nil {
			l.waiting = append(l.waiting, d)
		} else if !s.deliverDelayedLocked(d, now, &work) {
			s.blockLocked(d, now)
		}
	}
	work.next = s.delays.nextRetry
	if len(s.delays.due) > 0 {
		work.next = min(work.next, s.delays.due[0].due)
	}
	return work
}

// tryLocked delivers a message if there is room for it.
func (s *Store) deliverDelayedLocked(d *delayed, now int64, work *dueWork) bool {
	q := s.queueLocked(asgi.ProcessPrefix(d.channel), now)
	if b := q.binding; b != nil && b.live {
		s.uncountDelayedLocked(d)
		s.sentLocked(q, now)
		b.calls.Add(1)
		work.pushes = append(work.pushes, d)
		work.to = append(work.to, push{queue: q, binding: b})
		return true
	}
	s.uncountDelayedLocked(d)
	w, short := s.offerLocked(q, d.record, now)
	if short != hasRoom {
		s.delays.count++
		s.memory += d.footprint()
		return false
	}
	if w != nil {
		work.wake = append(work.wake, w)
	}
	return true
}

// blockLocked lets a message wait for room.
func (s *Store) blockLocked(d *delayed, now int64) {
	name := asgi.ProcessPrefix(d.channel)
	l := s.delays.blocked[name]
	if l == nil {
		l = &line{}
		s.delays.blocked[name] = l
	}
	l.waiting = append(l.waiting, d)
	s.delays.nextRetry = min(s.delays.nextRetry, now+retryInterval)
	s.wakeBy(s.delays.nextRetry)
}

// retryLocked tries the messages that wait for room. In each line those
// before one that finds no room are gone, those behind it would find none.
func (s *Store) retryBlockedLocked(now int64, work *dueWork) {
	if s.delays.nextRetry > now {
		return
	}
	s.delays.nextRetry = never
	for name, l := range s.delays.blocked {
		for len(l.waiting) > 0 {
			d := l.waiting[0]
			if d.deadline <= now {
				s.uncountDelayedLocked(d)
				s.expireLocked(s.queueLocked(name, now), &d.record)
			} else if !s.deliverDelayedLocked(d, now, work) {
				break
			}
			l.waiting[0] = nil
			l.waiting = l.waiting[1:]
		}
		if len(l.waiting) == 0 {
			delete(s.delays.blocked, name)
		} else {
			s.delays.nextRetry = now + retryInterval
		}
	}
}

// finishDelayed does what must be done without the lock.
func (s *Store) finishDue(work dueWork) {
	for _, w := range work.wake {
		w.ready <- struct{}{}
	}
	for i, d := range work.pushes {
		err := s.deliver(work.to[i].queue, work.to[i].binding, &d.record)
		if errors.Is(err, asgi.ErrChannelFull) {
			s.mu.Lock()
			if s.flushes == work.flushes {
				s.delays.count++
				s.memory += d.footprint()
				s.blockLocked(d, s.now())
			}
			s.mu.Unlock()
		}
	}
}
