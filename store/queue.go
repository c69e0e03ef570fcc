package store

import (
	"time"

	"asgibox/asgi"
)

// A record is a waiting message.
type record struct {
	message  asgi.Message
	channel  string       // the full name
	barrier  asgi.Barrier // its sender's
	trace    asgi.TraceID
	id       uint64 // increases in the order of sending
	deadline int64
	prev     *record
	next     *record
	shared   *asgi.Shared // of all copies of a message to a group
	reported bool         // its sender has reported its problems
	lasting  bool
	lost     bool // its sender is not told if the queue's binding has no room

	// For the queue's offering.
	class   *class // if it was sorted
	inClass link[*record]
	ticket  any  // if it was sorted
	left    bool // the acceptor has left it in the queue
	lends   bool // its sender lends its goroutine

	// For the journal.
	seq       uint64  // the number of its op; zero if there is none
	copies    *copies // if it is a copy of a message to a group
	durable   bool
	cancelled bool // the copy was taken before it was written; guarded by the journal's mutex
}

// recordFootprint is the memory of a record without its message, in bytes.
const recordFootprint = 256

func (r *record) footprint() int { return recordFootprint + r.message.Footprint() }

// lifetime returns how long a message waits until it expires.
func (s *Store) lifetime(lasting bool) int64 {
	if lasting {
		return int64(max(asgi.LastingExpiry, s.opts.Expiry))
	}
	return int64(s.opts.Expiry)
}

// sentAt returns when a record was sent.
func (s *Store) sentAt(r *record) int64 { return r.deadline - s.lifetime(r.lasting) }

// delivery returns the delivery of a record. Its barrier covers the sender's
// barrier and the queue's last durable change, because a reader that gets this
// message first learns that the messages before it were taken.
func (s *Store) delivery(q *queue, r *record) asgi.Delivery {
	return asgi.Delivery{
		Channel:  r.channel,
		Message:  r.message,
		Barrier:  r.barrier.Max(s.journal.barrier(q.seq)),
		Trace:    r.trace,
		Deadline: s.time(r.deadline),
		Volatile: !r.durable,
		Lasting:  r.lasting,
		Reported: r.reported,
		ID:       r.id,
		Shared:   r.shared,
		Lost:     r.lost,
	}
}

// A queue holds the messages or the readers that wait on a channel. One of
// the two is empty, because a message is given to a waiting reader. The channels of one
// process share a queue.
type queue struct {
	name       string
	kind       asgi.Kind
	capacity   int
	head, tail *record
	length     int
	disorder   bool       // a record may have an earlier deadline than one before it
	parked     list[slot] // in the order of arrival; the last one is served first, because its data is likely in the processor's caches
	binding    *binding
	lastTake   uint64 // Store.takes at its last take
	seq        uint64 // the journal's number of its last durable change
	lastRead   int64  // when a reader last asked for a message
	lastSend   int64  // when a message was last sent
	nextSweep  int64  // when the keeper sweeps it; not after any deadline
	heapIndex  int    // in Store.sweeps
	sent       meter
	refused    meter
	expired    uint64
	breakpoint *breakpoint          // nil unless paused
	resumedAt  int64                // when a breakpoint was last removed
	blocked    []*sender            // senders that wait for room, in the order of their arrival
	lines      map[string][]*sender // the same by the class of their messages

	// The messages are sorted up to unsorted, which is nil if all are. The
	// classes belong to the epoch; a class of an earlier one is out of date.
	offering *offering // nil if there is none
	unsorted *record
	classes  []*class
	epoch    uint64

	counted bool         // Store.memory includes its footprint
	extra   link[*queue] // in Store.extras, if its entry is set
}

// queueFootprint is the memory of a queue, in bytes. It counts if there are more
// than manyQueues, while the queue has messages.
const queueFootprint = 512

func (q *queue) when() int64 { return q.nextSweep }
func (q *queue) tie() uint64 { return 0 }
func (q *queue) index() *int { return &q.heapIndex }

// idleTime is how long an unused queue and its statistics are kept, as long as
// there are at most manyQueues. Otherwise it is removed after the expiry, because
// an application may use channels with names that come from clients. So are the
// queues of single-reader channels, because each request body has one. If there
// are mostQueues, a new queue replaces some that have not been used for recentTime, and
// is itself removed soon after its use.
const (
	idleTime   = int64(time.Hour)
	recentTime = int64(time.Second)
	manyQueues = 10_000
	mostQueues = 100_000
)

// idleAt returns when the queue can be removed unless it is used.
func (s *Store) idleAt(q *queue) int64 {
	idle := int64(s.opts.Expiry)
	if q.kind != asgi.SingleReader && len(s.queues) <= manyQueues {
		idle = max(idle, idleTime)
	}
	return max(q.lastRead, q.lastSend) + idle
}

// queueLocked returns the queue of a channel or prefix. It creates the queue if
// there is none.
func (s *Store) queueLocked(name string, now int64) *queue {
	if q := s.queues[name]; q != nil {
		return q
	}
	if len(s.queues) >= mostQueues {
		s.evictQueuesLocked(now)
	}
	q := &queue{name: name, kind: asgi.KindOf(name), capacity: s.opts.capacityOf(name), lastSend: now}
	if len(s.queues) >= mostQueues {
		q.extra.entry = q
		s.extras.push(&q.extra)
	}
	q.nextSweep = s.idleAt(q)
	s.queues[name] = q
	s.sweeps.add(q)
	s.wakeBy(q.nextSweep)
	return q
}

