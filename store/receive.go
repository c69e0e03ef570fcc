package store

import (
	"context"
	"errors"

	"asgibox/asgi"
)

// Receive waits for a message on any of the channels and takes it. See
// [asgi.Layer].
func (s *Store) Receive(ctx context.Context, c *asgi.Cause, channels ...string) (asgi.Delivery, error) {
	return s.receive(ctx, c, nil, channels)
}

// errRan ends a receive that has run on other goroutines and must not wait again.
var errRan = errors.New("the reader has run")

// receive is Receive. If run is not nil, senders may call it instead of waking the
// receiver.
func (s *Store) receive(ctx context.Context, c *asgi.Cause, run func(asgi.Delivery) []string, channels []string) (asgi.Delivery, error) {
	if err := asgi.CheckReceiveAll(channels); err != nil {
		return asgi.Delivery{}, err
	}
	if ctx.Err() != nil {
		return asgi.Delivery{}, context.Cause(ctx)
	}
	if err := s.waitingNames.Add(len(channels)); err != nil {
		return asgi.Delivery{}, err
	}
	w := s.waiters.Get().(*waiter)
	w.run, w.ctx, w.names = run, ctx, len(channels)
	defer s.freeWaiter(w)
	if len(channels) > usualChannels {
		defer s.removeUnused(channels)
	}
	d, ok, _, err := s.takeOrPark(w, channels)
	if err != nil {
		return asgi.Delivery{}, err
	}
	if ok {
		c.Take(d)
		s.noteTaken(c, &d)
		return d, nil
	}
	select {
	case <-w.ready:
	case <-ctx.Done():
		if s.giveUp(w) {
			return asgi.Delivery{}, context.Cause(ctx)
		}
		<-w.ready // a message was assigned before ctx ended: return it
	}
	d, err = w.got, w.err
	w.got = asgi.Delivery{}
	if err == nil {
		c.Take(d)
		s.noteTaken(c, &d)
	}
	return d, err
}

// Poll takes a message from one of the channels if there is one. See
// [asgi.Layer].
func (s *Store) Poll(ctx context.Context, c *asgi.Cause, channels ...string) (d asgi.Delivery, ok bool, err error) {
	if err := asgi.CheckReceiveAll(channels); err != nil {
		return asgi.Delivery{}, false, err
	}
	if len(channels) > usualChannels {
		defer s.removeUnused(channels)
	}
	d, ok, seq, err := s.takeOrPark(nil, channels)
	if err != nil {
		return asgi.Delivery{}, false, err
	}
	if ok {
		c.Take(d)
		s.noteTaken(c, &d)
	} else {
		c.Raise(s.journal.barrier(seq))
	}
	return d, ok, nil
}

// takeOrPark takes a message or, if there is none and w is not nil, parks w. If there
// is none, it returns the number of the channels' last durable change.
func (s *Store) takeOrPark(w *waiter, channels []string) (d asgi.Delivery, ok bool, seq uint64, err error) {
	now := s.now()
	if len(channels) > usualChannels {
		s.lists.Lock()
		defer s.lists.Unlock()
		s.addQueues(channels, now)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return d, false, 0, asgi.ErrClosed
	}
	var room [usualChannels]*queue
	queues := s.queuesLocked(room[:0], channels, now)
	d, ok, seq = s.takeLocked(queues, now)
	if !ok && w != nil {
		s.parkLocked(w, queues)
	}
	return d, ok, seq, nil
}

// usualChannels is the largest number of channels that most receives name.
const usualChannels = 16

// queuesLocked appends the queues of the channels, which are going to be read.
func (s *Store) queuesLocked(queues []*queue, channels []string, now int64) []*queue {
	s.evictExtraLocked(len(channels), now)
	for _, name := range channels {
		q := s.queueLocked(name, now)
		q.lastRead = now // a queue of a later name must not replace it
		queues = append(queues, q)
	}
	return queues
}

// takeLocked takes the first message of the queue whose last take is longest
// ago. A reader of n channels therefore gets a message of each channel that has
// one within n takes. If there is no message, takeLocked returns the number of
// the queues' last durable change.
func (s *Store) takeLocked(queues []*queue, now int64) (d asgi.Delivery, ok bool, seq uint64) {
	var from *queue
	for _, q := range queues {
		seq = max(seq, q.seq)
		if !q.held() && s.headLocked(q, now) != nil && (from == nil || q.lastTake < from.lastTake) {
			from = q
		}
	}
	if from == nil {
		return asgi.Delivery{}, false, seq
	}
	s.takes++
	from.lastTake = s.takes
	from.useStep()
	r := s.popLocked(from)
	s.journalTakeLocked(from, r)
	return s.delivery(from, r), true, from.seq
}
