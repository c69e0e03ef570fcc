package chaos

import (
	"context"
	"errors"
	"slices"
	"time"

	"asgibox/asgi"
)

// maxReorder is how long a reordered message waits for the next one.
const maxReorder = time.Second

// held is a message that waits in a queue.
type held struct {
	channel string
	pattern string // of the rule that applied
	message asgi.Message
	opts    []asgi.SendOption
	ctx     context.Context
	cause   *asgi.Cause // a copy, because the sender continues to use its own
	due     time.Time
	done    chan struct{} // closed after the message was sent; nil if its sender does not wait
	err     error         // set before done is closed
	size    int           // counted in Layer.bytes; zero if its sender waits
}

// A queue has the held messages of one channel. Only one goroutine at a time
// sends from it, which keeps the order.
type queue struct {
	channel        string
	waiting        []*held // in the order to send them; due times never decrease
	reordered      *held   // to be sent after the next one
	reorderedUntil time.Time
	draining       bool
	sending        *held             // by the goroutine that drains, or nil
	stalls         map[string]*stall // by sender
	stalled        int               // messages in stalls
	timer          *time.Timer       // nil if none runs
}

// copyCause returns a new cause with the trace, generation and barrier of c.
func copyCause(c *asgi.Cause) *asgi.Cause {
	if c == nil {
		return nil
	}
	same := asgi.NewCause(c.Trace())
	same.Generation = c.Generation
	same.Raise(c.Barrier())
	return same
}

// affects reports whether one of the channels has a rule or held messages.
func (l *Layer) affects(channels ...string) bool {
	if !l.active.Load() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, channel := range channels {
		if l.queues[channel] != nil {
			return true
		}
		for _, earlier := range before[channel] {
			if l.queues[earlier] != nil {
				return true
			}
		}
		for _, r := range l.rules {
			if asgi.MatchName(r.Pattern, channel) {
				return true
			}
		}
	}
	return false
}

// updateActiveLocked sets active, which says whether calls must check rules
// and queues.
func (l *Layer) updateActiveLocked() {
	l.active.Store(!l.closed && (len(l.rules) > 0 || len(l.queues) > 0))
}

func (l *Layer) decideLocked(channel string) decision {
	if l.closed {
		return decision{}
	}
	return decide(l.rules, channel, l.random)
}

// enqueueLocked adds a message to the queue of its channel. The sender waits
// for a message that is due at once, and gets its error. Any other message is
// held, if there is room for it.
func (l *Layer) enqueueLocked(h *held, d decision) (*queue, error) {
	q := l.queueLocked(h)
	if q.stalls[senderOf(h)] != nil {
		return nil, stalledError(h)
	}
	h.due = time.Now().Add(d.delay)
	reordered := d.reordered && q.reordered == nil
	if reordered || d.delay > 0 || q.isLater(h.due) {
		if err := l.holdLocked(h, q); err != nil {
			return nil, err
		}
	} else {
		h.done = make(chan struct{})
	}
	l.queues[q.channel] = q
	l.updateActiveLocked()
	if d.delay > 0 {
		l.countLocked(h.pattern, Counts{Delayed: 1})
	}
	if reordered {
		l.countLocked(h.pattern, Counts{Reordered: 1})
		q.reordered, q.reorderedUntil = h, time.Now().Add(maxReorder)
		return q, nil
	}
	q.add(h)
	q.addReordered()
	return q, nil
}

// before has the channels whose held messages of a connection are sent before its message on
// another channel.
var before = map[string][]string{
	asgi.WebSocketDisconnect: {asgi.WebSocketReceive, asgi.WebSocketConnect},
	asgi.HTTPDisconnect:      {asgi.HTTPRequest},
}

// queueLocked returns the queue for a message. A disconnect waits behind the held messages of
// its connection.
func (l *Layer) queueLocked(h *held) *queue {
	for _, channel := range before[h.channel] {
		if q := l.queues[channel]; q != nil && q.holds(senderOf(h)) {
			q.addReordered()
			return q
		}
	}
	if q := l.queues[h.channel]; q != nil {
		return q
	}
	return &queue{channel: h.channel}
}

