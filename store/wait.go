package store

import "asgibox/asgi"

// A waiter is a receive that waits. It has a spot in the line of each channel
// that it names, and leaves all of them when it is assigned a message.
type waiter struct {
	ready chan struct{} // of one: filled once, after it was assigned

	// Guarded by Store.mu until assigned, then the receiver's.
	spots    []spot
	assigned bool
	got      asgi.Delivery
	err      error
}

// A spot is a place in the line of one queue.
type spot struct {
	waiter     *waiter
	queue      *queue
	prev, next *spot
}

// spots are the waiters of one queue in the order in which they came. The
// last is served first: what it needs is still in the processor's caches.
type spots struct{ first, last *spot }

func (l *spots) push(p *spot) {
	p.prev = l.last
	if l.last == nil {
		l.first = p
	} else {
		l.last.next = p
	}
	l.last = p
}

func (l *spots) remove(p *spot) {
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
	if cap(w.spots) < len(queues) {
		w.spots = make([]spot, len(queues))
	}
	w.spots = w.spots[:len(queues)]
	for i, q := range queues {
		w.spots[i] = spot{waiter: w, queue: q}
		q.parked.push(&w.spots[i])
	}
}

// assignLocked takes a waiter out of all lines with what it waited for. The
// caller fills its ready once the lock is gone.
func (s *Store) assignLocked(w *waiter, d asgi.Delivery, err error, now int64) {
	s.unparkLocked(w, now)
	w.assigned, w.got, w.err = true, d, err
}

func (s *Store) unparkLocked(w *waiter, now int64) {
	for i := range w.spots {
		p := &w.spots[i]
		p.queue.asked = now
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
