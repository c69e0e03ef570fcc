package httpfront

import (
	"log/slog"
	"strconv"
	"sync"
	"time"

	"asgibox/asgi"
)

// Limits of the messages that wait to be written.
const (
	mailboxMessages = 1000
	mailboxBytes    = 16 << 20
	// minBytes is how much a mailbox may hold even if all mailboxes hold
	// allBytes, so that clients that read are not affected by others.
	minBytes = 128 << 10
)

// A mailbox holds the messages that the layer has delivered to one connection
// until they are written. Senders put messages; one consumer at a time takes
// them. A consumer that finds the mailbox idle stops or sleeps, and the mailbox
// calls the owner's wake when there is work.
type mailbox struct {
	owner   owner
	outputs *outputs // of all connections

	mu      sync.Mutex // guards the rest
	queue   []entry
	head    int    // queue[:head] has been taken
	bytes   int    // size of the messages that were put and neither released nor dropped
	busy    bool   // a consumer runs, or a barrier will wake one
	crowd   bool   // the owner is also woken when a second message waits
	nudged  bool   // the consumer must check once more before it stops
	sealed  bool   // no more messages may be put
	closed  bool   // no more entries may be taken
	taken   uint64 // number of entries taken so far
	watched uint64 // taken+1 when the head's barrier was last watched
	unwatch func()
	since   int64         // when the head's barrier was last watched, in Unix nanoseconds
	waited  time.Duration // time for which the consumer has waited for barriers; after close it may be read without the lock
}

// An owner is the connection of a mailbox. The mailbox calls it with its lock
// held, so it must not block or call the mailbox. Senders that found no room may also
// call delivered.
type owner interface {
	wake()                  // wake or start a consumer
	full(lost bool)         // there was no room for a message; its sender is told, unless it is lost
	ends(asgi.Message) bool // whether a message ends the connection
	cuts(asgi.Message) bool // whether a message ends the connection because its client is silent
	delivered() int64       // about how many bytes the client has read
	drop()                  // end the connection: the client is silent
}

// An entry is a message that waits for its barrier and its turn, or the ending
// of a connection.
type entry struct {
	message  asgi.Message
	shared   *asgi.Shared // see [asgi.Delivery]
	barrier  asgi.Barrier
	ending   *ending // if not nil, the entry is no message but ends the connection
	size     int
	reported bool  // the sender has reported the problems of the message
	passed   bool  // the barrier has passed or failed
	err      error // why the barrier failed
}

// problemLevel is the level of log records about problems of the message.
func (e *entry) problemLevel() slog.Level {
	if e.reported {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// put adds a message on the sender's goroutine. It returns nil,
// [asgi.ErrChannelFull] or [asgi.ErrGone]. There is always room for a message of
// at most minBytes that ends the connection; it is the last one then.
func (b *mailbox) put(d asgi.Delivery) error {
	size := d.Message.Footprint()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed {
		return asgi.ErrGone
	}
	if d.Probe {
		return nil
	}
	if b.bytes > minBytes && b.owner.cuts(d.Message) {
		b.owner.drop()
	}
	if err := b.reserveLocked(d.Channel, size); err != nil {
		b.owner.full(d.Lost)
		if size > minBytes || !b.owner.ends(d.Message) {
			return err
		}
		b.sealed = true
		b.bytes += size
		b.outputs.bytes.Add(int64(size))
	}
	b.putLocked(entry{message: d.Message, shared: d.Shared, barrier: d.Barrier, size: size, reported: d.Reported})
	return nil
}

// end adds the last entry, for which there is always room. Later messages are
// refused. It does nothing if the mailbox has a last entry.
func (b *mailbox) end(last *ending) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed {
		return
	}
	b.sealed = true
	b.putLocked(entry{ending: last})
}

// nudge makes the consumer check for work although no message was put.
func (b *mailbox) nudge() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
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
		n := copy(b.queue, b.queue[b.head:])
		clear(b.queue[n:])
		b.queue, b.head = b.queue[:n], 0
	}
	b.queue = append(b.queue, e)
	if !b.busy || b.crowd && len(b.queue)-b.head == 2 {
		b.busy = true
		b.owner.wake()
	}
}

