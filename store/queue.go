package store

import (
	"time"

	"asgibox/asgi"
)

// A record is one message that waits.
type record struct {
	message  asgi.Message
	channel  string       // the full name
	barrier  asgi.Barrier // its sender's
	trace    asgi.TraceID
	id       uint64 // rises in the order of sending
	deadline int64
	next     *record
	durable  bool

	// For the journal: where it is staged or written, if it is.
	seq       uint64  // the number of its op; zero if there is none
	copies    *copies // it is one of a group's
	cancelled bool    // as such it was taken before it was written; guarded by the journal's mutex
}

// recordFootprint is what a record takes beside its message, in bytes.
const recordFootprint = 192

func (r *record) footprint() int { return recordFootprint + r.message.Footprint() }

// delivery answers what a reader gets. Its barrier covers, besides what its
// sender did, the queue's last durable change: that it is the first message
// now shows that those before it were taken.
func (s *Store) delivery(q *queue, r *record) asgi.Delivery {
	return asgi.Delivery{
		Channel:  r.channel,
		Message:  r.message,
		Barrier:  r.barrier.Max(s.journal.barrier(q.seq)),
		Trace:    r.trace,
		Deadline: s.time(r.deadline),
		Volatile: !r.durable,
		ID:       r.id,
	}
}

// A queue is what waits on a channel, and who. Either is empty: a message is
// given to a reader that waits. The channels of one process share a queue.
type queue struct {
	name       string
	kind       asgi.Kind
	capacity   int
	head, tail *record
	length     int
	disorder   bool // some deadline is earlier than that of a record before it
	parked     slots
	binding    *binding
	lastTake   uint64 // the ticket of its last take
	seq        uint64 // the journal's number of its last durable change
	lastRead   int64  // when somebody last wanted a message of it
	lastSend   int64  // when a message was last sent to it
	nextSweep  int64  // when the keeper looks at it: not after any deadline
	heapIndex  int    // in the store's schedule
	sent       meter
	refused    meter
	expired    uint64
	breakpoint *breakpoint // nil unless somebody has put one
}

func (q *queue) when() int64 { return q.nextSweep }
func (q *queue) tie() uint64 { return 0 }
func (q *queue) index() *int { return &q.heapIndex }

// keepIdle is how long an unused channel's figures are kept. Single-reader
// channels come and go with each request body, so theirs go after the expiry.
const idleTime = int64(time.Hour)

func (s *Store) idleAt(q *queue) int64 {
	keep := int64(s.opts.Expiry)
	if q.kind != asgi.SingleReader {
		keep = max(keep, idleTime)
	}
	return max(q.lastRead, q.lastSend) + keep
}

// queueLocked answers the queue of a channel or prefix, a new one if need be.
func (s *Store) queueLocked(name string, now int64) *queue {
	if q := s.queues[name]; q != nil {
		return q
	}
	q := &queue{name: name, kind: asgi.KindOf(name), capacity: s.opts.capacityOf(name), lastSend: now}
	q.nextSweep = s.idleAt(q)
	s.queues[name] = q
	s.sweeps.add(q)
	s.wakeBy(q.nextSweep)
	return q
}

// pushLocked puts a record at the end of its queue.
func (s *Store) pushLocked(q *queue, r *record) {
	if q.tail == nil {
		q.head = r
	} else {
		q.tail.next = r
		q.disorder = q.disorder || r.deadline < q.tail.deadline
	}
	q.tail = r
	s.countLocked(q, r)
}

// pushFrontLocked puts a record back where it was taken from.
func (s *Store) pushFrontLocked(q *queue, r *record) {
	if q.head == nil {
		q.tail = r
	} else {
		r.next = q.head
		q.disorder = q.disorder || r.deadline > q.head.deadline
	}
	q.head = r
	s.countLocked(q, r)
}

func (s *Store) countLocked(q *queue, r *record) {
	q.length++
	s.pending++
	s.memory += r.footprint()
	if r.deadline < q.nextSweep {
		q.nextSweep = r.deadline
		s.sweeps.fix(q)
		s.wakeBy(q.nextSweep)
	}
}

// popLocked takes the head off a queue that has one.
func (s *Store) popLocked(q *queue) *record {
	r := q.head
	q.head = r.next
	if q.head == nil {
		q.tail, q.disorder = nil, false
	}
	r.next = nil
	s.uncountLocked(q, r)
	return r
}

// takenLocked has the journal forget a message that left its queue.
func (s *Store) journalTakeLocked(q *queue, r *record) {
	if r.durable {
		q.seq = max(q.seq, s.journal.take(r))
	}
}

func (s *Store) uncountLocked(q *queue, r *record) {
	q.length--
	s.pending--
	s.memory -= r.footprint()
}

// headLocked answers the first message of the queue that has not expired.
func (s *Store) headLocked(q *queue, now int64) *record {
	for q.head != nil && q.head.deadline <= now && q.breakpoint == nil {
		s.expireLocked(q, s.popLocked(q))
	}
	return q.head
}

// shortage is why a message cannot be queued.
type shortage uint8

const (
	hasRoom shortage = iota
	atCapacity
	outOfMemory
)

// roomLocked reports whether the queue takes so many bytes more.
func (s *Store) shortageLocked(q *queue, footprint int, now int64) shortage {
	if q.length >= q.capacity && q.nextSweep <= now {
		s.sweepQueueLocked(q, now)
	}
	if q.length >= q.capacity {
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
