package redisstore

import (
	"errors"
	"maps"
	"slices"
	"time"

	"asgibox/asgi"
)

// While a connection has no room for a message that came over Redis, its binding holds
// the messages to it, and a key tells senders of other processes that its mailbox is
// full. So only messages that were under way are held. The key also tells that a
// connection has ended.
const (
	mailboxFull = "full"
	mailboxGone = "gone"

	fullFor   = 3 * time.Second // how long the key lives
	fullAgain = time.Second     // after which it is set again
	goneFor   = time.Minute

	// Limits of the messages that a binding holds, in bytes of memory.
	heldByChannel = 16 << 20
	heldByAll     = 64 << 20

	longestPause = 20 * time.Millisecond // between two attempts to deliver
)

// held are the messages to one connection that wait for room.
type held struct {
	messages []asgi.Delivery
	bytes    int
}

// receiveAll delivers messages that came over Redis, each at once or when there is room
// for it.
func (b *binding) receiveAll(all []asgi.Delivery) {
	gone, lost := map[string]bool{}, 0
	for _, d := range all {
		switch b.receive(d) {
		case asgi.ErrGone:
			gone[d.Channel] = true
		case asgi.ErrChannelFull:
			lost++
		}
	}
	if len(gone) > 0 {
		b.gone(slices.Collect(maps.Keys(gone))...)
	}
	if lost > 0 {
		b.layer.countFull(b.prefix, lost)
	}
}

// receive delivers a message. It fails with [asgi.ErrGone], or with
// [asgi.ErrChannelFull] if the message is lost.
func (b *binding) receive(d asgi.Delivery) error {
	if !b.holds(d.Channel) {
		switch err := b.deliver(d); {
		case err == nil:
			return nil
		case errors.Is(err, asgi.ErrGone):
			return asgi.ErrGone
		}
	}
	if b.hold(d) {
		return nil
	}
	d.Lost = true
	b.deliver(d)
	return asgi.ErrChannelFull
}

// gone notes that connections have ended. The next message tries again if this fails.
func (b *binding) gone(channels ...string) {
	op := &operation{kind: "send"}
	for _, channel := range channels {
		b.layer.leaveLater(channel)
		op.add(nil, "set", b.layer.mailboxKey(channel), mailboxGone, "px", goneFor.Milliseconds())
	}
	_ = b.line.host.runAll(b.life, op)
}

// holds reports whether messages to a channel are held, so that others must wait behind
// them.
func (b *binding) holds(channel string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held[channel] != nil
}

// hold holds a message and reports whether there was room for it.
func (b *binding) hold(d asgi.Delivery) bool {
	size := d.Message.Footprint()
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.held[d.Channel]
	if b.heldBytes+size > heldByAll || h != nil && h.bytes+size > heldByChannel {
		return false
	}
	if h == nil {
		h = &held{}
		b.held[d.Channel] = h
		b.retries.Go(func() { b.retry(d.Channel) })
	}
	h.messages = append(h.messages, d)
	h.bytes += size
	b.heldBytes += size
	return true
}

// retry delivers the held messages of a channel until none is left or the binding ends.
func (b *binding) retry(channel string) {
	key, host := b.layer.mailboxKey(channel), b.line.host
	var told time.Time
	for {
		d, ok := b.first(channel)
		if !ok {
			host.do(b.life, "send", "del", key) // it lives for fullFor if this fails
			if b.forget(channel) {
				return
			}
			continue
		}
		err := asgi.RetryWhileFull(b.life, longestPause, func() error {
			if time.Since(told) >= fullAgain {
				told = time.Now()
				host.do(b.life, "send", "set", key, mailboxFull, "px", fullFor.Milliseconds())
			}
			return b.deliver(d)
		})
		switch {
		case errors.Is(err, asgi.ErrChannelFull): // the binding ends
			return
		case errors.Is(err, asgi.ErrGone):
			b.dropAll(channel)
			b.gone(channel)
			return
		}
		b.dropFirst(channel)
	}
}

// first returns the first held message of a channel, if there is one.
func (b *binding) first(channel string) (d asgi.Delivery, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h := b.held[channel]; len(h.messages) > 0 {
		return h.messages[0], true
	}
	return d, false
}

func (b *binding) dropFirst(channel string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.held[channel]
	size := h.messages[0].Message.Footprint()
	h.messages[0] = asgi.Delivery{}
	h.messages = h.messages[1:]
	h.bytes -= size
	b.heldBytes -= size
}

func (b *binding) dropAll(channel string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heldBytes -= b.held[channel].bytes
	delete(b.held, channel)
}

// forget reports whether no message has come to a channel whose messages were held, so
// that the next one is delivered at once.
func (b *binding) forget(channel string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.held[channel].messages) > 0 {
		return false
	}
	delete(b.held, channel)
	return true
}
