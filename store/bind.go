package store

import (
	"context"
	"errors"
	"sync"

	"asgibox/asgi"
)

// A binding delivers the messages of one process-specific prefix to a function.
type binding struct {
	deliverTo func(asgi.Delivery) error
	calls     sync.WaitGroup // calls of deliverTo; added to under Store.mu, while bound

	live bool // all messages that were queued are delivered; guarded by Store.mu
}

// Bind makes deliver the reader of the prefix. See [asgi.Layer]. deliver must
// not call unbind.
func (s *Store) Bind(prefix string, deliver func(asgi.Delivery) error) (unbind func(), err error) {
	if err := asgi.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	b := &binding{deliverTo: deliver}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, asgi.ErrClosed
	}
	q := s.queueLocked(prefix, s.now())
	if q.binding != nil {
		s.mu.Unlock()
		return nil, &asgi.InvalidNameError{Name: prefix, Reason: "the prefix is already bound"}
	}
	q.binding = b
	s.mu.Unlock()
	s.drain(q, b)
	return sync.OnceFunc(func() { s.unbind(q, b) }), nil
}

// drain delivers the queued messages. A message that is sent meanwhile joins
// the end of the queue, which keeps the order. When the queue is empty the
// binding becomes live.
func (s *Store) drain(q *queue, b *binding) {
	for {
		s.mu.Lock()
		if q.breakpoint != nil {
			s.mu.Unlock()
			return
		}
		if s.headLocked(q, s.now()) == nil {
			b.live = true
			s.mu.Unlock()
			return
		}
		r := s.popLocked(q)
		b.calls.Add(1)
		s.mu.Unlock()
		s.deliverQueued(q, b, r)
	}
}

// deliverQueued delivers a message that waited in the queue. Its sender is not told if
// there is no room for it.
func (s *Store) deliverQueued(q *queue, b *binding, r *record) error {
	r.lost = true
	return s.deliver(q, b, r)
}

func (s *Store) unbind(q *queue, b *binding) {
	s.mu.Lock()
	q.binding = nil
	q.lastSend = s.now()
	s.mu.Unlock()
	b.calls.Wait()
}

// deliver calls the binding's function for a sender that need not know whether
// the connection has ended. The caller has added the call to b.calls.
func (s *Store) deliver(q *queue, b *binding, r *record) error {
	err := s.deliverOrGone(q, b, r)
	if errors.Is(err, asgi.ErrGone) {
		return nil
	}
	return err
}

// deliverOrGone is deliver, but fails with [asgi.ErrGone] if the connection has
// ended. The message counts as sent.
func (s *Store) deliverOrGone(q *queue, b *binding, r *record) error {
	err := b.call(s.delivery(q, r))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, asgi.ErrGone):
		_ = s.GroupLeave(context.Background(), nil, r.channel) // it fails if the store is closed
		return asgi.ErrGone
	case errors.Is(err, asgi.ErrChannelFull):
		s.mu.Lock()
		defer s.mu.Unlock()
		q.sent.count--
		s.sent.count--
		s.refusedLocked(q, s.now())
		if err == asgi.ErrChannelFull {
			return &asgi.ChannelFullError{Channel: r.channel, Reason: "the client of the connection reads too slowly"}
		}
	}
	return err
}

func (b *binding) call(d asgi.Delivery) error {
	defer b.calls.Done()
	return b.deliverTo(d)
}
