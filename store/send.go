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
	if channel == asgi.DelayChannel {
		if err := s.checkSize(m.Size()); err != nil {
			return err
		}
		return s.sendToDelay(ctx, c, m, !slices.Contains(opts, asgi.Volatile))
	}
	r, err := s.newRecord(ctx, c, channel, m, opts)
	if err != nil {
		return err
	}
	r.lends = slices.Contains(opts, asgi.Lend) && !r.durable
	borrower, err := s.send(c, &r, nil)
	gone := errors.Is(err, asgi.ErrGone)
	if gone {
		err = nil
	}
	s.noteSent(Sent, c, &r, "", err)
	borrower.run(s)
	if gone && slices.Contains(opts, asgi.ReportGone) {
		return asgi.ErrGone
	}
	return err
}

// newRecord checks a message to send. If it is durable, newRecord waits for the
// journal.
func (s *Store) newRecord(ctx context.Context, c *asgi.Cause, channel string, m asgi.Message, opts []asgi.SendOption) (r record, err error) {
	if err := asgi.CheckSend(channel); err != nil {
		return r, err
	}
	if err := s.checkSize(m.Size()); err != nil {
		return r, err
	}
	durable := !slices.Contains(opts, asgi.Volatile) && len(asgi.ProcessPrefix(channel)) == len(channel)
	if durable {
		if err := s.journal.admit(ctx); err != nil {
			return r, err
		}
	}
	return record{
		message:  m,
		channel:  channel,
		barrier:  c.Barrier(),
		trace:    c.Trace(),
		durable:  durable,
		reported: slices.Contains(opts, asgi.Reported),
		lasting:  slices.Contains(opts, asgi.Lasting),
	}, nil
}

// send sends a record to whatever reads its channel now, or queues it. From is
// the sender if it waits for room. The caller must run the borrower.
func (s *Store) send(c *asgi.Cause, r *record, from *sender) (borrower, error) {
	for {
		var b borrower
		var err error
		if o := s.offeringOf(r.channel); o != nil {
			b, err = o.send(c, r, from)
		} else {
			b, err = s.sendPlain(c, r, from)
		}
		if err != errRetry {
			return b, err
		}
	}
}

// sendPlain sends a record on a channel without an offering. It fails with
// [asgi.ErrGone] if the connection has ended.
func (s *Store) sendPlain(c *asgi.Cause, r *record, from *sender) (borrower, error) {
	now := s.now()
	r.deadline = now + s.lifetime(r.lasting)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return borrower{}, asgi.ErrClosed
	}
	q := s.queueLocked(asgi.ProcessPrefix(r.channel), now)
	if q.offering != nil {
		s.mu.Unlock()
		return borrower{}, errRetry
	}
	s.lastID++
	r.id = s.lastID
	if b := q.binding; b != nil && b.live {
		s.sentLocked(q, now)
		b.calls.Add(1)
		s.mu.Unlock()
		return borrower{}, s.deliverOrGone(q, b, r)
	}
	w, _, short := s.offerLocked(q, *r, from, now)
	return s.finishSend(c, q, r, w, short)
}

// finishSend releases the lock after offerLocked and wakes the reader, unless that
// borrows the goroutine of the sender.
func (s *Store) finishSend(c *asgi.Cause, q *queue, r *record, wake *waiter, short shortage) (b borrower, err error) {
	memory, seq := s.memory, q.seq
	s.mu.Unlock()
	if r.durable {
		c.Raise(s.journal.barrier(seq))
	}
	switch {
	case wake == nil:
	case r.lends && wake.run != nil:
		b.waiter = wake
	default:
		wake.ready <- struct{}{}
	}
	if short != hasRoom {
		err = s.fullError(q, r.channel, short, memory)
	}
	return b, err
}

// offerLocked hands the record to a waiting reader or queues it. The caller
// wakes the returned reader after it has released the lock.
func (s *Store) offerLocked(q *queue, r record, from *sender, now int64) (wake *waiter, queued *record, short shortage) {
	if last := q.parked.last; last != nil && q.binding == nil && q.breakpoint == nil {
		w := last.entry.waiter
		s.sentLocked(q, now)
		if r.seq != 0 { // a delayed message that is in the journal
			s.journalTakeLocked(q, &r)
		}
		s.assignLocked(w, s.delivery(q, &r), nil, now)
		return w, nil, hasRoom
	}
	if short := s.shortageLocked(q, r.footprint(), from, now); short != hasRoom {
		if from == nil {
			s.refusedLocked(q, now)
		}
		s.addBlockedLocked(from, q, short, r.class)
		return nil, nil, short
	}
	s.sentLocked(q, now)
	queued = new(record)
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
	return nil, queued, hasRoom
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
