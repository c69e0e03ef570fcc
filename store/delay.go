package store

import (
	"context"
	"time"

	"asgibox/asgi"
)

// delayChannel is where the specification's delay server would receive.
const delayChannel = "asgi.delay"

// retryEvery is how soon a delayed message is tried again where its channel
// was full.
const retryInterval = int64(50 * time.Millisecond)

// delays are the messages that wait for their time, and those whose time has
// come but whose channel is full.
type delays struct {
	due       schedule[*delayed]
	blocked   map[string]*line // by queue; in the order in which they were due
	nextRetry int64            // when the blocked are tried again
	count     int              // how many there are in all
}

type delayed struct {
	record    // its deadline is zero until delivery was tried
	due       int64
	heapIndex int
}

func (d *delayed) when() int64 { return d.due }
func (d *delayed) tie() uint64 { return d.id }
func (d *delayed) index() *int { return &d.heapIndex }

// A line is the delayed messages that wait for room in one queue.
type line struct{ waiting []*delayed }

func newDelays() delays { return delays{blocked: make(map[string]*line), nextRetry: never} }

// SendLater sends the message at a time. See [asgi.Later].
func (s *Store) SendLater(ctx context.Context, c *asgi.Cause, due time.Time, channel string, m asgi.Message) error {
	if err := asgi.CheckSend(channel); err != nil {
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
	q := s.queueLocked(delayChannel, now)
	if short := s.delayShortageLocked(q, d, now); short != hasRoom {
		s.refusedLocked(q, now)
		memory := s.memory
		s.mu.Unlock()
		err := s.fullError(q, delayChannel, short, memory)
		s.noteDelayed(c, &d.record, err)
		return err
	}
	defer s.mu.Unlock()
	s.sentLocked(q, now)
	s.lastID++
	d.id = s.lastID
	s.scheduleLocked(d)
	s.noteDelayed(c, &d.record, nil)
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

// holdLocked keeps a message until its time.
func (s *Store) scheduleLocked(d *delayed) {
	s.delays.count++
	s.memory += d.footprint()
	s.delays.due.add(d)
	s.wakeBy(d.due)
}

func (s *Store) uncountDelayedLocked(d *delayed) {
	s.delays.count--
	s.memory -= d.footprint()
}

// sendToDelay reads a message of the channel asgi.delay. A bad one is logged
// and dropped: its sender could not do anything about it.
func (s *Store) sendToDelay(ctx context.Context, c *asgi.Cause, m asgi.Message, durable bool) error {
	channel, delay, content, err := parseDelay(m)
	if err != nil {
		s.log.Error("a message to asgi.delay was dropped", "error", err, "channel", channel)
		return nil
	}
	return s.sendLater(ctx, c, s.now()+int64(delay), channel, content, durable)
}

func parseDelay(m asgi.Message) (channel string, delay time.Duration, content asgi.Message, err error) {
	channel = m.Octets("channel")
	if err := asgi.CheckSend(channel); err != nil {
		return channel, 0, asgi.Message{}, err
	}
	ms, ok := m.Get("delay")
	n, isInt := ms.(int64)
	if !ok || !isInt || n <= 0 || n > maxDelay {
		return channel, 0, asgi.Message{}, &asgi.InvalidMessageError{Path: "delay", Reason: "it must be a positive integer, in milliseconds"}
	}
	v, _ := m.Get("content")
	dict, ok := v.(asgi.Dict)
	if !ok {
		return channel, 0, asgi.Message{}, &asgi.InvalidMessageError{Path: "content", Reason: "it must be a dict"}
	}
	content, err = asgi.AsMessage(dict)
	return channel, time.Duration(n) * time.Millisecond, content, err
}

// maxDelay keeps due times within what 64 bits of nanoseconds hold: 100 years.
const maxDelay = int64(100 * 365 * 24 * time.Hour / time.Millisecond)

// all answers all delayed messages, the blocked too.
func (d *delays) all() []*delayed {
	all := append([]*delayed(nil), d.due...)
	for _, l := range d.blocked {
		all = append(all, l.waiting...)
	}
	return all
}
