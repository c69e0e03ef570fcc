package workerpool

import (
	"slices"
	"time"

	"asgibox/asgi"
)

// task is one message before and while it is handled.
type task struct {
	delivery asgi.Delivery
	cause    *asgi.Cause
	reply    string
	gen      *generation // the generation of the consumer
	consumer Consumer    // nil if no route matches
	queued   bool        // it has waited in its channel
	borrowed *worker     // the worker in whose place the sender's goroutine runs it, or nil
	lane     *lane       // nil if the task need not wait for others
	limit    *limit      // the limit that counts the task
	held     int         // its bytes in Pool.laneBytes while a Holder has it
	next     *task       // next one in the same queue
}

// queue is a first-in, first-out list of tasks. A task is in one queue at a
// time.
type queue struct {
	head, tail *task
	length     int
}

func (q *queue) push(t *task) {
	t.next = nil
	if q.tail == nil {
		q.head = t
	} else {
		q.tail.next = t
	}
	q.tail = t
	q.length++
}

func (q *queue) pop() *task {
	t := q.head
	if t == nil {
		return nil
	}
	if q.head = t.next; q.head == nil {
		q.tail = nil
	}
	t.next = nil
	q.length--
	return t
}

// insert adds a task before those with a higher number. The layer numbers
// messages in the order of sending.
func (q *queue) insert(t *task) {
	if q.tail == nil || q.tail.delivery.ID <= t.delivery.ID {
		q.push(t)
		return
	}
	at := &q.head
	for (*at).delivery.ID <= t.delivery.ID {
		at = &(*at).next
	}
	t.next, *at = *at, t
	q.length++
}

// lane holds the messages of one connection that wait for an earlier one.
type lane struct {
	busy  bool // one of its tasks is ready or running
	queue queue
	bytes int // in the queue
	full  bool
	// left are the numbers of the messages that wait in their channels, in
	// order. Later messages wait in the lane until they have arrived.
	left []uint64
	// refused is the sender of the message that found the lane full, if it
	// waits for room.
	refused any
	blocked bool // the lane is in Pool.blockedLanes
	needs   int  // bytes of the message that all lanes together had no room for
	// order is one more than the order of the newest WebSocket message
	// received, or zero.
	order int64
	seen  time.Time // when order changed
}

// ordered reports whether the task must wait for earlier ones of its
// connection.
func (t *task) ordered() bool {
	return t.delivery.Volatile && (t.consumer == nil || t.consumer.Ordered())
}

// taskFootprint is the memory of a task without its message, in bytes.
const taskFootprint = 256

func (t *task) footprint() int { return taskFootprint + t.delivery.Message.Footprint() }

// occupied reports whether a message must wait for an earlier one.
func (l *lane) occupied(id uint64) bool {
	return l.busy || l.queue.length > 0 && l.queue.head.delivery.ID < id || len(l.left) > 0 && l.left[0] < id
}

// leave records that a message waits in its channel.
func (l *lane) leave(id uint64) {
	if at, found := slices.BinarySearch(l.left, id); !found {
		l.left = slices.Insert(l.left, at, id)
	}
}

// arrive records that a message does not wait in its channel any more.
func (l *lane) arrive(id uint64) {
	if at, found := slices.BinarySearch(l.left, id); found {
		l.left = slices.Delete(l.left, at, at+1)
	}
}

// refuseLocked reports whether a lane has no room for a task. Then sender, if it
// is not nil, waits for room.
func (p *Pool) refuseLocked(t *task, sender any) bool {
	l, size := t.lane, t.footprint()
	lanesFull := p.laneBytes+size > maxLaneBytes
	if !lanesFull && l.queue.length < p.opts.LaneMessages && l.bytes+size <= p.opts.LaneBytes {
		return false
	}
	switch {
	case sender == nil:
	case lanesFull:
		p.blockLocked(l, sender, size)
	default:
		l.refused = sender
	}
	return true
}

const (
	// maxLaneBytes limits the messages in all lanes together, and those that a
	// Holder has.
	maxLaneBytes = 64 << 20
	// maxHeld is how much one message that a Holder has counts at most, so that a
	// longer one can come.
	maxHeld = maxLaneBytes / 2
	// freeHeld is the size of the largest message that a Holder may always have.
	freeHeld = 16 << 10
)

// toHold returns how many bytes a task counts while its consumer has it.
func (t *task) toHold() int {
	h, ok := t.consumer.(Holder)
	if size := t.footprint(); ok && t.lane != nil && size > freeHeld && h.Holds() {
		return min(size, maxHeld)
	}
	return 0
}

// holdLocked counts a task that starts.
func (p *Pool) holdLocked(t *task) {
	t.held = t.toHold()
	p.laneBytes += t.held
}

