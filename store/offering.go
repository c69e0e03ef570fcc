package store

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"asgibox/asgi"
)

// An offering offers the messages of some channels to an acceptor. See
// [asgi.Offering].
type offering struct {
	store    *Store
	acceptor asgi.Acceptor
	waiting  atomic.Int64 // messages in its queues
	updating sync.Mutex   // held by Update; lock it before Store.mu

	// Guarded by Store.mu:
	queues  []*queue // the one whose message was accepted longest ago first
	sorting bool     // a volatile message may be unsorted, and is sorted soon
}

// A class is a list of the messages in one queue that wait for the same thing.
type class struct {
	name     string
	epoch    uint64 // the queue's
	messages list[*record]
}

// current reports whether the class is one of the queue's.
func (c *class) current(q *queue) bool { return c != nil && c.epoch == q.epoch }

func (c *class) push(r *record) {
	r.class, r.inClass.entry = c, r
	c.messages.push(&r.inClass)
}

// first returns the first message, or nil.
func (c *class) first() *record {
	if c.messages.first == nil {
		return nil
	}
	return c.messages.first.entry
}

// classNamed returns the queue's class with that name.
func (q *queue) classNamed(name string) *class {
	for _, c := range q.classes {
		if c.name == name {
			return c
		}
	}
	c := &class{name: name, epoch: q.epoch}
	q.classes = append(q.classes, c)
	return c
}

// unsortLocked makes all messages of a queue unsorted. The caller must sort them
// later.
func (q *queue) unsortLocked() {
	q.epoch++
	q.classes, q.unsorted = nil, nil
	if q.offering != nil && q.head != nil {
		q.unsorted = q.head
		q.offering.sorting = true
	}
}

// Accept registers an acceptor. See [asgi.Acceptors].
func (s *Store) Accept(a asgi.Acceptor) (asgi.Offering, error) {
	return &offering{store: s, acceptor: a}, nil
}

// offeringOf returns the offering of a channel, or nil.
func (s *Store) offeringOf(channel string) *offering {
	if all := s.offerings.Load(); all != nil {
		return (*all)[channel]
	}
	return nil
}

// Update sets the channels of the offering. See [asgi.Offering].
func (o *offering) Update(channels ...string) error {
	o.updating.Lock()
	defer o.updating.Unlock()
	for _, name := range channels {
		if err := asgi.CheckReceive(name); err != nil {
			return err
		}
		if asgi.KindOf(name) == asgi.ProcessSpecific {
			return &asgi.InvalidNameError{Name: name, Reason: "its messages cannot be offered; bind it"}
		}
	}
	if err := o.setQueues(channels); err != nil {
		return err
	}
	o.sort()
	return nil
}

// setQueues replaces the queues of the offering and makes all their messages
// unsorted.
func (o *offering) setQueues(channels []string) error {
	s := o.store
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return asgi.ErrClosed
	}
	queues := s.queuesLocked(nil, channels, now)
	for _, q := range queues {
		if q.offering != nil && q.offering != o {
			return &asgi.InvalidNameError{Name: q.name, Reason: "another reader accepts its messages"}
		}
	}
	all := make(map[string]*offering)
	if old := s.offerings.Load(); old != nil {
		all = maps.Clone(*old)
	}
	for _, q := range o.queues {
		if !slices.Contains(queues, q) {
			s.loseAllLocked(q)
			o.waiting.Add(-int64(q.length))
			q.offering, q.lastRead = nil, now
			q.unsortLocked()
			delete(all, q.name)
		}
	}
	for _, q := range queues {
		if q.offering == nil {
			q.offering = o
			o.waiting.Add(int64(q.length))
		}
		q.unsortLocked()
		all[q.name] = o
	}
	slices.SortStableFunc(queues, func(a, b *queue) int { return cmp.Compare(a.lastTake, b.lastTake) })
	o.queues = queues
	s.offerings.Store(&all)
	return nil
}

// closeOfferingsLocked tells all acceptors that the store is closed.
func (s *Store) closeOfferingsLocked() {
	closed := make(map[*offering]bool)
	for _, q := range s.queues {
		if o := q.offering; o != nil && !closed[o] {
			closed[o] = true
			o.acceptor.Closed()
		}
	}
}

// loseAllLocked tells the queue's acceptor that it gets none of the messages
// that it has left.
func (s *Store) loseAllLocked(q *queue) {
	if q.offering == nil {
		return
	}
	for r := q.head; r != nil; r = r.next {
		if r.left {
			q.offering.lose(r)
		}
	}
}

