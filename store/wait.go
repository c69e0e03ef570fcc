package store

import (
	"context"

	"asgibox/asgi"
)

// A waiter is a waiting receive. It has a slot in each queue that it names, and
// leaves all of them when it is assigned a message.
type waiter struct {
	ready chan struct{} // of one: filled once, after assignLocked

	// Set before it is parked. If run is not nil, a sender that lends its goroutine
	// may call it with the message. Then the waiter stays assigned until it is
	// parked again.
	run   func(asgi.Delivery) (channels []string)
	ctx   context.Context // of the receive
	names int             // counted in Store.waitingNames

	// Guarded by Store.mu until assigned; then they belong to the receiver.
	slots    []link[slot]
	assigned bool
	got      asgi.Delivery
	err      error
}

func (s *Store) freeWaiter(w *waiter) {
	s.waitingNames.Remove(w.names)
	w.run, w.ctx = nil, nil
	s.waiters.Put(w)
}

// A slot is the position of a waiter in one queue.
type slot struct {
	waiter *waiter
	queue  *queue
}

// parkLocked adds a waiter to all the queues.
func (s *Store) parkLocked(w *waiter, queues []*queue) {
	w.assigned, w.err = false, nil
	if cap(w.slots) < len(queues) {
		w.slots = make([]link[slot], len(queues))
	}
	w.slots = w.slots[:len(queues)]
	for i, q := range queues {
		w.slots[i].entry = slot{w, q}
		q.parked.push(&w.slots[i])
	}
}

// assignLocked gives a waiter a delivery or an error and removes it from all
// queues. The caller fills its ready channel after it has released the lock.
func (s *Store) assignLocked(w *waiter, d asgi.Delivery, err error, now int64) {
	s.unparkLocked(w, now)
	w.assigned, w.got, w.err = true, d, err
}

func (s *Store) unparkLocked(w *waiter, now int64) {
	for i := range w.slots {
		p := &w.slots[i]
		p.entry.queue.lastRead = now
		p.entry.queue.parked.remove(p)
		p.entry.queue = nil
	}
}

// giveUp removes a waiter from all queues, unless a message was assigned to it.
// It reports whether it did.
func (s *Store) giveUp(w *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.assigned {
		return false
	}
	s.unparkLocked(w, s.now())
	return true
}
