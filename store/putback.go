package store

import "asgibox/asgi"

// PutBack returns an unused delivery to the head of its queue. It ignores the
// capacity, because the message was in the queue before. See [asgi.PutBack].
func (s *Store) PutBack(d asgi.Delivery) error {
	r := &record{
		message:  d.Message,
		channel:  d.Channel,
		barrier:  d.Barrier,
		trace:    d.Trace,
		id:       d.ID,
		deadline: s.clock(d.Deadline),
		durable:  !d.Volatile,
		lasting:  d.Lasting,
	}
	if err := asgi.CheckSend(r.channel); err != nil {
		return err
	}
	now := s.now()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return asgi.ErrClosed
	}
	q := s.queueLocked(asgi.ProcessPrefix(r.channel), now)
	if b := q.binding; b != nil && b.live {
		b.calls.Add(1)
		s.mu.Unlock()
		return s.deliver(q, b, r)
	}
	if last := q.parked.last; last != nil && q.binding == nil && q.breakpoint == nil && r.deadline > now {
		w := last.entry.waiter
		s.assignLocked(w, d, nil, now)
		s.mu.Unlock()
		w.ready <- struct{}{}
		return nil
	}
	q.lastSend = now
	if r.id == 0 {
		s.lastID++
		r.id = s.lastID
	}
	s.pushFrontLocked(q, r)
	if r.durable {
		s.journal.put(r)
		q.seq = max(q.seq, r.seq)
	}
	o := q.offering
	s.mu.Unlock()
	o.sort()
	return nil
}