func (b *mailbox) reserveLocked(channel string, size int) error {
	switch {
	case len(b.queue)-b.head >= mailboxMessages:
		return b.fullLocked(channel, "1000 messages wait for its client to read")
	case b.bytes+size > mailboxBytes && b.bytes > 0:
		return b.fullLocked(channel, "16 MiB wait for its client to read")
	}
	others := int(b.outputs.bytes.Add(int64(size))) - b.bytes - size
	share := b.outputs.share(others)
	if b.bytes == 0 {
		share = allBytes - others // one message may take all that is left
	}
	if b.bytes+size > max(share, minBytes) {
		b.outputs.bytes.Add(-int64(size))
		return b.fullLocked(channel, strconv.Itoa(others>>20)+" MiB wait for other clients to read")
	}
	b.bytes += size
	return nil
}

func (b *mailbox) fullLocked(channel, reason string) error {
	return &asgi.ChannelFullError{Channel: channel, Reason: reason, Read: b.owner.delivered}
}

// progress returns how much the client has read, and whether messages wait for it to
// read. They may wait for the disk instead.
func (b *mailbox) progress() (read int64, waits bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	onDisk := b.head < len(b.queue) && b.watched == b.taken+1 && !b.queue[b.head].ready()
	if b.bytes == 0 || onDisk {
		return 0, false
	}
	return b.owner.delivered(), true
}

// drop ends the connection of a client that is silent, and returns how many bytes
// wait for it.
func (b *mailbox) drop() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bytes > 0 {
		b.owner.drop()
	}
	return int64(b.bytes)
}

// take returns the next entry if its barrier has passed or failed. The consumer
// must release its size when it is written, even if the mailbox has been closed.
func (b *mailbox) take() (e entry, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.head == len(b.queue) || !b.queue[b.head].ready() {
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

func (e *entry) ready() bool { return e.passed || e.barrier.Passed() }

// release frees the space of taken entries, which have a size.
func (b *mailbox) release(size int) {
	if size == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.releaseLocked(size)
}

func (b *mailbox) releaseLocked(size int) {
	b.bytes -= size
	b.outputs.bytes.Add(-int64(size))
}

// idle reports whether there is nothing to take now. If so, the consumer must
// stop; the mailbox calls wake when there is work.
func (b *mailbox) idle() bool {
	b.mu.Lock()
	switch {
	case b.nudged:
		b.nudged = false
		b.mu.Unlock()
		return false
	case b.closed || b.head == len(b.queue):
		b.busy = false
		b.mu.Unlock()
		return true
	case b.queue[b.head].ready():
		b.mu.Unlock()
		return false
	}
	if b.watched == b.taken+1 {
		b.mu.Unlock()
		return true
	}
	b.watched = b.taken + 1
	b.since = time.Now().UnixNano()
	barrier, turn := b.queue[b.head].barrier, b.taken
	b.mu.Unlock()
	b.watch(barrier, turn)
	return true
}

// watch wakes the owner when the head's barrier passes or fails. Until then busy
// stays set, so that senders do not wake the owner.
func (b *mailbox) watch(barrier asgi.Barrier, turn uint64) {
	stop := barrier.Notify(func(err error) { b.barrierDone(turn, err) })
	b.mu.Lock()
	if !b.closed {
		b.unwatch, stop = stop, nil
	}
	b.mu.Unlock()
	if stop != nil {
		stop()
	}
}

func (b *mailbox) barrierDone(turn uint64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.taken != turn {
		return
	}
	b.queue[b.head].passed, b.queue[b.head].err = true, err
	b.waited += time.Duration(time.Now().UnixNano() - b.since)
	b.owner.wake()
}

// close drops the remaining entries and returns their number. Later puts fail
// with [asgi.ErrGone].
func (b *mailbox) close() (dropped int) {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return 0
	}
	for _, e := range b.queue[b.head:] {
		b.releaseLocked(e.size)
		dropped++
	}
	b.sealed, b.closed = true, true
	b.queue, b.head = nil, 0
	unwatch := b.unwatch
	b.unwatch = nil
	b.mu.Unlock()
	if unwatch != nil {
		unwatch()
	}
	return dropped
}
