package store

import (
	"context"
	"slices"
	"sort"

	"asgibox/asgi"
)

// groupStep is the number of members that are sent a copy before the lock is
// released.
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
	work := s.stepWorks.Get().(*stepWork)
	defer s.stepWorks.Put(work)
	send := groupSend{
		store: s,
		now:   now,
		cause: c,
		group: group,
		work:  work,
		template: record{
			message:  m,
			barrier:  c.Barrier(),
			trace:    c.Trace(),
			deadline: now + int64(s.opts.Expiry),
			durable:  durable,
			shared:   new(asgi.Shared),
			reported: slices.Contains(opts, asgi.Reported),
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

// admitGroupSend reports whether the message must be journalled for any member.
// If so, it waits for the journal.
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

// A groupSend sends one message to the members of a group.
type groupSend struct {
	store    *Store
	now      int64
	cause    *asgi.Cause
	group    string
	template record // each member's copy, without channel and id
	after    uint64 // the number of the last member that was sent a copy
	until    uint64 // the number of the last member when the send started

	copies *copies // nil if no copy is journalled

	work *stepWork
}

// stepWork is the work that remains after a step of a group send, to be done
// without the lock.
type stepWork struct {
	notes  []record // copies that were queued or handed over, if they are recorded
	wake   []*waiter
	pushes []push
	retry  []*offering // of channels whose queue has a copy
}

// A push is a pending call of a binding's function.
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

// journalCopiesLocked stages the queued copies, unless a flush has dropped them.
func (g *groupSend) journalCopiesLocked() {
	if g.copies != nil && g.copies.flushes == g.store.flushes {
		g.store.journal.putCopies(g.copies)
	}
}

// stepLocked sends copies to the next members and reports whether there may be
// more members.
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
	w, queued, short := s.offerLocked(q, r, nil, g.now)
	if queued != nil && q.offering != nil && !slices.Contains(g.work.retry, q.offering) {
		g.work.retry = append(g.work.retry, q.offering)
	}
	if w != nil {
		g.work.wake = append(g.work.wake, w)
	}
	if short == hasRoom && s.recorder.Load().Wants(r.trace) {
		g.work.notes = append(g.work.notes, r)
	}
}

// finishStep does the work that a step left to be done without the lock. A
// member that is full or gone is not an error.
func (g *groupSend) finishStep() {
	work := g.work
	for _, w := range work.wake {
		w.ready <- struct{}{}
	}
	for i := range work.pushes {
		p := &work.pushes[i]
		err := g.store.deliver(p.queue, p.binding, &p.record)
		g.store.noteSent(Sent, g.cause, &p.record, g.group, err)
	}
	for _, o := range work.retry {
		o.Retry()
	}
	for i := range work.notes {
		g.store.noteSent(Sent, g.cause, &work.notes[i], g.group, nil)
	}
	clear(work.notes)
	clear(work.wake)
	clear(work.pushes)
	clear(work.retry)
	work.notes, work.wake, work.pushes, work.retry = work.notes[:0], work.wake[:0], work.pushes[:0], work.retry[:0]
}
