package store

import (
	"context"
	"slices"
	"sort"

	"asgibox/asgi"
)

// groupStep is how many members are served under one hold of the lock.
const groupStep = 128

// SendGroup sends one copy to each member, in the order in which they joined.
// See [asgi.Groups].
func (s *Store) SendGroup(ctx context.Context, c *asgi.Cause, group string, m asgi.Message, opts ...asgi.SendOption) error {
	if err := asgi.CheckGroup(group); err != nil {
		return err
	}
	if err := s.checkSize(m.Size()); err != nil {
		return err
	}
	durable, err := s.admitGroupSend(ctx, group, opts)
	if err != nil {
		return err
	}
	now := s.now()
	todo := s.stepWorks.Get().(*stepWork)
	defer s.stepWorks.Put(todo)
	send := groupSend{
		store: s,
		now:   now,
		cause: c,
		group: group,
		work:  todo,
		template: record{
			message:  m,
			barrier:  c.Barrier(),
			trace:    c.Trace(),
			deadline: now + int64(s.opts.Expiry),
			durable:  durable,
		},
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return asgi.ErrClosed
	}
	send.startLocked()
	for more := true; more; s.mu.Lock() {
		more = send.stepLocked(s.groups.byName[group])
		s.mu.Unlock()
		send.finishStep()
	}
	send.journalCopiesLocked()
	s.raiseLocked(c, durable)
	s.mu.Unlock()
	if send.copies != nil {
		c.Raise(s.journal.barrier(send.copies.seq))
	}
	return nil
}

// sendsDurable reports whether the message is to be journalled for any
// member, and waits for the journal if it is.
func (s *Store) admitGroupSend(ctx context.Context, group string, opts []asgi.SendOption) (bool, error) {
	if slices.Contains(opts, asgi.Volatile) {
		return false, nil
	}
	s.mu.Lock()
	g := s.groups.byName[group]
	durable := g != nil && g.durable > 0
	s.mu.Unlock()
	if !durable {
		return false, nil
	}
	return true, s.journal.admit(ctx)
}

// A groupSend is one message on its way to a group's members.
type groupSend struct {
	store    *Store
	now      int64
	cause    *asgi.Cause
	group    string
	template record // what each gets, but for channel and id
	after    uint64 // the number of the last member that was served
	until    uint64 // the number of the last that had joined when it began

	copies *copies // nil if nothing is journalled

	work *stepWork
}

// errands are what a step of a group send leaves to be done without the lock.
type stepWork struct {
	notes  []record // copies that were queued or handed over, while they are recorded
	wake   []*waiter
	pushes []push
}

// A push is a call of a binding's function that is yet to be made.
type push struct {
	queue   *queue
	binding *binding
	record  record
}

func (g *groupSend) startLocked() {
	s := g.store
	g.until = s.groups.lastNumber
	if g.template.durable && s.journal != nil {
		s.lastID++
		g.copies = &copies{id: s.lastID, message: g.template.message, trace: g.template.trace, deadline: g.template.deadline, flushes: s.flushes}
	}
}

// endLocked has the journal write the copies that wait in queues. A flush
// that came between has dropped them.
func (g *groupSend) journalCopiesLocked() {
	if g.copies != nil && g.copies.flushes == g.store.flushes {
		g.store.journal.putCopies(g.copies)
	}
}

// stepLocked serves the next members and reports whether there may be more.
func (g *groupSend) stepLocked(to *group) (more bool) {
	if to == nil {
		return false
	}
	from := sort.Search(len(to.joined), func(i int) bool { return to.joined[i].number > g.after })
	for i, p := range to.joined[from:] {
		if p.number > g.until {
			return false
		}
		if i == groupStep {
			return true
		}
		g.after = p.number
		if p.member != nil && p.member.expires > g.now {
			g.sendToMemberLocked(p.member)
		}
	}
	return false
}

func (g *groupSend) sendToMemberLocked(m *member) {
	s := g.store
	q := s.queueLocked(asgi.ProcessPrefix(m.channel), g.now)
	r := g.template
	s.lastID++
	r.channel, r.id = m.channel, s.lastID
	r.durable = r.durable && m.durable
	if r.durable {
		r.copies = g.copies
	}
	if b := q.binding; b != nil && b.live {
		s.sentLocked(q, g.now)
		b.calls.Add(1)
		g.work.pushes = append(g.work.pushes, push{q, b, r})
		return
	}
	w, short := s.offerLocked(q, r, g.now)
	if w != nil {
		g.work.wake = append(g.work.wake, w)
	}
	if short == hasRoom && s.recorder.Load().Wants(r.trace) {
		g.work.notes = append(g.work.notes, r)
	}
}

// finish does what a step left to be done without the lock. A member that is
// full or gone is no error of the sender's.
func (g *groupSend) finishStep() {
	todo := g.work
	for _, w := range todo.wake {
		w.ready <- struct{}{}
	}
	for i := range todo.pushes {
		p := &todo.pushes[i]
		err := g.store.deliver(p.queue, p.binding, &p.record)
		g.store.noteSent(g.cause, &p.record, g.group, err)
	}
	for i := range todo.notes {
		g.store.noteSent(g.cause, &todo.notes[i], g.group, nil)
	}
	clear(todo.notes)
	clear(todo.wake)
	clear(todo.pushes)
	todo.notes, todo.wake, todo.pushes = todo.notes[:0], todo.wake[:0], todo.pushes[:0]
}
