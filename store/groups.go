package store

import (
	"context"

	"asgibox/asgi"
)

// groups are all memberships, found by group, by channel and by what ends
// next.
type groups struct {
	byName     map[string]*group
	byChannel  map[string]*member // of a channel's memberships; the rest follow
	lastNumber uint64             // numbers the memberships
	seq        uint64             // the journal's number of the last durable change

	// All memberships, soonest to end first: since they all last equally
	// long, one that is renewed goes to the end.
	oldest, newest *member
}

// A group's members stand in the order in which they joined, so that a send
// can stop, let others have the lock, and go on where it was.
type group struct {
	name      string
	byChannel map[string]*member
	joined    []numberedMember // in the order of their numbers; a member that left is nil

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
	nextOfChannel *member // another membership of the same channel
	prev, next    *member // by when they end
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

// changesMembers refuses to change a durable membership while the disk fails.
func (s *Store) checkWritable(channel string) error {
	if asgi.KindOf(channel) == asgi.ProcessSpecific {
		return nil
	}
	return s.journal.err()
}

// raiseLocked makes the work wait for what it saw or did of durable
// memberships.
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

// GroupChannels answers the members now. See [asgi.Groups].
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

// joinLocked begins or renews a membership, in memory.
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

// endLocked ends one membership.
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

// compact drops the places of members that have left.
func (g *group) compact() {
	kept := g.joined[:0]
	for _, p := range g.joined {
		if p.member != nil {
			p.member.index = len(kept)
			kept = append(kept, p)
		}
	}
	clear(g.joined[len(kept):])
	g.joined = kept
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

// forget takes a membership from those of its channel.
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
