package chaos

import (
	"context"
	"errors"
	"time"

	"asgibox/asgi"
)

// A stall has the held messages of one sender that were due and found no room, and
// those that were due after them. They wait for room, in this order.
type stall struct {
	messages []*held
	stop     context.CancelFunc // ends the wait
}

// senderOf names the sender of a message on a channel. Messages of one connection must
// not overtake one another, and one connection must not hold up others.
func senderOf(h *held) string { return h.message.Text(asgi.KeyReplyChannel) }

// retryInterval is the longest time between two tries if the layer behind cannot wait for
// room.
const retryInterval = 50 * time.Millisecond

func stalledError(h *held) error {
	return &asgi.ChannelFullError{Channel: h.channel, Reason: "earlier messages, which chaos has held, wait for room"}
}

// stalled reports whether a message would wait behind a stall.
func (l *Layer) stalled(h *held, q *queue) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return q.stalls[senderOf(h)] != nil
}

// behindLocked makes a message that is due wait behind a stall of its sender, and
// reports whether there is one.
func (l *Layer) behindLocked(h *held, q *queue) bool {
	s := q.stalls[senderOf(h)]
	if s == nil {
		return false
	}
	if h.size == 0 { // its sender waits
		h.finish(stalledError(h))
		return true
	}
	s.messages = append(s.messages, h)
	q.stalled++
	return true
}

// stallLocked makes a held message that found no room wait for it.
func (l *Layer) stallLocked(h *held, q *queue) {
	ctx, stop := context.WithCancel(l.ctx)
	s := &stall{messages: []*held{h}, stop: stop}
	if q.stalls == nil {
		q.stalls = make(map[string]*stall)
	}
	sender := senderOf(h)
	q.stalls[sender] = s
	q.stalled++
	l.running.Add(1)
	go func() {
		defer l.running.Done()
		defer stop()
		l.sendStalled(ctx, q, s, sender)
	}()
}

// sendStalled sends the messages of a stall when there is room. If there is none until
// a message would have expired, the message is lost.
func (l *Layer) sendStalled(ctx context.Context, q *queue, s *stall, sender string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(s.messages) > 0 {
		h := s.messages[0]
		l.mu.Unlock()
		err := l.sendWhenRoom(ctx, h)
		l.mu.Lock()
		if ctx.Err() != nil {
			return // dropped
		}
		s.messages = s.messages[1:]
		q.stalled--
		l.releaseLocked(h)
		if err != nil && !errors.Is(err, asgi.ErrGone) {
			l.countLocked(h.pattern, Counts{Lost: 1})
		}
	}
	delete(q.stalls, sender)
	if !q.draining {
		l.scheduleLocked(q)
	}
}

// sendWhenRoom sends a message to the layer behind when there is room.
func (l *Layer) sendWhenRoom(ctx context.Context, h *held) error {
	patience := max(0, l.Settings().Expiry-time.Since(h.due))
	if asgi.KindOf(h.channel) != asgi.ProcessSpecific { // nothing says when a client has read
		err := l.acceptors.SendWhenRoom(ctx, h.cause, patience, h.channel, h.message, h.opts...)
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return asgi.RetryWhileFull(waiting, retryInterval, func() error {
		return l.Layer.Send(ctx, h.cause, h.channel, h.message, h.opts...)
	})
}

// dropStallsLocked drops the messages that wait for room.
func (l *Layer) dropStallsLocked(q *queue) {
	for _, s := range q.stalls {
		s.stop()
		for _, h := range s.messages {
			l.releaseLocked(h)
		}
	}
	q.stalls, q.stalled = nil, 0
}
