package store

import (
	"fmt"

	"asgibox/asgi"
)

// maxPaused is the maximum number of paused channels, because a paused channel is
// never forgotten.
const maxPaused = 10_000

// Pause sets a breakpoint on a channel: its messages wait, even if there are
// readers, and do not expire. It may be set before the channel is used.
// Pausing twice is not an error. It fails with [asgi.ErrTooManyNames] if very many
// channels are paused.
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
	if q := s.queues[name]; q != nil && q.breakpoint != nil {
		return nil
	}
	if s.paused >= maxPaused {
		return fmt.Errorf("%w: %d channels are paused already; resume some", asgi.ErrTooManyNames, s.paused)
	}
	q := s.queueLocked(name, now)
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

// Step lets one message pass a breakpoint: to a waiting reader, or else to the
// next reader. It reports whether there is such a message.
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
		return true, s.deliverQueued(q, b, r)
	case q.parked.first != nil:
		w := s.handOverLocked(q, now)
		s.mu.Unlock()
		w.ready <- struct{}{}
	default:
		q.breakpoint.steps++
		o := q.offering
		s.mu.Unlock()
		o.retry()
	}
	return true, nil
}

// handOverLocked gives the first message of a queue to the reader that parked
// last. The caller wakes it.
func (s *Store) handOverLocked(q *queue, now int64) *waiter {
	w := q.parked.last.entry.waiter
	r := s.popLocked(q)
	s.journalTakeLocked(q, r)
	s.assignLocked(w, s.delivery(q, r), nil, now)
	return w
}

// extendLocked extends a message's deadline by the time it was held. The change
// is not written to the file: after a restart the old deadline applies.
func (s *Store) extendLocked(q *queue, r *record, now int64) {
	r.deadline += now - max(q.breakpoint.since, s.sentAt(r))
}

// Resume removes a breakpoint: the waiting messages go to readers, in order. The
// time they were held does not count towards their expiry. It reports whether
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
	q.breakpoint, q.resumedAt = nil, now
	s.paused--
	s.sweeps.fix(q)
	s.wakeBy(q.nextSweep)
	var wake []*waiter
	for q.binding == nil && q.parked.first != nil && s.headLocked(q, now) != nil {
		wake = append(wake, s.handOverLocked(q, now))
	}
	b, o := q.binding, q.offering
	s.mu.Unlock()
	o.sort()
	for _, w := range wake {
		w.ready <- struct{}{}
	}
	if b != nil {
		s.drain(q, b)
	}
	return true, nil
}

// Drain drops all messages that wait on a channel and returns their number.
// Given a connection's full name, it drops only the messages to it.
func (d *Debugger) Drain(channel string) (int, error) {
	name, err := queueName(channel)
	if err != nil {
		return 0, err
	}
	return d.store.dropWhere(name, func(r *record) bool { return name == channel || r.channel == channel }), nil
}

// Drop removes one message that waits on a channel. It fails with a
// [NoMessageError] if there is no such message.
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

// Edit replaces a message that waits on a channel. It fails with a
// [NoMessageError] if there is no such message.
func (d *Debugger) Edit(channel string, id uint64, m asgi.Message) error {
	name, err := queueName(channel)
	if err != nil {
		return err
	}
	s := d.store
	if err := s.checkSize(m.Size()); err != nil {
		return err
	}
	o, found := s.edit(name, id, m)
	if !found {
		return &NoMessageError{channel, id}
	}
	o.sort()
	return nil
}

// edit replaces a message and returns the queue's offering.
func (s *Store) edit(name string, id uint64, m asgi.Message) (o *offering, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[name]
	if q == nil {
		return nil, false
	}
	for r := q.head; r != nil; r = r.next {
		if r.id == id {
			s.editLocked(q, r, m)
			return q.offering, true
		}
	}
	return nil, false
}

// dropWhere removes all matching messages of a queue and returns their number.
func (s *Store) dropWhere(name string, matches func(*record) bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[name]
	if q == nil {
		return 0
	}
	dropped := 0
	for r := q.head; r != nil; {
		next := r.next
		if matches(r) {
			s.dropLocked(q, r)
			s.journalTakeLocked(q, r)
			s.noteEnd(Dropped, r)
			dropped++
		}
		r = next
	}
	return dropped
}

// editLocked replaces r by a record with another message. It does not change r,
// because the journal may be writing it.
func (s *Store) editLocked(q *queue, r *record, m asgi.Message) {
	q.unsortLocked()
	if r.left && m.Text(asgi.KeyReplyChannel) != r.message.Text(asgi.KeyReplyChannel) {
		q.offering.lose(r) // because the new message belongs to another connection
	}
	edited := *r
	edited.message, edited.seq, edited.copies = m, 0, nil
	edited.class, edited.inClass, edited.ticket = nil, link[*record]{}, nil
	if r.prev == nil {
		q.head = &edited
	} else {
		r.prev.next = &edited
	}
	if r.next == nil {
		q.tail = &edited
	} else {
		r.next.prev = &edited
	}
	r.prev, r.next = nil, nil
	if q.offering != nil {
		q.unsorted = q.head
	}
	s.memory += edited.footprint() - r.footprint()
	if r.durable {
		s.journalTakeLocked(q, r)
		s.journal.put(&edited)
		q.seq = max(q.seq, edited.seq)
	}
}
