package chaos

import (
	"context"
	"slices"
	"strconv"
	"time"

	"asgibox/asgi"
)

// defaultMemory is the default of [Options.Memory].
const defaultMemory = 256 << 20

// heldFootprint is the memory of a held message and its queue without the message,
// in bytes.
const heldFootprint = 768

// holdLocked makes a message one that is held in a queue. It fails with
// [asgi.ErrChannelFull] if there is no room.
func (l *Layer) holdLocked(h *held, q *queue) error {
	n, size := q.count(h.channel), heldFootprint+h.message.Footprint()
	switch {
	case n >= l.capacity(h.channel):
		return &asgi.ChannelFullError{Channel: h.channel, Reason: strconv.Itoa(n) + " messages are held by chaos (--capacity, --channel-capacity)"}
	case l.bytes+size > l.memory:
		return &asgi.ChannelFullError{Channel: h.channel, Reason: "the messages that chaos holds take " + strconv.Itoa(l.bytes>>20) + " MiB (--memory)"}
	}
	h.size, h.ctx = size, l.ctx
	// The server may have dropped the rest of a request body before a held piece comes.
	h.opts = slices.DeleteFunc(h.opts, func(o asgi.SendOption) bool { return o == asgi.Lasting })
	l.bytes += size
	return nil
}

// releaseLocked ends the holding of a message, and wakes the senders that wait for
// room.
func (l *Layer) releaseLocked(h *held) {
	if h.size == 0 {
		return
	}
	l.bytes -= h.size
	close(l.room)
	l.room = make(chan struct{})
}

// waitForRoomLocked is enqueueLocked for a message that found no room. It releases the lock
// while it waits.
func (l *Layer) waitForRoomLocked(h *held, d decision, patience time.Duration) (*queue, error) {
	ctx, cancel := context.WithTimeout(h.ctx, patience)
	defer cancel()
	for {
		room := l.room
		q, err := l.enqueueLocked(h, d)
		if err == nil || ctx.Err() != nil {
			return q, err
		}
		l.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
		}
		l.mu.Lock()
		if l.closed {
			d = decision{} // it passes straight
		}
	}
}