// evictQueuesLocked removes idle ones of a few queues that it takes at random. So
// at most a third of all queues above mostQueues remain idle.
func (s *Store) evictQueuesLocked(now int64) {
	const tries = 4
	n := 0
	for _, q := range s.queues {
		if max(q.lastRead, q.lastSend) < now-recentTime {
			s.evictLocked(q, now)
		}
		if n++; n == tries {
			return
		}
	}
}

// evictExtraLocked removes idle queues of those that were made when there were too many.
// It checks two for each of the n queues that a receive is about to look for, because it
// may make them all. So about as many remain idle as are in use.
func (s *Store) evictExtraLocked(n int, now int64) {
	for range 2 * min(n, usualChannels) {
		e := s.extras.first
		if e == nil || len(s.queues) <= mostQueues {
			return
		}
		if !s.evictLocked(e.entry, now) {
			s.extras.remove(e)
			s.extras.push(e)
		}
	}
}

// evictLocked removes a queue if it is idle, and reports whether it did.
func (s *Store) evictLocked(q *queue, now int64) bool {
	return q.head == nil && q.breakpoint == nil && len(q.blocked) == 0 && s.journal.barrier(q.seq).Passed() && s.removeIdleLocked(q, now)
}

// pushLocked adds a record at the end of its queue.
func (s *Store) pushLocked(q *queue, r *record) {
	r.prev = q.tail
	if q.tail == nil {
		q.head = r
	} else {
		q.tail.next = r
		q.disorder = q.disorder || r.deadline < q.tail.deadline
	}
	q.tail = r
	if q.offering != nil && q.unsorted == nil && r.class == nil {
		q.unsorted = r
	}
	s.countLocked(q, r)
}

// pushFrontLocked adds a record at the head of its queue.
func (s *Store) pushFrontLocked(q *queue, r *record) {
	r.next = q.head
	if q.head == nil {
		q.tail = r
	} else {
		q.head.prev = r
		q.disorder = q.disorder || r.deadline > q.head.deadline
	}
	q.head = r
	q.unsortLocked()
	s.countLocked(q, r)
}

// removeLocked removes a record from its queue.
func (s *Store) removeLocked(q *queue, r *record) {
	if q.unsorted == r {
		q.unsorted = r.next
	} else if r.class.current(q) {
		r.class.messages.remove(&r.inClass)
		r.class = nil
	}
	if r.prev == nil {
		q.head = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next == nil {
		q.tail = r.prev
	} else {
		r.next.prev = r.prev
	}
	r.prev, r.next = nil, nil
	if q.head == nil {
		q.disorder = false
	}
	s.uncountLocked(q, r)
}

func (s *Store) countLocked(q *queue, r *record) {
	q.length++
	s.pending++
	s.memory += r.footprint()
	if q.length == 1 && len(s.queues) > manyQueues {
		q.counted = true
		s.memory += queueFootprint
	}
	if q.offering != nil {
		q.offering.waiting.Add(1)
	}
	if r.deadline < q.nextSweep {
		q.nextSweep = r.deadline
		s.sweeps.fix(q)
		s.wakeBy(q.nextSweep)
	}
}

// popLocked removes the head of a queue that is not empty.
func (s *Store) popLocked(q *queue) *record {
	r := q.head
	s.dropLocked(q, r)
	return r
}

// dropLocked removes a record that the queue's acceptor does not get.
func (s *Store) dropLocked(q *queue, r *record) {
	s.removeLocked(q, r)
	if r.left {
		q.offering.lose(r)
	}
}

// journalTakeLocked makes the journal delete a message that left its queue.
func (s *Store) journalTakeLocked(q *queue, r *record) {
	if r.durable {
		q.seq = max(q.seq, s.journal.take(r))
	}
}

func (s *Store) uncountLocked(q *queue, r *record) {
	q.length--
	s.pending--
	s.memory -= r.footprint()
	if q.length == 0 && q.counted {
		q.counted = false
		s.memory -= queueFootprint
	}
	if q.offering != nil {
		q.offering.waiting.Add(-1)
	}
	s.admitLocked(q)
}

// headLocked returns the first message of the queue that has not expired, or
// nil.
func (s *Store) headLocked(q *queue, now int64) *record {
	for q.head != nil && q.head.deadline <= now && q.breakpoint == nil {
		s.expireLocked(q, s.popLocked(q))
	}
	return q.head
}

// A shortage is a reason why a message cannot be queued.
type shortage uint8

const (
	hasRoom shortage = iota
	atCapacity
	outOfMemory
)

// shortageLocked returns the reason why the queue cannot take another message of
// footprint bytes, or hasRoom. From is its sender, if it waits for room.
func (s *Store) shortageLocked(q *queue, footprint int, from *sender, now int64) shortage {
	if q.length >= q.capacity && q.nextSweep <= now {
		s.sweepQueueLocked(q, now)
	}
	if q.length >= q.capacity || !q.turnOf(from) {
		return atCapacity
	}
	return s.memoryShortageLocked(footprint, now)
}

func (s *Store) memoryShortageLocked(footprint int, now int64) shortage {
	for s.memory+footprint > s.opts.Memory {
		q, ok := s.sweeps.next(now)
		if !ok {
			return outOfMemory
		}
		s.sweepQueueLocked(q, now)
	}
	return hasRoom
}
