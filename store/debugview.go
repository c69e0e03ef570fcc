package store

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"asgibox/asgi"
)

// A ChannelView describes one queue. The channels of one process share a queue,
// named by their prefix.
type ChannelView struct {
	Name      string
	Kind      asgi.Kind
	Depth     int // waiting messages
	Capacity  int
	OldestAge time.Duration // of the first waiting message
	Readers   int           // waiting receives and the acceptor; -1 if it is not known
	Bound     bool          // its messages are delivered to a function
	Unread    bool          // no reader waits, and none has asked within the expiry
	Paused    bool

	// Totals since the queue was created, and rates over the last few seconds.
	// A queue that is idle for long is removed.
	Sent             uint64
	SentPerSecond    float64
	Refused          uint64 // because the channel was full
	RefusedPerSecond float64
	Expired          uint64
}

// Totals describe the whole store.
type Totals struct {
	asgi.Stats
	Opened   time.Time // start of the totals
	Channels int
	Groups   int
	Paused   int // channels with a breakpoint
	Delayed  int // delayed messages
	Memory   int // bytes of all waiting messages
	Limit    int // limit of Memory
}

// Totals returns the totals of the store. It does not set MessagesMaxAge, which
// would need a search of all queues.
func (d *Debugger) Totals() Totals {
	s := d.store
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	t := Totals{
		Stats:    figures(&s.sent, &s.refused, now),
		Opened:   s.epoch,
		Channels: len(s.queues),
		Groups:   len(s.groups.byName),
		Paused:   s.paused,
		Delayed:  s.delays.count,
		Memory:   s.memory,
		Limit:    s.opts.Memory,
	}
	t.MessagesPending = s.pending
	return t
}

// Channels returns up to limit of the channels that match, and the number of
// all that match. Paused channels come first, then those with most messages,
// then the busiest. If matches is nil, all channels match.
func (d *Debugger) Channels(limit int, matches func(name string) bool) (views []ChannelView, all int) {
	s := d.store
	now := s.now()
	s.mu.Lock()
	s.eachQueueLocked(func(q *queue) {
		if matches == nil || matches(q.name) {
			views = append(views, s.viewLocked(q, now))
		}
	})
	s.mu.Unlock()
	all = len(views)
	slices.SortFunc(views, func(a, b ChannelView) int {
		if a.Paused != b.Paused {
			if a.Paused {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.Depth, a.Depth), cmp.Compare(b.SentPerSecond, a.SentPerSecond), cmp.Compare(a.Name, b.Name))
	})
	return slices.Clip(views[:min(limit, len(views))]), all
}

func (s *Store) viewLocked(q *queue, now int64) ChannelView {
	if q.nextSweep <= now {
		s.sweepQueueLocked(q, now)
	}
	v := ChannelView{
		Name:             q.name,
		Kind:             q.kind,
		Depth:            q.length,
		Capacity:         q.capacity,
		OldestAge:        s.ageLocked(q, now),
		Bound:            q.binding != nil,
		Unread:           q.name != asgi.DelayChannel && !s.hasReaderLocked(q),
		Paused:           q.breakpoint != nil,
		Sent:             q.sent.count,
		SentPerSecond:    q.sent.rate(now),
		Refused:          q.refused.count,
		RefusedPerSecond: q.refused.rate(now),
		Expired:          q.expired,
	}
	if q.name == asgi.DelayChannel {
		v.Depth = s.delays.count
	}
	for p := q.parked.first; p != nil; p = p.next {
		v.Readers++
	}
	if q.offering != nil {
		v.Readers++
	}
	return v
}

// A GroupView describes one group.
type GroupView struct {
	Name    string
	Members int
}

// Groups returns up to limit of the groups that match, the largest first, and
// the number of all that match. If matches is nil, all groups match.
func (d *Debugger) Groups(limit int, matches func(name string) bool) (views []GroupView, all int) {
	s := d.store
	s.mu.Lock()
	for name, g := range s.groups.byName {
		views = append(views, GroupView{name, len(g.byChannel)})
	}
	s.mu.Unlock()
	if matches != nil {
		views = slices.DeleteFunc(views, func(g GroupView) bool { return !matches(g.Name) })
	}
	slices.SortFunc(views, func(a, b GroupView) int {
		return cmp.Or(cmp.Compare(b.Members, a.Members), cmp.Compare(a.Name, b.Name))
	})
	return slices.Clip(views[:min(limit, len(views))]), len(views)
}

// A MemberView describes one membership.
type MemberView struct {
	Channel string
	Expires time.Time
}

// Members returns up to limit members of a group, in the order in which they
// joined, and the number of all members.
func (d *Debugger) Members(group string, limit int) (views []MemberView, all int) {
	s := d.store
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups.byName[group]
	if g == nil {
		return nil, 0
	}
	for _, p := range g.joined {
		if len(views) == limit {
			break
		}
		if p.member != nil {
			views = append(views, MemberView{p.member.channel, s.time(p.member.expires)})
		}
	}
	return views, len(g.byChannel)
}

// GroupsOf returns the groups that a channel is a member of, sorted.
func (d *Debugger) GroupsOf(channel string) []string {
	s := d.store
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for m := s.groups.byChannel[channel]; m != nil; m = m.nextOfChannel {
		names = append(names, m.group.name)
	}
	sort.Strings(names)
	return names
}

// A MessageView describes a waiting message.
type MessageView struct {
	ID       uint64
	Channel  string // the full name
	Message  asgi.Message
	Trace    asgi.TraceID
	Sent     time.Time
	Deadline time.Time // when it expires; when it is due if it is delayed
	Durable  bool
}

// Peek returns up to limit messages that wait on a channel, the next one first,
// and takes none. Given a connection's full name, it returns only messages to
// it.
func (d *Debugger) Peek(channel string, limit int) ([]MessageView, error) {
	name, err := queueName(channel)
	if err != nil {
		return nil, err
	}
	if name == asgi.DelayChannel {
		return d.peekDelayed(limit), nil
	}
	s := d.store
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[name]
	if q == nil {
		return nil, nil
	}
	var views []MessageView
	for r := q.head; r != nil && len(views) < limit; r = r.next {
		if (r.deadline > now || q.breakpoint != nil) && (name == channel || r.channel == channel) {
			views = append(views, s.messageView(r))
		}
	}
	return views, nil
}

func (s *Store) messageView(r *record) MessageView {
	return MessageView{
		ID:       r.id,
		Channel:  r.channel,
		Message:  r.message,
		Trace:    r.trace,
		Sent:     s.time(s.sentAt(r)),
		Deadline: s.time(r.deadline),
		Durable:  r.durable,
	}
}

func (d *Debugger) peekDelayed(limit int) []MessageView {
	s := d.store
	s.mu.Lock()
	waiting := slices.Clone(s.delays.due)
	s.mu.Unlock()
	slices.SortFunc(waiting, func(a, b *delayed) int { return cmp.Compare(a.due, b.due) })
	var views []MessageView
	for _, w := range waiting[:min(limit, len(waiting))] {
		v := s.messageView(&w.record)
		v.Sent, v.Deadline = time.Time{}, s.time(w.due)
		views = append(views, v)
	}
	return views
}
