package store

import (
	"context"

	"asgibox/asgi"
)

// A borrower handles a message on the goroutine of its sender, after Send has
// released all locks: an acceptor with its ticket, or a receiver. The zero value
// is none.
type borrower struct {
	acceptor asgi.Acceptor
	ticket   any
	waiter   *waiter
}

// run lets the borrower handle the message.
func (b borrower) run(s *Store) {
	switch {
	case b.acceptor != nil:
		b.acceptor.Run(b.ticket)
	case b.waiter != nil:
		s.runWaiter(b.waiter)
	}
}

// ReceiveOrRun receives a message, or runs on the goroutines of senders. See
// [asgi.Acceptors].
func (s *Store) ReceiveOrRun(ctx context.Context, c *asgi.Cause, run func(asgi.Delivery) []string, channels ...string) (asgi.Delivery, bool, error) {
	d, err := s.receive(ctx, c, run, channels)
	if err == errRan {
		return d, false, nil
	}
	return d, err == nil, err
}

// runWaiter gives a waiter its message on this goroutine. Then the waiter waits
// again, or its receive returns.
func (s *Store) runWaiter(w *waiter) {
	d := w.got
	w.got = asgi.Delivery{}
	s.noteTaken(nil, &d)
	channels := w.run(d)
	now := s.now()
	s.mu.Lock()
	waits := s.parkAgainLocked(w, channels, now)
	s.mu.Unlock()
	if !waits {
		w.ready <- struct{}{}
	}
}

// parkAgainLocked makes a waiter wait again. It reports false if there is something
// for its receive to return.
func (s *Store) parkAgainLocked(w *waiter, channels []string, now int64) (wait bool) {
	switch w.err = asgi.CheckReceiveAll(channels); {
	case w.err != nil:
		return false
	case s.closed:
		w.err = asgi.ErrClosed
		return false
	case len(channels) == 0:
		w.err = errRan
		return false
	case w.ctx.Err() != nil:
		w.err = context.Cause(w.ctx)
		return false
	}
	s.waitingNames.Remove(w.names)
	if w.err = s.waitingNames.Add(len(channels)); w.err != nil {
		w.names = 0
		return false
	}
	w.names = len(channels)
	var room [usualChannels]*queue
	queues := s.queuesLocked(room[:0], channels, now)
	d, ok, _ := s.takeLocked(queues, now)
	if ok {
		w.got = d
		return false
	}
	s.parkLocked(w, queues)
	return true
}
