package store

import (
	"context"
	"errors"
	"fmt"

	"asgibox/asgi"
)

// Check returns the broken invariants of the store, or nil if there are none.
// It compares the structures in memory with each other and, unless the journal
// has failed, with the file. It is meant for tests, and blocks all other calls
// while it runs.
func (s *Store) Check(ctx context.Context) error {
	for {
		if err := s.journal.barrier(s.journal.newest()).Wait(ctx); err != nil && s.journal.err() == nil {
			return err
		}
		if errs, settled := s.check(); settled {
			return errors.Join(errs...)
		}
	}
}

// check checks the store. It returns settled = false if a change was staged
// before it had the locks.
func (s *Store) check() (errs []error, settled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kv.mu.Lock()
	defer s.kv.mu.Unlock()
	if s.closed {
		return nil, true
	}
	c := &checker{}
	c.queues(s)
	c.delays(s)
	c.groups(s)
	c.values(s.kv)
	if s.journal != nil && s.journal.err() == nil {
		if s.journal.newest() != s.journal.watermark.Load() {
			return nil, false
		}
		c.file(s)
	}
	return c.errs, true
}

// A checker collects broken invariants.
type checker struct{ errs []error }

func (c *checker) want(ok bool, format string, args ...any) {
	if !ok && len(c.errs) < 20 {
		c.errs = append(c.errs, fmt.Errorf(format, args...))
	}
}

func (c *checker) queues(s *Store) {
	pending, memory, paused := 0, 0, 0
	for name, q := range s.queues {
		if q.breakpoint != nil {
			paused++
		}
		c.want(q.name == name && q.heapIndex >= 0 && q.heapIndex < len(s.sweeps) && s.sweeps[q.heapIndex] == q, "queue %s is not at its position in the schedule", name)
		c.want(q.head == nil || q.parked.first == nil || q.binding != nil || q.breakpoint != nil, "queue %s has messages and readers", name)
		c.want((q.head == nil) == (q.tail == nil), "queue %s has a head or a tail, but not both", name)
		length := 0
		for r := q.head; r != nil; r = r.next {
			length++
			memory += r.footprint()
			c.want(q.nextSweep <= r.deadline || q.breakpoint != nil, "queue %s is swept after a deadline", name)
			c.want(asgi.ProcessPrefix(r.channel) == name, "queue %s holds a message to %s", name, r.channel)
			c.want(r.next != nil || q.tail == r, "the tail of queue %s is not its last message", name)
			c.want((r.prev == nil) == (q.head == r) && (r.next == nil || r.next.prev == r), "message %d of queue %s is not linked to the one before", r.id, name)
			c.want(r.next == nil || q.disorder || r.deadline <= r.next.deadline, "queue %s is out of order and not marked so", name)
		}
		c.sorted(q)
		if q.counted {
			memory += queueFootprint
		}
		c.want(length > 0 || !q.counted, "queue %s is counted, but has no messages", name)
		c.want(length == q.length, "queue %s has %d messages, not %d", name, length, q.length)
		pending += length
		for p := q.parked.first; p != nil; p = p.next {
			c.want(p.entry.queue == q && !p.entry.waiter.assigned, "queue %s has a reader that does not wait", name)
		}
	}
	c.want(len(s.sweeps) == len(s.queues), "%d queues, %d in the schedule", len(s.queues), len(s.sweeps))
	c.want(pending == s.pending, "%d messages wait, not %d", pending, s.pending)
	c.want(paused == s.paused, "%d queues are paused, not %d", paused, s.paused)
	for _, d := range s.delays.all() {
		memory += d.footprint()
	}
	c.want(memory == s.memory, "%d bytes of messages wait, not %d", memory, s.memory)
	checkSchedule(c, s.sweeps)
}

// sorted checks the classes of a queue.
func (c *checker) sorted(q *queue) {
	inClasses, sorted := 0, 0
	for _, cl := range q.classes {
		c.want(cl.current(q), "a class of queue %s is out of date", q.name)
		for e := cl.messages.first; e != nil; e = e.next {
			r := e.entry
			inClasses++
			c.want(r.class == cl && (e.next != nil || cl.messages.last == e), "message %d of queue %s is in the wrong class", r.id, q.name)
		}
	}
	for r := q.head; r != nil && r != q.unsorted && q.offering != nil; r = r.next {
		sorted++
	}
	c.want(inClasses == sorted, "%d messages of queue %s are sorted, not %d", inClasses, q.name, sorted)
}

func (c *checker) delays(s *Store) {
	checkSchedule(c, s.delays.due)
	waiting := s.delays.all()
	c.want(len(waiting) == s.delays.count, "%d delayed messages wait, not %d", len(waiting), s.delays.count)
	for name, blocked := range s.delays.blocked {
		c.want(len(blocked) > 0, "the list of messages blocked by %s is empty", name)
	}
}

