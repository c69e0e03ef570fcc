package store

import "asgibox/asgi"

// A waiter is a receive that waits. It has a spot in the line of each channel
// that it names, and leaves all of them when it is assigned a message.
type waiter struct {
	ready chan struct{} // of one: filled once, after it was assigned

	// Guarded by Store.mu until assigned, then the receiver's.
	slots    []slot
	assigned bool
	got      asgi.Delivery
	err      error
}

// A spot is a place in the line of one queue.
type slot struct {
	waiter     *waiter
	queue      *queue
	prev, next *slot
}

// spots are the waiters of one queue in the order in which they came. The
// last is served first: what it needs is still in the processor's caches.
type slots struct{ first, last *slot }

func (l *slots) push(p *slot) {
	p.prev = l.last
	if l.last == nil {
		l.first = p
	} else {
		l.last.next = p
	}
	l.last = p
}

func (l *slots) remove(p *slot) {
	if p.prev == nil {
		l.first = p.next
	} else {
		p.prev.next = p.next
	}
	if p.next == nil {
		l.last = p.prev
	} else {
		p.next.prev = p.prev
	}
}

// parkLocked puts a waiter in line on all the queues.
func (s *Store) parkLocked(w *waiter, queues []*queue) {
	w.assigned, w.err = false, nil
	if cap(w.slots) < len(queues) {
		w.slots = make([]slot, len(queues))
	}
	w.slots = w.slots[:len(queues)]
	for i, q := range queues {
		w.slots[i] = slot{waiter: w, queue: q}
		q.parked.push(&w.slots[i])
	}
}

// assignLocked takes a waiter out of all lines with what it waited for. The
// caller fills its ready once the lock is gone.
func (s *Store) assignLocked(w *waiter, d asgi.Delivery, err error, now int64) {
	s.unparkLocked(w, now)
	w.assigned, w.got, w.err = true, d, err
}

func (s *Store) unparkLocked(w *waiter, now int64) {
	for i := range w.slots {
		p := &w.slots[i]
		p.queue.lastRead = now
		p.queue.parked.remove(p)
		p.queue, p.prev, p.next = nil, nil, nil
	}
}

// giveUp ends a wait, unless a message was assigned already.
func (s *Store) giveUp(w *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.assigned {
		return false
	}
	s.unparkLocked(w, s.now())
	return true
}
