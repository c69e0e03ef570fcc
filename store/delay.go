package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// retryInterval is the pause before a delayed message is sent again to a channel
// that was full.
const retryInterval = int64(50 * time.Millisecond)

// delays are the messages that are not due yet, and those that are due but whose
// channel is full.
type delays struct {
	due       schedule[*delayed]
	blocked   map[string][]*delayed // by queue; in the order in which they were due
	nextRetry int64                 // when the blocked messages are sent again
	count     int                   // of all delayed messages
}

type delayed struct {
	record    // its deadline is zero until it is due
	due       int64
	heapIndex int
}

func (d *delayed) when() int64 { return d.due }
func (d *delayed) tie() uint64 { return d.id }
func (d *delayed) index() *int { return &d.heapIndex }

func newDelays() delays { return delays{blocked: make(map[string][]*delayed), nextRetry: never} }

// SendLater sends the message at the time due. See [asgi.Later].
func (s *Store) SendLater(ctx context.Context, c *asgi.Cause, due time.Time, channel string, m asgi.Message) error {
	if err := asgi.CheckTarget(channel); err != nil {
		return err
	}
	if err := s.checkSize(m.Size()); err != nil {
		return err
	}
	return s.sendLater(ctx, c, s.clock(due), channel, m, true)
}

func (s *Store) sendLater(ctx context.Context, c *asgi.Cause, due int64, channel string, m asgi.Message, durable bool) error {
	d := &delayed{record: record{
		message: m,
		channel: channel,
		barrier: c.Barrier(),
		trace:   c.Trace(),
		durable: durable && asgi.KindOf(channel) != asgi.ProcessSpecific,
	}}
	if d.durable {
		if err := s.journal.admit(ctx); err != nil {
			return err
		}
	}
	now := s.now()
	d.due = max(due, now)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return asgi.ErrClosed
	}
	q := s.queueLocked(asgi.DelayChannel, now)
	if short := s.delayShortageLocked(q, d, now); short != hasRoom {
		s.refusedLocked(q, now)
		memory := s.memory
		s.mu.Unlock()
		err := s.fullError(q, asgi.DelayChannel, short, memory)
		s.noteSent(Delayed, c, &d.record, "", err)
		return err
	}
	defer s.mu.Unlock()
	s.sentLocked(q, now)
	s.lastID++
	d.id = s.lastID
	s.scheduleLocked(d)
	s.noteSent(Delayed, c, &d.record, "", nil)
	if d.durable {
		s.journal.putLater(d)
		c.Raise(s.journal.barrier(d.seq))
	}
	return nil
}

func (s *Store) delayShortageLocked(q *queue, d *delayed, now int64) shortage {
	if s.delays.count >= q.capacity {
		return atCapacity
	}
	return s.memoryShortageLocked(d.footprint(), now)
}

// scheduleLocked stores a message until it is due.
func (s *Store) scheduleLocked(d *delayed) {
	s.countDelayedLocked(d)
	s.delays.due.add(d)
	s.wakeBy(d.due)
}

func (s *Store) countDelayedLocked(d *delayed) {
	s.delays.count++
	s.memory += d.footprint()
}

func (s *Store) uncountDelayedLocked(d *delayed) {
	s.delays.count--
	s.memory -= d.footprint()
	if len(s.starving) > 0 {
		s.starving[0].wake()
	}
}

// sendToDelay sends the content of a message to the channel asgi.delay at its
// time. As the specification says, an invalid message is logged and dropped,
// and is not an error.
func (s *Store) sendToDelay(ctx context.Context, c *asgi.Cause, m asgi.Message, durable bool) error {
	channel, delay, content, err := asgi.ParseDelay(m)
	if err != nil {
		s.log.Error("dropped an invalid message to asgi.delay", logkey.Error, err, logkey.Channel, channel)
		return nil
	}
	return s.sendLater(ctx, c, s.now()+int64(delay), channel, content, durable)
}

// all returns all delayed messages, including the blocked ones.
func (d *delays) all() []*delayed {
	return slices.Concat(append(slices.Collect(maps.Values(d.blocked)), d.due)...)
}