// holds reports whether the queue has messages of a sender.
func (q *queue) holds(sender string) bool {
	from := func(h *held) bool { return senderOf(h) == sender }
	return q.stalls[sender] != nil || q.reordered != nil && from(q.reordered) ||
		q.sending != nil && from(q.sending) || slices.ContainsFunc(q.waiting, from)
}

// count returns how many held messages the queue has of a channel, which may be one of
// those that wait behind its own.
func (q *queue) count(channel string) int {
	if channel == q.channel {
		n := len(q.waiting) + q.stalled
		if q.reordered != nil {
			n++
		}
		return n
	}
	of := func(held []*held) (n int) {
		for _, h := range held {
			if h.channel == channel {
				n++
			}
		}
		return n
	}
	n := of(q.waiting)
	for _, s := range q.stalls {
		n += of(s.messages)
	}
	return n
}

// isLater reports whether the last message of the queue is due after a time.
func (q *queue) isLater(due time.Time) bool {
	n := len(q.waiting)
	return n > 0 && due.Before(q.waiting[n-1].due)
}

// add puts a message at the end of the queue, due no sooner than the one
// before it.
func (q *queue) add(h *held) {
	if q.isLater(h.due) {
		h.due = q.waiting[len(q.waiting)-1].due
	}
	q.waiting = append(q.waiting, h)
}

func (q *queue) addReordered() {
	if q.reordered != nil {
		q.add(q.reordered)
		q.reordered = nil
	}
}

// nextLocked removes and returns the first message if it is due.
func (l *Layer) nextLocked(q *queue, now time.Time) *held {
	if q.reordered != nil && !now.Before(q.reorderedUntil) {
		q.addReordered()
	}
	if len(q.waiting) == 0 || now.Before(q.waiting[0].due) {
		return nil
	}
	h := q.waiting[0]
	q.waiting[0] = nil
	q.waiting = q.waiting[1:]
	return h
}

// drain sends the messages that are due. Held messages that find no room wait for it.
func (l *Layer) drain(q *queue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q.draining {
		return
	}
	q.draining = true
	for h := l.nextLocked(q, time.Now()); h != nil; h = l.nextLocked(q, time.Now()) {
		if l.behindLocked(h, q) {
			continue
		}
		q.sending = h
		l.mu.Unlock()
		err := l.Layer.Send(h.ctx, h.cause, h.channel, h.message, h.opts...)
		l.mu.Lock()
		q.sending = nil
		if h.size > 0 && errors.Is(err, asgi.ErrChannelFull) && !l.closed {
			l.stallLocked(h, q)
			continue
		}
		if h.size > 0 && err != nil && !errors.Is(err, asgi.ErrGone) {
			l.countLocked(h.pattern, Counts{Lost: 1})
		}
		l.releaseLocked(h)
		h.finish(err)
	}
	q.draining = false
	l.scheduleLocked(q)
}

// finish sets the result of the send and wakes the sender if it waits.
func (h *held) finish(err error) {
	h.err = err
	if h.done != nil {
		close(h.done)
	}
}

// scheduleLocked sets the timer for the next message in the queue, or deletes
// an empty queue.
func (l *Layer) scheduleLocked(q *queue) {
	if q.timer != nil && q.timer.Stop() {
		l.running.Done()
	}
	q.timer = nil
	var at time.Time
	switch {
	case l.closed:
		return
	case len(q.waiting) > 0:
		at = q.waiting[0].due
	case q.reordered != nil:
		at = q.reorderedUntil
	case len(q.stalls) > 0:
		return
	case l.queues[q.channel] == q: // it may have been deleted and replaced already
		delete(l.queues, q.channel)
		l.updateActiveLocked()
		return
	default:
		return
	}
	l.running.Add(1)
	q.timer = time.AfterFunc(time.Until(at), func() {
		defer l.running.Done()
		l.drain(q)
	})
}

// dropHeldLocked empties all queues.
func (l *Layer) dropHeldLocked() {
	for _, q := range l.queues {
		q.addReordered()
		for _, h := range q.waiting {
			l.releaseLocked(h)
			h.finish(nil)
		}
		q.waiting = nil
		l.dropStallsLocked(q)
		if !q.draining {
			l.scheduleLocked(q)
		}
	}
}
