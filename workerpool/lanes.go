package workerpool

import (
	"context"
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
	lane     *lane       // nil if the task need not wait for others
	limit    *limit      // the limit that counts the task
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

// pushAll moves all tasks of another queue to the end of this one.
func (q *queue) pushAll(o *queue) {
	for t := o.pop(); t != nil; t = o.pop() {
		q.push(t)
	}
}

// lane holds the messages of one connection that wait for an earlier one.
type lane struct {
	busy  bool // one of its tasks is ready or running
	queue queue
	bytes int // in the queue
	full  bool
	// order is one more than the order of the newest WebSocket message
	// received, or zero.
	order int64
	seen  time.Time // when order changed
}

// placeLocked puts a delivery that the leader has received into its lane or
// among the ready tasks. It returns a durable delivery as the task to run at
// once. Only the leader calls it, so tasks are placed in the order of their
// receipt, although it releases the lock in between.
func (p *Pool) placeLocked(d asgi.Delivery, c *asgi.Cause) *task {
	t := &task{delivery: d, cause: c, reply: replyChannel(d.Message)}
	p.routeLocked(t)
	if d.Volatile && p.overtookLocked(t) {
		p.catchUpLocked()
	}
	p.waiting++
	if p.waiting == maxReady {
		p.subscribeLocked()
	}
	if !d.Volatile {
		return t
	}
	l := p.laneLocked(t)
	if l == nil || t.consumer != nil && !t.consumer.Ordered() {
		p.ready.push(t)
		return nil
	}
	t.lane = l
	p.enqueueLocked(l, t)
	return nil
}

// enqueueLocked puts a task at the end of its lane. A disconnect message is
// never refused.
func (p *Pool) enqueueLocked(l *lane, t *task) {
	size := t.delivery.Message.Size()
	full := l.full || l.queue.length >= p.opts.LaneMessages || l.bytes+size > p.opts.LaneBytes
	switch {
	case !l.busy:
		l.busy = true
		p.ready.push(t)
	case full && !isDisconnect(t.delivery.Channel):
		p.overflowLocked(t)
	default:
		l.bytes += size
		l.queue.push(t)
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

// overtookLocked reports whether a WebSocket disconnect was received before
// messages that the same WebSocket sent earlier. This can happen because they
// are on other channels.
func (p *Pool) overtookLocked(t *task) bool {
	if t.delivery.Channel != asgi.WebSocketDisconnect {
		return false
	}
	l := p.lanes[t.reply]
	return l == nil || l.order < t.delivery.Message.Int(asgi.KeyOrder)
}

// catchUpLocked receives, as the leader, the messages that WebSockets have
// sent so far. It releases the lock meanwhile.
func (p *Pool) catchUpLocked() {
	var channels []string
	for _, name := range []string{asgi.WebSocketConnect, asgi.WebSocketReceive} {
		if p.receivesFromLocked(name) {
			channels = append(channels, name)
		}
	}
	for len(channels) > 0 {
		c := asgi.NewCause(0)
		p.mu.Unlock()
		d, ok, err := p.layer.Poll(context.Background(), c, channels...)
		p.mu.Lock()
		if err != nil || !ok {
			return
		}
		if t := p.placeLocked(d, c); t != nil {
			p.ready.push(t)
		}
	}
}

// overflowLocked drops a task that its full lane has no room for, and closes
// the connection.
func (p *Pool) overflowLocked(t *task) {
	p.startedLocked()
	if t.lane.full {
		return
	}
	t.lane.full = true
	p.busy.Go(func() { p.closeFull(t) })
}

// nextInLaneLocked makes the next task in the lane of t ready, or deletes the
// lane if the connection has ended.
func (p *Pool) nextInLaneLocked(t *task) {
	ended := t.delivery.Channel == asgi.WebSocketDisconnect
	l := t.lane
	if l == nil {
		if l = p.lanes[t.reply]; ended && l != nil && !l.busy {
			delete(p.lanes, t.reply)
		}
		return
	}
	if next := l.queue.pop(); next != nil {
		l.bytes -= next.delivery.Message.Size()
		p.ready.push(next)
		return
	}
	l.busy = false
	if l.order == 0 || ended {
		delete(p.lanes, t.reply)
	}
}

// evictLanesLocked deletes the lanes of WebSockets that have sent nothing for
// so long that they must have ended.
func (p *Pool) evictLanesLocked(now time.Time) {
	expiry := p.layer.Settings().GroupExpiry
	for reply, l := range p.lanes {
		if !l.busy && expiry > 0 && now.Sub(l.seen) > expiry {
			delete(p.lanes, reply)
		}
	}
}

func isDisconnect(channel string) bool {
	return channel == asgi.WebSocketDisconnect || channel == asgi.HTTPDisconnect
}
