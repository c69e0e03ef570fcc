package store

import (
	"context"
	"slices"

	"asgibox/asgi"
)

// groups are all memberships, by group, by channel and by expiry.
type groups struct {
	byName     map[string]*group
	byChannel  map[string]*member // the first of a channel's memberships; nextOfChannel leads to the rest
	lastNumber uint64             // of the newest membership
	seq        uint64             // the journal's number of the last durable change

	// All memberships in the order of their expiry. They all last equally
	// long, so a new or renewed one goes to the end.
	oldest, newest *member
}

// A group stores its members in the order in which they joined, so that a send
// can release the lock after some members and continue with the next one.
type group struct {
	name      string
	byChannel map[string]*member
	joined    []numberedMember // in the order of their numbers; the member is nil once it has left

	durable int // members that are not process-specific
}

type numberedMember struct {
	number uint64
	member *member
}

// A member is one membership.
type member struct {
	group         *group
	channel       string
	expires       int64
	index         int     // in the group's joined
	nextOfChannel *member // the next membership of the same channel
	prev, next    *member // in the order of expiry
	durable       bool
}

func newGroups() groups {
	return groups{byName: make(map[string]*group), byChannel: make(map[string]*member)}
}

// GroupAdd makes the channel a member. See [asgi.Groups].
func (s *Store) GroupAdd(ctx context.Context, c *asgi.Cause, group, channel string) error {
	if err := checkMember(group, channel); err != nil {
		return err
	}
	if err := s.checkWritable(channel); err != nil {
		return err
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return asgi.ErrClosed
	}
	m := s.joinLocked(group, channel, now+int64(s.opts.GroupExpiry))
	s.groups.seq = max(s.groups.seq, s.journal.join(m))
	s.raiseLocked(c, m.durable)
	return nil
}

// GroupDiscard ends a membership. See [asgi.Groups].
func (s *Store) GroupDiscard(ctx context.Context, c *asgi.Cause, group, channel string) error {
	if err := checkMember(group, channel); err != nil {
		return err
	}
	if err := s.checkWritable(channel); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return asgi.ErrClosed
	}
	if g := s.groups.byName[group]; g != nil && g.byChannel[channel] != nil {
		s.removeMemberLocked(g.byChannel[channel])
	}
	s.raiseLocked(c, asgi.KindOf(channel) != asgi.ProcessSpecific)
	return nil
}

// checkWritable fails if the membership of the channel is durable and the disk
// fails.
func (s *Store) checkWritable(channel string) error {
	if asgi.KindOf(channel) == asgi.ProcessSpecific {
		return nil
	}
	return s.journal.err()
}

// raiseLocked raises the barrier of c to the last change of durable
// memberships, if the call read or changed any.
func (s *Store) raiseLocked(c *asgi.Cause, durable bool) {
	if durable {
		c.Raise(s.journal.barrier(s.groups.seq))
	}
}

// GroupLeave ends all memberships of a channel. See [asgi.Groups].
func (s *Store) GroupLeave(ctx context.Context, c *asgi.Cause, channel string) error {
	if err := asgi.CheckSend(channel); err != nil {
		return err
	}
	if err := s.checkWritable(channel); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return asgi.ErrClosed
	}
	s.leaveLocked(channel)
	s.raiseLocked(c, asgi.KindOf(channel) != asgi.ProcessSpecific)
	return nil
}

// GroupChannels returns the members of a group. See [asgi.Groups].
func (s *Store) GroupChannels(ctx context.Context, c *asgi.Cause, group string) ([]string, error) {
	if err := asgi.CheckGroup(group); err != nil {
		return nil, err
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, asgi.ErrClosed
	}
	g := s.groups.byName[group]
	s.raiseLocked(c, g == nil || g.durable > 0)
	if g == nil {
		return nil, nil
	}
	channels := make([]string, 0, len(g.byChannel))
	for _, p := range g.joined {
		if p.member != nil && p.member.expires > now {
			channels = append(channels, p.member.channel)
		}
	}
	return channels, nil
}

func checkMember(group, channel string) error {
	if err := asgi.CheckGroup(group); err != nil {
		return err
	}
	return asgi.CheckSend(channel)
}

// joinLocked adds or renews a membership in memory.
func (s *Store) joinLocked(name, channel string, expires int64) *member {
	g := s.groups.byName[name]
	if g == nil {
		g = &group{name: name, byChannel: make(map[string]*member)}
		s.groups.byName[name] = g
	}
	m := g.byChannel[channel]
	if m == nil {
		m = &member{group: g, channel: channel, index: len(g.joined), durable: asgi.KindOf(channel) != asgi.ProcessSpecific}
		s.groups.lastNumber++
		g.byChannel[channel] = m
		g.joined = append(g.joined, numberedMember{s.groups.lastNumber, m})
		if m.durable {
			g.durable++
		}
		m.nextOfChannel = s.groups.byChannel[channel]
		s.groups.byChannel[channel] = m
	} else {
		s.groups.unlink(m)
	}
	m.expires = expires
	s.groups.link(m)
	s.wakeBy(expires)
	return m
}

// removeMemberLocked ends one membership, in memory and in the journal.
func (s *Store) removeMemberLocked(m *member) {
	s.groups.unlink(m)
	s.groups.unlinkChannel(m)
	s.groups.seq = max(s.groups.seq, s.journal.leave(m))
	g := m.group
	if m.durable {
		g.durable--
	}
	delete(g.byChannel, m.channel)
	g.joined[m.index].member = nil
	switch {
	case len(g.byChannel) == 0:
		delete(s.groups.byName, g.name)
	case len(g.joined) > 2*len(g.byChannel)+16:
		g.compact()
	}
}

// leaveLocked ends all memberships of a channel.
func (s *Store) leaveLocked(channel string) {
	for m := s.groups.byChannel[channel]; m != nil; m = s.groups.byChannel[channel] {
		s.removeMemberLocked(m)
	}
}

// compact removes the entries of members that have left.
func (g *group) compact() {
	g.joined = slices.DeleteFunc(g.joined, func(n numberedMember) bool { return n.member == nil })
	for i, n := range g.joined {
		n.member.index = i
	}
}

func (l *groups) link(m *member) {
	m.prev, m.next = l.newest, nil
	if l.newest == nil {
		l.oldest = m
	} else {
		l.newest.next = m
	}
	l.newest = m
}

func (l *groups) unlink(m *member) {
	if m.prev == nil {
		l.oldest = m.next
	} else {
		m.prev.next = m.next
	}
	if m.next == nil {
		l.newest = m.prev
	} else {
		m.next.prev = m.prev
	}
	m.prev, m.next = nil, nil
}

// unlinkChannel removes a membership from the list of its channel.
func (l *groups) unlinkChannel(m *member) {
	first := l.byChannel[m.channel]
	if first == m {
		if m.nextOfChannel == nil {
			delete(l.byChannel, m.channel)
		} else {
			l.byChannel[m.channel] = m.nextOfChannel
		}
		return
	}
	for ; first.nextOfChannel != m; first = first.nextOfChannel {
	}
	first.nextOfChannel = m.nextOfChannel
}
