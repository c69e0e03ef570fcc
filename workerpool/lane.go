package workerpool

import (
	"context"
	"time"

	"asgibox/asgi"
)

// task is one message on its way to a handler.
type task struct {
	delivery asgi.Delivery
	cause    *asgi.Cause
	reply    string
	gen      *generation // that consumer belongs to
	consumer Consumer    // nil where there is no route
	lane     *lane       // nil if it need not wait for others
	limit    *limit      // that it counts towards
	next     *task       // in the queue it is in
}

// queue is a first-in, first-out list of tasks. A task is in one at a time.
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

// lane is where messages of one connection wait their turn.
type lane struct {
	busy  bool // one of its tasks is running or about to
	queue queue
	bytes int // in the queue
	full  bool
	// order is one past that of the newest WebSocket message that was
	// received; zero if none was.
	order int64
	seen  time.Time // when order changed
}

// placeLocked puts a delivery that the leader has received where it belongs:
// into its lane behind what is there, or among the tasks that are ready. Only
// the leader calls it, so tasks are placed in the order of their receipt,
// though the lock is let go in between. A durable one it answers, to be run at
// once.
func (p *Pool) placeLocked(d asgi.Delivery, c *asgi.Cause) *task {
	t := &task{delivery: d, cause: c, reply: replyChannel(d.Message)}
	p.routeLocked(t)
	if d.Volatile && p.missesLocked(t) {
		p.catchUpLocked()
	}
	p.waiting++
	if p.waiting == crowd {
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
	p.lineUpLocked(l, t)
	return nil
}

// lineUpLocked puts a task at the end of its lane. The end of a connection
// always finds room.
func (p *Pool) lineUpLocked(l *lane, t *task) {
	size := t.delivery.Message.Size()
	over := l.full || l.queue.length >= p.opts.LaneMessages || l.bytes+size > p.opts.LaneBytes
	switch {
	case !l.busy:
		l.busy = true
		p.ready.push(t)
	case over && !isDisconnect(t.delivery.Channel):
		p.overflowLocked(t)
	default:
		l.bytes += size
		l.queue.push(t)
	}
}

// laneLocked answers the lane of a task, made if need be, or nil if nothing
// else of its connection will ever come.
func (p *Pool) laneLocked(t *task) *lane {
	if t.reply == "" {
		return nil
	}
	l := p.lanes[t.reply]
	switch t.delivery.Channel {
	case websocketConnect, websocketReceive, websocketDisconnect:
		if l == nil {
			l = &lane{}
			p.lanes[t.reply] = l
		}
		l.order = max(l.order, t.delivery.Message.Int("order")+1)
		l.seen = time.Now()
		return l
	case httpRequest:
		if !p.hearsLocked(httpDisconnect) {
			return nil
		}
	}
	if l == nil {
		l = &lane{}
		p.lanes[t.reply] = l
	}
	return l
}

// missesLocked reports whether messages of the same WebSocket, sent before this
// disconnect, have not been received yet. They are on other channels, so the
// disconnect may have overtaken them.
func (p *Pool) missesLocked(t *task) bool {
	if t.delivery.Channel != websocketDisconnect {
		return false
	}
	l := p.lanes[t.reply]
	return l == nil || l.order < t.delivery.Message.Int("order")
}

// catchUpLocked receives, as the leader, what WebSockets have sent so far. It
// lets go of the lock to do so.
func (p *Pool) catchUpLocked() {
	var channels []string
	for _, name := range []string{websocketConnect, websocketReceive} {
		if p.hearsLocked(name) {
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

// overflowLocked closes the connection of a lane that is full, and drops the
// task that did not fit.
func (p *Pool) overflowLocked(t *task) {
	p.startedLocked()
	if t.lane.full {
		return
	}
	t.lane.full = true
	p.busy.Go(func() { p.closeFull(t) })
}

// nextInLaneLocked lets the next task of a task's lane come, or forgets a lane
// that is over.
func (p *Pool) nextInLaneLocked(t *task) {
	over := t.delivery.Channel == websocketDisconnect
	l := t.lane
	if l == nil {
		if l = p.lanes[t.reply]; over && l != nil && !l.busy {
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
	if l.order == 0 || over {
		delete(p.lanes, t.reply)
	}
}

// evictLanesLocked forgets the lanes of WebSockets that were not heard of for
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
	return channel == websocketDisconnect || channel == httpDisconnect
}
