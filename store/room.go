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
	class    string // of its message, if an acceptor has left it; valid with a queue
	starving bool   // it waits for memory
	admitted int64  // when an acceptor last let it try again
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
			left := s.patienceLeft(w, r.channel, started, int64(patience))
			if left <= 0 {
				return err
			}
			timer.Reset(time.Duration(left))
		case <-ctx.Done():
			return err
		}
	}
}

// patienceLeft returns how much of a sender's patience is left. A breakpoint and an
// acceptor renew it.
func (s *Store) patienceLeft(w *sender, channel string, started, patience int64) int64 {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	started = max(started, w.admitted)
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

// isBehind reports whether another sender with a message of the class waits before w.
func (q *queue) isBehind(class string, w *sender) bool {
	line := q.lines[class]
	return len(line) > 0 && line[0] != w
}

// addBlockedLocked makes a refused sender wait for its turn, and for the time when its
// message can start. W may be nil.
func (s *Store) addBlockedLocked(w *sender, q *queue, short shortage, cl *class) {
	if w == nil {
		return
	}
	name := ""
	if cl != nil {
		name = cl.name
	}
	if w.queue != q || w.class != name {
		if w.queue == q {
			q.leaveLine(w)
		} else {
			q.blocked = append(q.blocked, w)
		}
		if q.lines == nil {
			q.lines = map[string][]*sender{}
		}
		q.lines[name] = append(q.lines[name], w)
		w.queue, w.class = q, name
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
		q.leaveLine(w)
		s.admitLocked(q)
	}
}

// leaveLine takes a sender out of the line of its class, and wakes the next one.
func (q *queue) leaveLine(w *sender) {
	line := remove(q.lines[w.class], w)
	if len(line) == 0 {
		delete(q.lines, w.class)
		return
	}
	q.lines[w.class] = line
	line[0].wake()
}

// Admit wakes the first sender of each class. See [asgi.Offering].
func (o *offering) Admit() {
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	for _, q := range o.queues {
		if q.held() {
			continue
		}
		for _, line := range q.lines {
			line[0].wake()
		}
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