// refuseToHoldLocked reports whether there is no room for a task that could start. Then
// sender, if it is not nil, waits for room.
func (p *Pool) refuseToHoldLocked(t *task, sender any) bool {
	size := t.toHold()
	if size == 0 || p.laneBytes+size <= maxLaneBytes {
		return false
	}
	if sender != nil {
		p.blockLocked(t.lane, sender, size)
	}
	return true
}

// blockLocked makes the sender wait until all lanes together have room for size bytes.
func (p *Pool) blockLocked(l *lane, sender any, size int) {
	l.refused, l.needs = sender, size
	if !l.blocked {
		l.blocked = true
		p.blockedLanes = append(p.blockedLanes, l)
	}
}

// enterLocked puts a task into its lane.
func (p *Pool) enterLocked(l *lane, t *task) {
	size := t.footprint()
	l.bytes += size
	p.laneBytes += size
	l.queue.insert(t)
	p.noteFullLocked(l)
}

// advanceLocked makes the next task of a lane ready, unless an earlier one runs
// or waits in its channel.
func (p *Pool) advanceLocked(l *lane) {
	next := l.queue.head
	if l.busy || next == nil || len(l.left) > 0 && l.left[0] < next.delivery.ID {
		return
	}
	l.queue.pop()
	l.busy = true
	size := next.footprint()
	l.bytes -= size
	p.laneBytes -= size
	p.holdLocked(next)
	p.noteFullLocked(l)
	p.ready.push(next)
	p.roomLocked(l)
}

// roomLocked chooses a sender that may try again, because a lane has room or
// needs none.
func (p *Pool) roomLocked(l *lane) {
	if l.refused != nil {
		p.rooms = append(p.rooms, l.refused)
		l.refused = nil
	} else {
		p.admitNextLocked()
	}
}

// admitNextLocked chooses the senders that were refused because all lanes together were
// full, and for whose messages there is room now. The first for which there is none gives
// way to the others.
func (p *Pool) admitNextLocked() {
	room := maxLaneBytes - p.laneBytes
	for len(p.blockedLanes) > 0 {
		l := p.blockedLanes[0]
		p.blockedLanes[0] = nil
		p.blockedLanes = p.blockedLanes[1:]
		if l.refused != nil && l.needs > room {
			p.blockedLanes = append(p.blockedLanes, l)
			return
		}
		l.blocked = false
		if l.refused != nil {
			room -= l.needs
			p.rooms = append(p.rooms, l.refused)
			l.refused = nil
		}
	}
}

// laneLocked returns the lane of a task and creates it if necessary. It
// returns nil if no other message of its connection can come.
func (p *Pool) laneLocked(t *task) *lane {
	if t.reply == "" {
		return nil
	}
	if t.delivery.Channel == asgi.HTTPRequest && !p.receivesFromLocked(asgi.HTTPDisconnect) {
		return nil
	}
	l := p.lanes[t.reply]
	if l == nil {
		if !t.ordered() && (!isSocket(t.delivery.Channel) || p.gone.Has(t.reply)) {
			return nil // it waits for no other, or its disconnect has been handled before it
		}
		l = &lane{}
		p.lanes[t.reply] = l
	}
	switch t.delivery.Channel {
	case asgi.WebSocketConnect, asgi.WebSocketReceive, asgi.WebSocketDisconnect:
		l.order = max(l.order, t.delivery.Message.Int(asgi.KeyOrder)+1)
		l.seen = time.Now()
	}
	return l
}

// nextInLaneLocked makes the next task in the lane of t ready, or deletes the
// lane if the connection has ended.
func (p *Pool) nextInLaneLocked(t *task) {
	p.laneBytes -= t.held
	t.held = 0
	ended := t.delivery.Channel == asgi.WebSocketDisconnect
	if ended {
		p.gone.Add(t.reply, maxGone)
	}
	l := t.lane
	if l == nil {
		if l = p.lanes[t.reply]; ended && l != nil && !l.busy && len(l.left) == 0 {
			delete(p.lanes, t.reply)
		}
		return
	}
	l.busy = false
	p.advanceLocked(l)
	if l.busy {
		return
	}
	p.roomLocked(l)
	if len(l.left) == 0 && (l.order == 0 || ended || p.gone.Has(t.reply)) {
		delete(p.lanes, t.reply)
	}
}

// evictLanesLocked deletes the lanes of WebSockets that have sent nothing for
// so long that they must have ended.
func (p *Pool) evictLanesLocked(now time.Time) {
	expiry := p.layer.Settings().GroupExpiry
	for reply, l := range p.lanes {
		if !l.busy && len(l.left) == 0 && expiry > 0 && now.Sub(l.seen) > expiry {
			delete(p.lanes, reply)
		}
	}
}

func isDisconnect(channel string) bool {
	return channel == asgi.WebSocketDisconnect || channel == asgi.HTTPDisconnect
}
