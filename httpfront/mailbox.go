package httpfront

import (
	"sync"
	"sync/atomic"

	"asgibox/asgi"
)

// The bounds of what waits to be written.
const (
	mailboxMessages = 1000
	mailboxBytes    = 16 << 20
	allBytes        = 256 << 20
	// littleBytes is what a mailbox may hold though all together hold too
	// much: those who read are not to suffer from those who do not.
	littleBytes = 128 << 10
)

// A mailbox holds what the layer has delivered to one connection until it is
// written. Senders put; one consumer at a time takes. A consumer that finds
// nothing goes away (or to sleep) and its owner fetches it back, so nobody has to
// wait beside an empty mailbox.
type mailbox struct {
	owner owner
	all   *atomic.Int64 // bytes in the mailboxes of all connections

	mu      sync.Mutex // guards the rest
	queue   []entry
	head    int    // queue[:head] has been taken
	bytes   int    // of what has been put and not been let go
	busy    bool   // there is a consumer, or a barrier that will fetch one
	nudged  bool   // and it is to look once more before it rests
	sealed  bool   // no more may be put
	gone    bool   // and nothing taken
	taken   uint64 // entries, ever
	watched uint64 // taken+1 when the head's barrier was last watched
	unwatch func()
}

// An owner is whose connection it is. It is called under the lock of the
// mailbox: it must not block or call back.
type owner interface {
	wake() // fetch a consumer
	full() // a message was refused
}

// An entry is a message that waits for its barrier and for its turn, or the
// last thing that a connection does.
type entry struct {
	message asgi.Message
	barrier asgi.Barrier
	last    *ending // not a message: end the connection
	size    int
	passed  bool  // the barrier has been heard of
	err     error // why the barrier failed
}

// put is called on a sender's goroutine. It answers nil,
// [asgi.ErrChannelFull] or [asgi.ErrGone].
func (b *mailbox) put(d asgi.Delivery) error {
	size := d.Message.Footprint()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed {
		return asgi.ErrGone
	}
	if err := b.admitLocked(d.Channel, size); err != nil {
		b.owner.full()
		return err
	}
	b.putLocked(entry{message: d.Message, barrier: d.Barrier, size: size})
	return nil
}

// end puts the last entry, for which there is always room, and refuses
// everything from now on. It does nothing if there is one already.
func (b *mailbox) end(last *ending) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed {
		return
	}
	b.sealed = true
	b.putLocked(entry{last: last})
}

// nudge has the consumer look again, though nothing was put.
func (b *mailbox) nudge() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return
	}
	if b.busy {
		b.nudged = true
		return
	}
	b.busy = true
	b.owner.wake()
}

func (b *mailbox) putLocked(e entry) {
	if len(b.queue) == cap(b.queue) && b.head > len(b.queue)/2 {
		kept := copy(b.queue, b.queue[b.head:])
		clear(b.queue[kept:])
		b.queue, b.head = b.queue[:kept], 0
	}
	b.queue = append(b.queue, e)
	if !b.busy {
		b.busy = true
		b.owner.wake()
	}
}

func (b *mailbox) admitLocked(channel string, size int) error {
	switch {
	case len(b.queue)-b.head >= mailboxMessages:
		return &asgi.ChannelFullError{Channel: channel, Reason: "1000 messages wait for its client to read"}
	case b.bytes+size > mailboxBytes && b.bytes > 0:
		return &asgi.ChannelFullError{Channel: channel, Reason: "16 MiB wait for its client to read"}
	case b.all.Add(int64(size)) > allBytes && b.bytes+size > littleBytes:
		b.all.Add(-int64(size))
		return &asgi.ChannelFullError{Channel: channel, Reason: "256 MiB wait for clients to read"}
	}
	b.bytes += size
	return nil
}

// take answers the next entry whose turn and barrier have come. The consumer
// lets go of it when it is written.
func (b *mailbox) take() (e entry, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone || b.head == len(b.queue) || !b.queue[b.head].open() {
		return entry{}, false
	}
	e = b.queue[b.head]
	b.queue[b.head] = entry{}
	b.head++
	b.taken++
	if b.head == len(b.queue) {
		b.queue, b.head = b.queue[:0], 0
		if cap(b.queue) > 4 {
			b.queue = nil
		}
	}
	return e, true
}

func (e *entry) open() bool { return e.passed || e.barrier.Passed() }

// release gives back the room of a taken entry.
func (b *mailbox) release(e entry) {
	if e.size == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.gone { // else close has given back all
		b.bytes -= e.size
		b.all.Add(-int64(e.size))
	}
}

// rest reports that there is nothing to take now. The consumer must go; wake
// will fetch one when there is.
func (b *mailbox) rest() bool {
	b.mu.Lock()
	switch {
	case b.nudged:
		b.nudged = false
		b.mu.Unlock()
		return false
	case b.gone || b.head == len(b.queue):
		b.busy = false
		b.mu.Unlock()
		return true
	case b.queue[b.head].open():
		b.mu.Unlock()
		return false
	}
	if b.watched == b.taken+1 {
		b.mu.Unlock()
		return true
	}
	b.watched = b.taken + 1
	barrier, turn := b.queue[b.head].barrier, b.taken
	b.mu.Unlock()
	b.watch(barrier, turn)
	return true
}

// watch has the mailbox woken when the head's barrier is heard of. Until then
// busy stays set, so that no sender wakes anybody.
func (b *mailbox) watch(barrier asgi.Barrier, turn uint64) {
	stop := barrier.Notify(func(err error) { b.heard(turn, err) })
	b.mu.Lock()
	if !b.gone {
		b.unwatch, stop = stop, nil
	}
	b.mu.Unlock()
	if stop != nil {
		stop()
	}
}

func (b *mailbox) heard(turn uint64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone || b.taken != turn {
		return
	}
	b.queue[b.head].passed, b.queue[b.head].err = true, err
	b.owner.wake()
}

// close throws away what is left and answers how much that was. Puts answer
// [asgi.ErrGone] from now on.
func (b *mailbox) close() (dropped int) {
	b.mu.Lock()
	if b.gone {
		b.mu.Unlock()
		return 0
	}
	dropped = len(b.queue) - b.head
	b.sealed, b.gone = true, true
	b.all.Add(-int64(b.bytes))
	b.queue, b.head, b.bytes = nil, 0, 0
	unwatch := b.unwatch
	b.unwatch = nil
	b.mu.Unlock()
	if unwatch != nil {
		unwatch()
	}
	return dropped
}
