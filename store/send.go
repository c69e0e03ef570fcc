package store

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"asgibox/asgi"
)

// Send gives the message to a reader of the channel or queues it. See
// [asgi.Layer].
func (s *Store) Send(ctx context.Context, c *asgi.Cause, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	if err := asgi.CheckSend(channel); err != nil {
		return err
	}
	if err := s.checkSize(m.Size()); err != nil {
		return err
	}
	durable := !slices.Contains(opts, asgi.Volatile)
	if channel == asgi.DelayChannel {
		return s.sendToDelay(ctx, c, m, durable)
	}
	name := asgi.ProcessPrefix(channel)
	durable = durable && len(name) == len(channel)
	if durable {
		if err := s.journal.admit(ctx); err != nil {
			return err
		}
	}
	r := record{
		message: m,
		channel: channel,
		barrier: c.Barrier(),
		trace:   c.Trace(),
		durable: durable,
	}
	err := s.send(c, name, &r)
	gone := errors.Is(err, asgi.ErrGone)
	if gone {
		err = nil
	}
	s.noteSent(Sent, c, &r, "", err)
	if gone && slices.Contains(opts, asgi.ReportGone) {
		return asgi.ErrGone
	}
	return err
}

// send fails with [asgi.ErrGone] if the connection has ended.
func (s *Store) send(c *asgi.Cause, name string, r *record) error {
	now := s.now()
	r.deadline = now + int64(s.opts.Expiry)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return asgi.ErrClosed
	}
	q := s.queueLocked(name, now)
	s.lastID++
	r.id = s.lastID
	if b := q.binding; b != nil && b.live {
		s.sentLocked(q, now)
		b.calls.Add(1)
		s.mu.Unlock()
		return s.deliverOrGone(q, b, r)
	}
	w, short := s.offerLocked(q, *r, now)
	memory, seq := s.memory, q.seq
	s.mu.Unlock()
	if r.durable {
		c.Raise(s.journal.barrier(seq))
	}
	if w != nil {
		w.ready <- struct{}{}
	}
	if short != hasRoom {
		return s.fullError(q, r.channel, short, memory)
	}
	return nil
}

// offerLocked hands the record to a waiting reader or queues it. The caller
// wakes the returned reader after it has released the lock.
func (s *Store) offerLocked(q *queue, r record, now int64) (wake *waiter, short shortage) {
	if last := q.parked.last; last != nil && q.binding == nil && q.breakpoint == nil {
		w := last.entry.waiter
		s.sentLocked(q, now)
		if r.seq != 0 { // a delayed message that is in the journal
			s.journalTakeLocked(q, &r)
		}
		s.assignLocked(w, s.delivery(q, &r), nil, now)
		return w, hasRoom
	}
	if short := s.shortageLocked(q, r.footprint(), now); short != hasRoom {
		s.refusedLocked(q, now)
		return nil, short
	}
	s.sentLocked(q, now)
	queued := new(record)
	*queued = r
	s.pushLocked(q, queued)
	switch {
	case !r.durable || r.seq != 0:
	case r.copies != nil:
		s.journal.addCopy(r.copies, queued)
	default:
		s.journal.put(queued)
		q.seq = max(q.seq, queued.seq)
	}
	return nil, hasRoom
}

func (s *Store) sentLocked(q *queue, now int64) {
	q.lastSend = now
	q.sent.add(now)
	s.sent.add(now)
}

func (s *Store) refusedLocked(q *queue, now int64) {
	q.lastSend = now
	q.refused.add(now)
	s.refused.add(now)
}

// checkSize fails if a message or value of that size is too large.
func (s *Store) checkSize(size int) error {
	if limit := s.opts.MaxMessage + asgi.MessageOverhead; size > limit {
		return &asgi.MessageTooLargeError{Size: size, Limit: limit}
	}
	return nil
}

func (s *Store) fullError(q *queue, channel string, short shortage, memory int) error {
	if short == outOfMemory {
		return &asgi.ChannelFullError{Channel: channel, Reason: "all waiting messages take " + strconv.Itoa(memory>>20) + " MiB (--memory)"}
	}
	return &asgi.ChannelFullError{Channel: channel, Reason: strconv.Itoa(q.capacity) + " messages wait (--capacity, --channel-capacity)"}
}