func (c *checker) groups(s *Store) {
	all, bytes := 0, 0
	for name, g := range s.groups.byName {
		bytes += groupFootprint + len(name)
		c.want(g.name == name && len(g.byChannel) > 0, "group %s is empty or misnamed", name)
		durable, last := 0, uint64(0)
		for i, p := range g.joined {
			c.want(p.number > last, "group %s is out of order", name)
			last = p.number
			if p.member == nil {
				continue
			}
			all++
			bytes += memberFootprint + len(p.member.channel)
			c.want(p.member.index == i && g.byChannel[p.member.channel] == p.member && p.member.group == g, "member %s of group %s is not at its position", p.member.channel, name)
			if p.member.durable {
				durable++
			}
		}
		c.want(durable == g.durable, "group %s has %d durable members, not %d", name, durable, g.durable)
	}
	linked := 0
	for m := s.groups.byExpiry.first; m != nil; m = m.next {
		linked++
		c.want(m.next == nil || m.entry.expires <= m.next.entry.expires, "memberships are not in the order of their expiry")
	}
	byChannel := 0
	for channel, m := range s.groups.byChannel {
		for ; m != nil; m = m.nextOfChannel {
			byChannel++
			c.want(m.nextOfChannel == nil || m.nextOfChannel.prevOfChannel == m, "the memberships of channel %s are not linked", channel)
			c.want(m.channel == channel, "channel %s has a membership of %s", channel, m.channel)
		}
	}
	c.want(all == linked && all == byChannel, "%d memberships by group, %d by expiry, %d by channel", all, linked, byChannel)
	c.want(bytes == s.groups.bytes, "groups take %d bytes, not %d", bytes, s.groups.bytes)
}

func (c *checker) values(k *values) {
	expiring := 0
	for name, f := range k.families {
		c.want(len(f.values) > 0, "family %q is empty", name)
		bytes, listed := 0, 0
		for key, v := range f.values {
			c.want(v.key == key && familyOf(key) == name, "value %q is under the wrong key", key)
			bytes += sizeOf(key, v.data)
			if v.expires != never {
				expiring++
			}
		}
		for _, l := range []*list[*value]{&f.fresh, &f.used} {
			for e := l.first; e != nil; e = e.next {
				listed++
				c.want(f.values[e.entry.key] == e.entry && e.entry.list == l, "value %q is in the wrong list", e.entry.key)
			}
		}
		c.want(bytes == f.bytes, "the values of family %q take %d bytes, not %d", name, bytes, f.bytes)
		c.want(!discards(name) || listed == len(f.values), "%d values of family %q, %d in the order of use", len(f.values), name, listed)
	}
	c.want(expiring == len(k.expiring), "%d values expire, %d in the schedule", expiring, len(k.expiring))
	checkSchedule(c, k.expiring)
}

func checkSchedule[T entry](c *checker, s schedule[T]) {
	for i, e := range s {
		c.want(*e.index() == i, "entry %d of a schedule has index %d", i, *e.index())
		c.want(i == 0 || s[(i-1)/2].when() <= e.when(), "entry %d of a schedule is out of order", i)
	}
}

// file compares the store with its file.
func (c *checker) file(s *Store) {
	disk := newContents()
	if err := disk.read(s.db); err != nil {
		c.errs = append(c.errs, err)
		return
	}
	c.messages(s, disk)
	c.members(s, disk)
	durable := 0
	for _, f := range s.kv.families {
		for _, v := range f.values {
			if v.durable {
				durable++
			}
		}
	}
	c.want(durable == len(disk.values), "%d durable values, %d in the file", durable, len(disk.values))
	for _, kv := range disk.values {
		v := s.kv.lookupLocked(kv.key)
		c.want(v != nil && v.durable && v.expires == kv.expires && asgi.Equal(v.data, kv.data), "value %q differs in the file", kv.key)
	}
}

func (c *checker) messages(s *Store, disk *contents) {
	waiting := make(map[uint64]*record)
	for _, q := range s.queues {
		for r := q.head; r != nil; r = r.next {
			if r.durable {
				waiting[r.id] = r
			}
		}
	}
	due := make(map[uint64]int64)
	for _, d := range s.delays.all() {
		if d.durable {
			waiting[d.id], due[d.id] = &d.record, d.due
		}
	}
	for _, d := range disk.delayed {
		at, delayed := due[d.id]
		c.want(!delayed || at == d.due, "delayed message %d is due at another time in the file", d.id)
		disk.queued = append(disk.queued, &d.record)
	}
	c.want(len(waiting) == len(disk.queued), "%d durable messages wait, %d in the file", len(waiting), len(disk.queued))
	for _, r := range disk.queued {
		m := waiting[r.id]
		if m == nil {
			c.want(false, "message %d to %s is only in the file", r.id, r.channel)
			continue
		}
		c.want(m.channel == r.channel && m.trace == r.trace && asgi.Equal(m.message, r.message), "message %d to %s differs in the file", r.id, r.channel)
		c.want(r.deadline == 0 || m.deadline >= r.deadline, // later if a breakpoint held it
			"message %d to %s has a later deadline in the file", r.id, r.channel)
	}
	for id, group := range disk.copies {
		c.want(group.untaken > 0, "group message %d is in the file, though all copies were taken", id)
	}
}

func (c *checker) members(s *Store, disk *contents) {
	durable := 0
	for _, g := range s.groups.byName {
		durable += g.durable
	}
	c.want(durable == len(disk.members), "%d durable memberships, %d in the file", durable, len(disk.members))
	for _, m := range disk.members {
		var member *member
		if g := s.groups.byName[m.group]; g != nil {
			member = g.byChannel[m.channel]
		}
		c.want(member != nil && member.expires == m.expires, "membership of %s in %s differs in the file", m.channel, m.group)
	}
}
