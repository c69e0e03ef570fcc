package store

import (
	"cmp"
	"slices"
	"time"

	"asgibox/asgi"
)

// A model is a channel layer that is simple enough to be obviously correct. It
// uses slices that are searched from the front, and a clock that advances in
// seconds.
type model struct {
	now         time.Time
	expiry      time.Duration
	groupExpiry time.Duration
	capacity    int
	mailboxSize int

	sends   int // numbers the messages as they are sent
	queues  map[string][]*modelMessage
	delayed []*modelMessage // not due yet; by due and then by number
	blocked []*modelMessage // due, but their channel is full
	parked  []*modelReader
	groups  map[string][]modelMember // in the order in which they joined
	values  map[string]modelValue

	bound   bool // "proc!"
	mailbox []int
	gone    map[string]bool // its connections that have ended
}

type modelMessage struct {
	channel  string
	n        int // its content
	order    int
	due      time.Time // zero if it is not delayed
	deadline time.Time // zero until it is due
	durable  bool
}

type modelReader struct {
	id       int
	channels []string
	got      *modelMessage
}

type modelMember struct {
	channel string
	expires time.Time
}

type modelValue struct {
	v       any
	expires time.Time // zero if it does not expire
	durable bool
}

func newModel(o Options, now time.Time) *model {
	return &model{
		now:         now,
		expiry:      o.Expiry,
		groupExpiry: o.GroupExpiry,
		capacity:    o.Capacity,
		mailboxSize: 3,
		queues:      make(map[string][]*modelMessage),
		groups:      make(map[string][]modelMember),
		values:      make(map[string]modelValue),
		gone:        make(map[string]bool),
	}
}

func (m *model) message(channel string, n int, durable bool) *modelMessage {
	m.sends++
	return &modelMessage{channel: channel, n: n, order: m.sends, durable: durable && asgi.KindOf(channel) != asgi.ProcessSpecific}
}

// send sends a message and reports whether the channel is full.
func (m *model) send(channel string, n int, durable bool) (full bool) {
	msg := m.message(channel, n, durable)
	msg.deadline = m.now.Add(m.expiry)
	return m.offer(msg)
}

func (m *model) offer(msg *modelMessage) (full bool) {
	name := asgi.ProcessPrefix(msg.channel)
	if m.bound && name == "proc!" {
		return m.push(msg)
	}
	if m.hand(msg) {
		return false
	}
	if len(m.queues[name]) >= m.capacity {
		return true
	}
	m.queues[name] = append(m.queues[name], msg)
	return false
}

// push delivers to the mailbox of the bound process.
func (m *model) push(msg *modelMessage) (full bool) {
	switch {
	case m.gone[msg.channel]:
		m.leave(msg.channel)
		return false
	case len(m.mailbox) >= m.mailboxSize:
		return true
	}
	m.mailbox = append(m.mailbox, msg.n)
	return false
}

// hand gives a message to the reader that parked last.
func (m *model) hand(msg *modelMessage) bool {
	for _, r := range slices.Backward(m.parked) {
		if r.got == nil && slices.Contains(r.channels, asgi.ProcessPrefix(msg.channel)) {
			r.got = msg
			return true
		}
	}
	return false
}

// take removes and returns the head of a queue, or nil.
func (m *model) take(name string) *modelMessage {
	q := m.queues[name]
	if len(q) == 0 {
		return nil
	}
	m.queues[name] = q[1:]
	return q[0]
}

func (m *model) putBack(msg *modelMessage) {
	name := asgi.ProcessPrefix(msg.channel)
	if m.bound && name == "proc!" {
		m.push(msg)
		return
	}
	if msg.deadline.After(m.now) && m.hand(msg) {
		return
	}
	msg.due = time.Time{} // no longer a delayed message, also in the file
	m.queues[name] = append([]*modelMessage{msg}, m.queues[name]...)
	m.expire()
}

func (m *model) bind() {
	m.bound = true
	for msg := m.take("proc!"); msg != nil; msg = m.take("proc!") {
		m.push(msg)
	}
}

func (m *model) join(group, channel string) {
	if m.bound && m.gone[channel] {
		m.leave(channel)
		return
	}
	member := modelMember{channel, m.now.Add(m.groupExpiry)}
	for i, old := range m.groups[group] {
		if old.channel == channel {
			m.groups[group][i] = member
			return
		}
	}
	m.groups[group] = append(m.groups[group], member)
}

func (m *model) discard(group, channel string) {
	m.groups[group] = slices.DeleteFunc(m.groups[group], func(o modelMember) bool { return o.channel == channel })
}

