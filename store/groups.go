package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"asgibox/asgi"
)

// groups are all memberships, by group, by channel and by expiry.
type groups struct {
	byName     map[string]*group
	byChannel  map[string]*member // the first of a channel's memberships; nextOfChannel leads to the rest
	lastNumber uint64             // of the newest membership
	bytes      int                // of all groups and memberships
	seq        uint64             // the journal's number of the last durable change

	// All memberships in the order of their expiry. They all last equally
	// long, so a new or renewed one goes to the end.
	byExpiry list[*member]
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
	prevOfChannel *member
	expiryLink    link[*member]
	durable       bool
}

func newGroups() groups {
	return groups{byName: make(map[string]*group), byChannel: make(map[string]*member)}
}

// GroupAdd makes the channel a member. See [asgi.Groups].
func (s *Store) GroupAdd(ctx context.Context, c *asgi.Cause, group, channel string) error {
	if err := cmp.Or(asgi.CheckGroup(group), asgi.CheckTarget(channel)); err != nil {
		return err
	}
	expires := s.now() + int64(s.opts.GroupExpiry)
	var full error
	err := s.changeGroups(ctx, c, channel, func() {
		if full = s.groupShortageLocked(group, channel); full != nil {
			return
		}
		m := s.joinLocked(group, channel, expires)
		s.groups.seq = max(s.groups.seq, s.journal.join(m))
	})
	if err := cmp.Or(err, full); err != nil || !s.gone(channel) {
		return err
	}
	// A connection that ends after the question leaves its groups itself.
	return s.GroupLeave(ctx, c, channel)
}

// Memory of a group and of a membership without their names, in bytes.
const (
	groupFootprint  = 288
	memberFootprint = 192
)

// groupShortageLocked returns an error if the memory of all groups leaves no room for
// another membership. Clients may choose the names of groups.
func (s *Store) groupShortageLocked(name, channel string) error {
	g := s.groups.byName[name]
	if g != nil && g.byChannel[channel] != nil {
		return nil
	}
	size := memberFootprint + len(channel)
	if g == nil {
		size += groupFootprint + len(name)
	}
	if s.groups.bytes+size <= s.opts.Memory {
		return nil
	}
	return &asgi.ChannelFullError{Channel: name, Reason: fmt.Sprintf("all groups take %d MiB (--memory)", s.groups.bytes>>20)}
}

// GroupDiscard ends a membership. See [asgi.Groups].
func (s *Store) GroupDiscard(ctx context.Context, c *asgi.Cause, group, channel string) error {
	if err := checkMember(group, channel); err != nil {
		return err
	}
	return s.changeGroups(ctx, c, channel, func() {
		if g := s.groups.byName[group]; g != nil && g.byChannel[channel] != nil {
			s.removeMemberLocked(g.byChannel[channel])
		}
	})
}

// GroupLeave ends all memberships of a channel. See [asgi.Groups].
func (s *Store) GroupLeave(ctx context.Context, c *asgi.Cause, channel string) error {
	if err := asgi.CheckSend(channel); err != nil {
		return err
	}
	for more := true; more; {
		err := s.changeGroups(ctx, c, channel, func() { more = s.leaveLocked(channel, leaveStep) })
		if err != nil {
			return err
		}
	}
	return nil
}

// leaveStep is the number of memberships that end before the lock is released. A client
// may have joined very many groups.
const leaveStep = 1024

// changeGroups calls changeLocked, which changes memberships of the channel,
// with the lock held. If they are durable, it waits first while too much is staged, and
// fails if the disk fails.
func (s *Store) changeGroups(ctx context.Context, c *asgi.Cause, channel string, changeLocked func()) error {
	durable := asgi.KindOf(channel) != asgi.ProcessSpecific
	if durable {
		if err := s.journal.admit(ctx); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return asgi.ErrClosed
	}
	changeLocked()
	s.raiseLocked(c, durable)
	return nil
}

// raiseLocked raises the barrier of c to the last change of durable
// memberships, if the call read or changed any.
func (s *Store) raiseLocked(c *asgi.Cause, durable bool) {
	if durable {
		c.Raise(s.journal.barrier(s.groups.seq))
	}
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
		s.groups.bytes += groupFootprint + len(name)
	}
	m := g.byChannel[channel]
	if m == nil {
		m = &member{group: g, channel: channel, index: len(g.joined), durable: asgi.KindOf(channel) != asgi.ProcessSpecific}
		m.expiryLink.entry = m
		s.groups.lastNumber++
		g.byChannel[channel] = m
		g.joined = append(g.joined, numberedMember{s.groups.lastNumber, m})
		if m.durable {
			g.durable++
		}
		if m.nextOfChannel = s.groups.byChannel[channel]; m.nextOfChannel != nil {
			m.nextOfChannel.prevOfChannel = m
		}
		s.groups.byChannel[channel] = m
		s.groups.bytes += memberFootprint + len(channel)
	} else {
		s.groups.byExpiry.remove(&m.expiryLink)
	}
	m.expires = expires
	s.groups.byExpiry.push(&m.expiryLink)
	s.wakeBy(expires)
	return m
}

// removeMemberLocked ends one membership, in memory and in the journal.
func (s *Store) removeMemberLocked(m *member) {
	s.groups.byExpiry.remove(&m.expiryLink)
	s.groups.unlinkChannel(m)
	s.groups.seq = max(s.groups.seq, s.journal.leave(m))
	g := m.group
	if m.durable {
		g.durable--
	}
	delete(g.byChannel, m.channel)
	g.joined[m.index].member = nil
	s.groups.bytes -= memberFootprint + len(m.channel)
	switch {
	case len(g.byChannel) == 0:
		delete(s.groups.byName, g.name)
		s.groups.bytes -= groupFootprint + len(g.name)
	case len(g.joined) > 2*len(g.byChannel)+16:
		g.compact()
	}
}

// leaveLocked ends at most a number of memberships of a channel, and reports whether there
// are more.
func (s *Store) leaveLocked(channel string, most int) (more bool) {
	m := s.groups.byChannel[channel]
	for ; m != nil && most > 0; most-- {
		s.removeMemberLocked(m)
		m = s.groups.byChannel[channel]
	}
	return m != nil
}

// footprint is the memory of a membership that is staged, in bytes.
func (m *member) footprint() int { return memberFootprint + len(m.group.name) + len(m.channel) }

// compact removes the entries of members that have left.
func (g *group) compact() {
	g.joined = slices.DeleteFunc(g.joined, func(n numberedMember) bool { return n.member == nil })
	for i, n := range g.joined {
		n.member.index = i
	}
}

// unlinkChannel removes a membership from the list of its channel.
func (l *groups) unlinkChannel(m *member) {
	if m.nextOfChannel != nil {
		m.nextOfChannel.prevOfChannel = m.prevOfChannel
	}
	switch {
	case m.prevOfChannel != nil:
		m.prevOfChannel.nextOfChannel = m.nextOfChannel
	case m.nextOfChannel != nil:
		l.byChannel[m.channel] = m.nextOfChannel
	default:
		delete(l.byChannel, m.channel)
	}
}
