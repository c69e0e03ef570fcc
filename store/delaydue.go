package store

import (
	"errors"
	"slices"

	"asgibox/asgi"
)

// dueWork is the work that remains after a step of deliverDueLocked, to be done
// without the lock.
type dueWork struct {
	wake   []*waiter
	pushes []duePush
	retry  []*offering // of channels whose queue has a message
	next   int64       // when the next step is due

	flushes uint64 // Store.flushes during the step
}

// A duePush is a pending call of a binding's function.
type duePush struct {
	queue   *queue
	binding *binding
	message *delayed
}

// deliverDueLocked sends delayed messages that are due, up to a step.
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
		if s.delays.blocked[asgi.ProcessPrefix(d.channel)] != nil || !s.deliverDelayedLocked(d, now, &work) {
			s.blockLocked(d, now)
		}
	}
	work.next = s.delays.nextRetry
	if len(s.delays.due) > 0 {
		work.next = min(work.next, s.delays.due[0].due)
	}
	return work
}

// deliverDelayedLocked sends a message and reports whether there was room for
// it.
func (s *Store) deliverDelayedLocked(d *delayed, now int64, work *dueWork) bool {
	q := s.queueLocked(asgi.ProcessPrefix(d.channel), now)
	s.uncountDelayedLocked(d)
	if b := q.binding; b != nil && b.live {
		s.sentLocked(q, now)
		b.calls.Add(1)
		work.pushes = append(work.pushes, duePush{q, b, d})
		return true
	}
	w, queued, short := s.offerLocked(q, d.record, nil, now)
	if queued != nil && q.offering != nil && !slices.Contains(work.retry, q.offering) {
		work.retry = append(work.retry, q.offering)
	}
	if short != hasRoom {
		s.countDelayedLocked(d)
		return false
	}
	if w != nil {
		work.wake = append(work.wake, w)
	}
	return true
}

// blockLocked makes a message wait for room in its queue.
func (s *Store) blockLocked(d *delayed, now int64) {
	name := asgi.ProcessPrefix(d.channel)
	s.delays.blocked[name] = append(s.delays.blocked[name], d)
	s.delays.nextRetry = min(s.delays.nextRetry, now+retryInterval)
	s.wakeBy(s.delays.nextRetry)
}

// retryBlockedLocked sends the blocked messages again. It stops at the first
// message of a queue that finds no room.
func (s *Store) retryBlockedLocked(now int64, work *dueWork) {
	if s.delays.nextRetry > now {
		return
	}
	s.delays.nextRetry = never
	for name, blocked := range s.delays.blocked {
		for len(blocked) > 0 {
			d := blocked[0]
			if d.deadline <= now {
				s.uncountDelayedLocked(d)
				s.expireLocked(s.queueLocked(name, now), &d.record)
			} else if !s.deliverDelayedLocked(d, now, work) {
				break
			}
			blocked[0] = nil
			blocked = blocked[1:]
		}
		s.delays.blocked[name] = blocked
		if len(blocked) == 0 {
			delete(s.delays.blocked, name)
		} else {
			s.delays.nextRetry = now + retryInterval
		}
	}
}

// finishDue does the work that must be done without the lock.
func (s *Store) finishDue(work dueWork) {
	for _, w := range work.wake {
		w.ready <- struct{}{}
	}
	for _, o := range work.retry {
		o.Retry()
	}
	full := make(map[string]bool) // channels without room: later messages to them wait too
	for _, p := range work.pushes {
		if full[p.message.channel] {
			p.binding.calls.Done()
			s.blockAgain(p, work.flushes, true)
			continue
		}
		err := s.deliver(p.queue, p.binding, &p.message.record)
		if errors.Is(err, asgi.ErrChannelFull) {
			full[p.message.channel] = true
			s.blockAgain(p, work.flushes, false)
		}
	}
}

// blockAgain makes a message wait that was not delivered, unless a flush has dropped it.
// Counted says whether it still counts as sent.
func (s *Store) blockAgain(p duePush, flushes uint64, counted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if counted {
		p.queue.sent.count--
		s.sent.count--
	}
	if s.flushes == flushes {
		s.countDelayedLocked(p.message)
		s.blockLocked(p.message, s.now())
	}
}
