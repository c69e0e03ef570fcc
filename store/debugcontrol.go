package store

import (
	"asgibox/asgi"
)

// Pause puts a breakpoint on a channel: what is sent to it waits, as if nobody
// read it, and does not expire. It may be set before the channel is used.
// Pausing twice is no error.
func (d *Debugger) Pause(channel string) error {
	name, err := queueName(channel)
	if err != nil {
		return err
	}
	s := d.store
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return asgi.ErrClosed
	}
	q := s.queueLocked(name, now)
	if q.breakpoint != nil {
		return nil
	}
	if q.nextSweep <= now {
		s.sweepQueueLocked(q, now)
	}
	q.breakpoint = &breakpoint{since: now}
	s.paused++
	if q.binding != nil {
		q.binding.live = false
	}
	return nil
}

// Step lets one message past a breakpoint: to a reader that waits, or else to
// the next that asks. It reports whether there is one.
func (d *Debugger) Step(channel string) (bool, error) {
	name, err := queueName(channel)
	if err != nil {
		return false, err
	}
	s := d.store
	now := s.now()
	s.mu.Lock()
	q := s.queues[name]
	if q == nil || q.breakpoint == nil || q.length <= q.breakpoint.steps {
		s.mu.Unlock()
		return false, nil
	}
	s.extendLocked(q, q.head, now)
	switch b := q.binding; {
	case b != nil:
		r := s.popLocked(q)
		b.calls.Add(1)
		s.mu.Unlock()
		return true, s.deliver(q, b, r)
	case q.parked.first != nil:
		w := s.handOverLocked(q, now)
		s.mu.Unlock()
		w.ready <- struct{}{}
	default:
		q.breakpoint.steps++
		s.mu.Unlock()
	}
	return true, nil
}

// handLocked gives the first message of a queue to the reader that came last.
func (s *Store) handOverLocked(q *queue, now int64) *waiter {
	w := q.parked.last.waiter
	r := s.popLocked(q)
	s.journalTakeLocked(q, r)
	s.assignLocked(w, s.delivery(q, r), nil, now)
	return w
}

// prolongLocked gives a message back the time that it was held. The file is not
// told: after a restart that time counts.
func (s *Store) extendLocked(q *queue, r *record, now int64) {
	sent := r.deadline - int64(s.opts.Expiry)
	r.deadline += now - max(q.breakpoint.since, sent)
}

// Resume takes a breakpoint away: what waits goes to readers, in order. The
// time that it was held does not count towards its expiry. It reports whether
// there was a breakpoint.
func (d *Debugger) Resume(channel string) (bool, error) {
	name, err := queueName(channel)
	if err != nil {
		return false, err
	}
	s := d.store
	now := s.now()
	s.mu.Lock()
	q := s.queues[name]
	if q == nil || q.breakpoint == nil {
		s.mu.Unlock()
		return false, nil
	}
	q.nextSweep = s.idleAt(q)
	for r := q.head; r != nil; r = r.next {
		s.extendLocked(q, r, now)
		q.nextSweep = min(q.nextSweep, r.deadline)
	}
	q.breakpoint = nil
	s.paused--
	s.sweeps.fix(q)
	s.wakeBy(q.nextSweep)
	var wake []*waiter
	for q.binding == nil && q.parked.first != nil && s.headLocked(q, now) != nil {
		wake = append(wake, s.handOverLocked(q, now))
	}
	b := q.binding
	s.mu.Unlock()
	for _, w := range wake {
		w.ready <- struct{}{}
	}
	if b != nil {
		s.drain(q, b)
	}
	return true, nil
}

// Drain drops all that waits on a channel and answers how much that was. For
// a connection it is what waits for that one.
func (d *Debugger) Drain(channel string) (int, error) {
	name, err := queueName(channel)
	if err != nil {
		return 0, err
	}
	return d.store.dropWhere(name, func(r *record) bool { return name == channel || r.channel == channel }), nil
}

// Drop removes one message that waits on a channel, or answers a
// [NoMessageError].
func (d *Debugger) Drop(channel string, id uint64) error {
	name, err := queueName(channel)
	if err != nil {
		return err
	}
	if d.store.dropWhere(name, func(r *record) bool { return r.id == id }) == 0 {
		return &NoMessageError{channel, id}
	}
	return nil
}

// Edit puts another message in the place of one that waits, or answers a
// [NoMessageError].
func (d *Debugger) Edit(channel string, id uint64, m asgi.Message) error {
	name, err := queueName(channel)
	if err != nil {
		return err
	}
	s := d.store
	if err := s.checkSize(m.Size()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[name]; q != nil {
		for at := &q.head; *at != nil; at = &(*at).next {
			if r := *at; r.id == id {
				*at = s.editLocked(q, r, m)
				if q.tail == r {
					q.tail = *at
				}
				return nil
			}
		}
	}
	return &NoMessageError{channel, id}
}

// dropWhere removes messages that wait in a queue.
func (s *Store) dropWhere(name string, doomed func(*record) bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[name]
	if q == nil {
		return 0
	}
	dropped := 0
	r := q.head
	q.head, q.tail = nil, nil
	for r != nil {
		next := r.next
		r.next = nil
		if doomed(r) {
			s.uncountLocked(q, r)
			s.dropLocked(q, r)
			dropped++
		} else if q.tail == nil {
			q.head, q.tail = r, r
		} else {
			q.tail.next, q.tail = r, r
		}
		r = next
	}
	return dropped
}

func (s *Store) dropLocked(q *queue, r *record) {
	s.journalTakeLocked(q, r)
	s.noteEnd(Dropped, r)
}

// editLocked answers the record that takes the place of one that waits, which
// itself the journal may be writing just now.
func (s *Store) editLocked(q *queue, r *record, m asgi.Message) *record {
	edited := *r
	edited.message, edited.seq, edited.copies = m, 0, nil
	s.memory += edited.footprint() - r.footprint()
	if r.durable {
		s.journalTakeLocked(q, r)
		s.journal.put(&edited)
		q.seq = max(q.seq, edited.seq)
	}
	return &edited
}