// lose tells the acceptor that it does not get a message that it has left.
func (o *offering) lose(r *record) {
	r.left = false
	o.acceptor.Lost(r.unqueued())
}

// unqueued returns the delivery of a record without what its queue adds.
func (r *record) unqueued() asgi.Delivery {
	return asgi.Delivery{Channel: r.channel, Message: r.message, Trace: r.trace, Volatile: !r.durable, ID: r.id}
}

// Waiting returns the number of messages in the channels.
func (o *offering) Waiting() int { return int(o.waiting.Load()) }

// WaitingIn counts the messages of a class. See [asgi.Offering].
func (o *offering) WaitingIn(class string, most int) (n int) {
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	for _, q := range o.queues {
		if q.held() {
			continue
		}
		for _, c := range q.classes {
			if c.name != class {
				continue
			}
			for r := c.messages.first; r != nil && n < most; r = r.next {
				n++
			}
		}
	}
	return n
}

// Room wakes a refused sender. See [asgi.Offering].
func (o *offering) Room(w any) bool {
	from := w.(*sender)
	now := o.store.now()
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	if from.done {
		return false
	}
	from.admitted = now
	from.wake()
	return true
}

// Retry offers the waiting messages. See [asgi.Offering].
func (o *offering) Retry() {
	for o.acceptor.Ready() && (o.offerNext() || o.sortNext(nil)) {
	}
}

// sort sorts and offers the messages of queues that were unsorted, and those of refused
// senders. The offering may be nil.
func (o *offering) sort() {
	if o == nil {
		return
	}
	for o.sortVolatile() {
	}
	o.Retry()
	o.Admit()
}

// retry is Retry for an offering that may be nil.
func (o *offering) retry() {
	if o != nil {
		o.Retry()
	}
}

// errRetry makes a sender try again from the start, because the queue's reader
// has changed meanwhile.
var errRetry = errors.New("the reader has changed")

// send offers a new message, and queues it if it is left.
func (o *offering) send(c *asgi.Cause, r *record, from *sender) (borrower, error) {
	s := o.store
	for sorted := false; ; {
		name, ticket := o.acceptor.Sort(r.unqueued())
		now := s.now()
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return borrower{}, asgi.ErrClosed
		}
		q := s.queueLocked(r.channel, now)
		if q.offering != o {
			s.mu.Unlock()
			return borrower{}, errRetry
		}
		r.deadline = now + s.lifetime(r.lasting)
		s.lastID++
		r.id = s.lastID
		verdict, behind := asgi.Left, o.sorting || q.unsorted != nil
		if behind && !sorted && s.shortageLocked(q, r.footprint(), from, now) != hasRoom {
			s.mu.Unlock()
			for o.sortVolatile() {
			}
			sorted = true // so that a message that can start is not refused
			continue
		}
		var cl *class
		var d asgi.Delivery
		if !behind {
			cl = q.classNamed(name)
			d = s.delivery(q, r)
			verdict = o.acceptor.Offer(asgi.Offer{
				Delivery: d, Ticket: ticket, Sender: anySender(from), Lends: r.lends,
				Behind: cl.first() != nil || q.isBehind(name, from), Held: q.breakpoint != nil,
			})
		}
		switch verdict {
		case asgi.Unsorted:
			s.mu.Unlock()
			continue
		case asgi.Accepted, asgi.Borrowed:
			s.sentLocked(q, now)
			s.mu.Unlock()
			s.noteTaken(nil, &d)
			if r.durable {
				o.acceptor.Start(d, ticket)
			}
			if verdict == asgi.Borrowed {
				return borrower{acceptor: o.acceptor, ticket: ticket}, nil
			}
			return borrower{}, nil
		case asgi.Refused:
			if from == nil {
				s.refusedLocked(q, now)
			} else {
				s.removeBlockedLocked(from)
			}
			s.mu.Unlock()
			return borrower{}, &asgi.ChannelFullError{Channel: r.channel, Reason: "too many messages of this connection wait to be handled"}
		}
		r.class, r.ticket, r.left = cl, ticket, cl != nil
		w, queued, short := s.offerLocked(q, *r, from, now)
		if queued != nil && cl != nil {
			cl.push(queued)
		}
		if queued == nil && r.left {
			o.lose(r)
		}
		r.class, r.ticket, r.left = nil, nil, false
		return s.finishSend(c, q, r, w, short)
	}
}

func anySender(w *sender) any {
	if w == nil {
		return nil
	}
	return w
}

