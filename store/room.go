package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"asgibox/asgi"
)

// A sender waits for room on a channel. When there may be room it is woken and
// sends again. Until it succeeds or gives up it keeps its turn.
type sender struct {
	ready chan struct{} // of one: a value wakes the sender

	// Guarded by Store.mu:
	queue    *queue // whose room it waits for; nil if an acceptor has refused its message
	starving bool   // it waits for memory
	done     bool
}

// wake makes the sender try again.
func (w *sender) wake() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// SendWhenRoom sends the message as soon as there is room. See
// [asgi.Acceptors].
func (s *Store) SendWhenRoom(ctx context.Context, c *asgi.Cause, patience time.Duration, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	if channel == asgi.DelayChannel {
		return s.Send(ctx, c, channel, m, opts...)
	}
	r, err := s.newRecord(ctx, c, channel, m, opts)
	if err != nil {
		return err
	}
	_, err = s.send(c, &r, nil)
	if errors.Is(err, asgi.ErrGone) {
		err = nil
	}
	s.noteSent(Sent, c, &r, "", err)
	if !errors.Is(err, asgi.ErrChannelFull) {
		return err
	}
	err = s.waitForRoom(ctx, c, patience, &r, err)
	if err == nil {
		s.noteSent(Sent, c, &r, "", nil)
	}
	return err
}

// waitForRoom sends a record that was refused with err when there is room.
func (s *Store) waitForRoom(ctx context.Context, c *asgi.Cause, patience time.Duration, r *record, err error) error {
	w := &sender{ready: make(chan struct{}, 1)}
	defer s.removeBlocked(w)
	started := s.now()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	w.wake() // to wait in turn from now on
	for {
		select {
		case <-w.ready:
			_, err = s.send(c, r, w)
			if !errors.Is(err, asgi.ErrChannelFull) {
				return err
			}
		case <-timer.C:
			left := s.patienceLeft(r.channel, started, int64(patience))
			if left <= 0 {
				return err
			}
			timer.Reset(time.Duration(left))
		case <-ctx.Done():
			return err
		}
	}
}

// patienceLeft returns how much of a sender's patience is left. A breakpoint
// renews it.
func (s *Store) patienceLeft(channel string, started, patience int64) int64 {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[asgi.ProcessPrefix(channel)]
	switch {
	case q == nil:
	case q.breakpoint != nil:
		return patience
	default:
		started = max(started, q.resumedAt)
	}
	return patience - (now - started)
}

// turnOf reports whether no other sender waits for room in the queue before w.
func (q *queue) turnOf(w *sender) bool { return len(q.blocked) == 0 || q.blocked[0] == w }

// addBlockedLocked makes a refused sender wait for its turn. W may be nil.
func (s *Store) addBlockedLocked(w *sender, q *queue, short shortage) {
	if w == nil {
		return
	}
	if w.queue != q {
		w.queue = q
		q.blocked = append(q.blocked, w)
	}
	switch starving := short == outOfMemory; {
	case starving && !w.starving:
		s.starving = append(s.starving, w)
	case !starving && w.starving:
		s.starving = remove(s.starving, w)
	}
	w.starving = short == outOfMemory
}

// removeBlocked ends the wait of a sender.
func (s *Store) removeBlocked(w *sender) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.done = true
	s.removeBlockedLocked(w)
}

// removeBlockedLocked gives up the turn of a sender.
func (s *Store) removeBlockedLocked(w *sender) {
	if w.starving {
		s.starving = remove(s.starving, w)
	}
	q := w.queue
	w.queue, w.starving = nil, false
	if q != nil {
		q.blocked = remove(q.blocked, w)
		s.admitLocked(q)
	}
}

// admitLocked wakes the senders whose turn it is, if there may be room.
func (s *Store) admitLocked(q *queue) {
	if len(q.blocked) > 0 && q.length < q.capacity {
		q.blocked[0].wake()
	}
	if len(s.starving) > 0 {
		s.starving[0].wake()
	}
}

func remove(senders []*sender, w *sender) []*sender {
	i := slices.Index(senders, w)
	if i < 0 {
		return senders
	}
	return slices.Delete(senders, i, i+1)
}