func (m *model) leave(channel string) {
	for group := range m.groups {
		m.discard(group, channel)
	}
}

func (m *model) members(group string) []string {
	var channels []string
	for _, member := range m.groups[group] {
		channels = append(channels, member.channel)
	}
	return channels
}

func (m *model) sendGroup(group string, n int, durable bool) {
	for _, channel := range m.members(group) {
		m.send(channel, n, durable)
	}
}

// sendLater adds a delayed message and reports whether too many wait.
func (m *model) sendLater(channel string, n int, delay time.Duration) (full bool) {
	if len(m.delayed)+len(m.blocked) >= m.capacity {
		return true
	}
	msg := m.message(channel, n, true)
	msg.due = m.now.Add(delay)
	m.delayed = append(m.delayed, msg)
	slices.SortStableFunc(m.delayed, func(a, b *modelMessage) int { return a.due.Compare(b.due) })
	return false
}

func (m *model) flush() {
	clear(m.queues)
	clear(m.groups)
	m.delayed, m.blocked = nil, nil
}

// advance advances the clock second by second.
func (m *model) advance(seconds int) {
	for range seconds {
		m.now = m.now.Add(time.Second)
		m.runDue()
	}
}

// runDue drops expired entries, then sends the blocked messages again, then
// sends the messages that have become due.
func (m *model) runDue() {
	m.expire()
	m.deliverDue()
}

func (m *model) expire() {
	expired := func(msg *modelMessage) bool {
		if msg.deadline.After(m.now) {
			return false
		}
		if asgi.KindOf(msg.channel) == asgi.ProcessSpecific {
			m.leave(msg.channel)
		}
		return true
	}
	for name, q := range m.queues {
		m.queues[name] = slices.DeleteFunc(q, expired)
	}
	for group, members := range m.groups {
		m.groups[group] = slices.DeleteFunc(members, func(o modelMember) bool { return !o.expires.After(m.now) })
	}
	for key, v := range m.values {
		if !v.expires.IsZero() && !v.expires.After(m.now) {
			delete(m.values, key)
		}
	}
	m.blocked = slices.DeleteFunc(m.blocked, expired)
}

func (m *model) deliverDue() {
	try := m.blocked
	for len(m.delayed) > 0 && !m.delayed[0].due.After(m.now) {
		m.delayed[0].deadline = m.delayed[0].due.Add(m.expiry)
		try = append(try, m.delayed[0])
		m.delayed = m.delayed[1:]
	}
	m.blocked = nil
	stuck := make(map[string]bool)
	for _, msg := range try {
		name := asgi.ProcessPrefix(msg.channel)
		if m.bound && name == "proc!" {
			name = msg.channel // each connection has room of its own
		}
		if stuck[name] || m.offer(msg) {
			stuck[name] = true
			m.blocked = append(m.blocked, msg)
		}
	}
}

// restart keeps only durable entries; the process is down for some seconds.
func (m *model) restart(seconds int) {
	m.bound, m.mailbox, m.parked = false, nil, nil
	for name, q := range m.queues {
		m.queues[name] = slices.DeleteFunc(q, func(msg *modelMessage) bool { return !msg.durable })
	}
	for _, msg := range m.blocked { // they were due: they are queued from now on
		if msg.durable {
			m.queues[msg.channel] = append(m.queues[msg.channel], msg)
		}
	}
	m.blocked = nil
	for _, q := range m.queues {
		slices.SortStableFunc(q, inFile)
	}
	m.delayed = slices.DeleteFunc(m.delayed, func(msg *modelMessage) bool { return !msg.durable })
	for group, members := range m.groups {
		m.groups[group] = slices.DeleteFunc(members, func(o modelMember) bool { return asgi.KindOf(o.channel) == asgi.ProcessSpecific })
		slices.SortStableFunc(m.groups[group], func(a, b modelMember) int {
			return cmp.Or(a.expires.Compare(b.expires), cmp.Compare(a.channel, b.channel))
		})
	}
	for key, v := range m.values {
		if !v.durable {
			delete(m.values, key)
		}
	}
	m.now = m.now.Add(time.Duration(seconds) * time.Second)
	for i, msg := range m.delayed {
		if !msg.due.After(m.now) { // it became due while the process was down
			msg.due = m.now.Add(time.Duration(i))
		}
	}
	m.runDue()
}

// inFile compares messages in the order in which they are read from the file.
func inFile(a, b *modelMessage) int {
	late := func(m *modelMessage) int {
		if m.due.IsZero() {
			return 0
		}
		return 1
	}
	return cmp.Or(a.deadline.Compare(b.deadline), cmp.Compare(late(a), late(b)), cmp.Compare(a.order, b.order))
}