// offerNext offers the first message of each class until one is accepted, and
// reports whether one was.
func (o *offering) offerNext() bool {
	s := o.store
	now := s.now()
	s.mu.Lock()
	if o.sorting { // so that the messages of one connection are offered in order
		s.mu.Unlock()
		o.sortVolatile()
		return true
	}
	for i, q := range o.queues {
		if q.held() || q.head == nil {
			continue
		}
		slices.SortFunc(q.classes, func(a, b *class) int { return cmp.Compare(a.firstID(), b.firstID()) })
		for _, cl := range q.classes {
			r := cl.first()
			for r != nil && r.deadline <= now && q.breakpoint == nil {
				s.dropLocked(q, r)
				s.expireLocked(q, r)
				r = cl.first()
			}
			if r == nil {
				continue
			}
			switch s.offerQueuedLocked(q, r, false) {
			case asgi.Accepted:
				o.queues = append(slices.Delete(o.queues, i, i+1), q)
				o.takeAndUnlock(q, r)
				return true
			case asgi.Unsorted:
				q.unsortLocked()
				s.mu.Unlock()
				return true // they are sorted next
			}
		}
	}
	s.mu.Unlock()
	return false
}

// firstID returns the number of the first message.
func (c *class) firstID() uint64 {
	if r := c.first(); r != nil {
		return r.id
	}
	return 0
}

// offerQueuedLocked offers a message that waits in its queue.
func (s *Store) offerQueuedLocked(q *queue, r *record, behind bool) asgi.Verdict {
	v := q.offering.acceptor.Offer(asgi.Offer{
		Delivery: s.delivery(q, r), Ticket: r.ticket, Queued: true, Behind: behind, Held: q.held(),
	})
	if v == asgi.Refused {
		v = asgi.Left
	}
	r.left = r.left || v == asgi.Left
	return v
}

// takeAndUnlock removes an accepted message from its queue and hands it over.
func (o *offering) takeAndUnlock(q *queue, r *record) {
	s := o.store
	ticket := r.ticket
	r.left = false
	s.removeLocked(q, r)
	s.journalTakeLocked(q, r)
	s.takes++
	q.lastTake, q.lastRead = s.takes, s.now()
	q.useStep()
	d := s.delivery(q, r)
	s.mu.Unlock()
	s.noteTaken(nil, &d)
	if r.durable {
		o.acceptor.Start(d, ticket)
	}
}

// sortVolatile sorts and offers the oldest unsorted message of all channels, so
// that the messages of one connection are offered in order. It leaves durable
// messages to Retry, because there may be very many. It reports whether there
// was a message to sort.
func (o *offering) sortVolatile() bool {
	s := o.store
	s.mu.Lock()
	var oldest *queue
	for _, q := range o.queues {
		if r := q.unsorted; r != nil && !r.durable && (oldest == nil || r.id < oldest.unsorted.id) {
			oldest = q
		}
	}
	o.sorting = oldest != nil
	s.mu.Unlock()
	if oldest == nil {
		return false
	}
	o.sortNext(oldest) // unless another goroutine has sorted it meanwhile
	return true
}

// sortNext sorts and offers the first unsorted message of a queue, or of any
// queue if only is nil. It reports whether there was one.
func (o *offering) sortNext(only *queue) bool {
	s := o.store
	s.mu.Lock()
	q := only
	if q == nil {
		if i := slices.IndexFunc(o.queues, func(q *queue) bool { return q.unsorted != nil && !q.held() }); i >= 0 {
			q = o.queues[i]
		}
	}
	if q == nil || q.unsorted == nil {
		s.mu.Unlock()
		return false
	}
	r, epoch := q.unsorted, q.epoch
	d := r.unqueued()
	s.mu.Unlock()
	name, ticket := o.acceptor.Sort(d)
	now := s.now()
	s.mu.Lock()
	if q.unsorted != r || q.epoch != epoch {
		s.mu.Unlock()
		return true // another goroutine has sorted or taken it
	}
	if r.deadline <= now && q.breakpoint == nil {
		s.dropLocked(q, r)
		s.expireLocked(q, r)
		s.mu.Unlock()
		return true
	}
	cl := q.classNamed(name)
	behind := cl.first() != nil
	q.unsorted, r.ticket = r.next, ticket
	cl.push(r)
	switch s.offerQueuedLocked(q, r, behind) {
	case asgi.Accepted:
		o.takeAndUnlock(q, r)
		return true
	case asgi.Unsorted:
		q.unsortLocked()
	}
	s.mu.Unlock()
	return true
}
