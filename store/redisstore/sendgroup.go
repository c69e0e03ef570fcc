package redisstore

import (
	"context"
	"errors"
	"math"
	"time"

	"asgibox/asgi"
)

// Limits of one script of a group send, which must not hold up Redis for long.
const (
	portionMembers = 500
	portionBytes   = 4 << 20
)

// While a list of connections has no room for a portion but is read, the sender
// waits for its reader. A list that is not read for unreadAfter is not waited for
// again for stuckFor.
const (
	roomPause   = time.Millisecond
	unreadAfter = time.Second
	stuckFor    = 30 * time.Second
)

// SendGroup sends a copy to each member. See [asgi.Groups].
func (l *Layer) SendGroup(ctx context.Context, c *asgi.Cause, group string, m asgi.Message, opts ...asgi.SendOption) error {
	if err := asgi.CheckGroup(group); err != nil {
		return err
	}
	if err := l.checkSize(m.Size()); err != nil {
		return err
	}
	members, err := l.members(ctx, group)
	if err != nil {
		return err
	}
	shared := &asgi.Shared{}
	lists := map[*host]map[string][]string{} // the members by host and list
	var gone []string
	for _, member := range members {
		if b := l.bound(member); b != nil {
			err := b.send(ctx, c, member, m, shared, reportGone)
			if errors.Is(err, asgi.ErrGone) {
				gone = append(gone, member)
			}
			continue
		}
		h := l.sendHost(member)
		if lists[h] == nil {
			lists[h] = map[string][]string{}
		}
		list := asgi.ProcessPrefix(member)
		lists[h][list] = append(lists[h][list], member)
	}
	if len(gone) > 0 {
		l.discardGone(ctx, group, gone)
	}
	if len(lists) == 0 {
		return nil
	}
	g := groupSend{layer: l}
	if err := g.encode(m); err != nil {
		return err
	}
	var failed error
	for h, byList := range lists {
		if err := g.sendHost(ctx, h, byList); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	if len(g.dead) > 0 {
		l.leaveHashes(ctx, g.dead)
		l.discardDead(ctx, group, members, g.dead)
	}
	return failed
}

var reportGone = []asgi.SendOption{asgi.ReportGone}

// discardGone removes members whose connections have ended. Another process may
// have added them.
func (l *Layer) discardGone(ctx context.Context, group string, members []string) {
	op := &operation{kind: "group_leave"}
	for _, member := range members {
		op.add(nil, "zrem", l.groupKey(group), member)
	}
	_ = l.hostOf(group).run(ctx, op) // the next send to the group tries again
}

// discardDead removes members that do not read, which another kind of process has
// added.
func (l *Layer) discardDead(ctx context.Context, group string, members []string, dead map[*host][]string) {
	hashes := map[string]bool{}
	for _, keys := range dead {
		for _, key := range keys {
			hashes[hashIn(key)] = true
		}
	}
	var gone []string
	for _, member := range members {
		if asgi.KindOf(member) == asgi.ProcessSpecific && hashes[hashOf(member)] {
			gone = append(gone, member)
		}
	}
	if len(gone) > 0 {
		l.discardGone(ctx, group, gone)
	}
}

// A groupSend is a group send over Redis.
type groupSend struct {
	layer       *Layer
	plain, head []byte             // parts of the bodies
	sealed      []byte             // the whole body of normal members
	dead        map[*host][]string // keys of expired bodies
}

func (g *groupSend) encode(m asgi.Message) (err error) {
	g.dead = map[*host][]string{}
	g.plain, g.head = groupBody(m)
	g.sealed, err = g.layer.seal(g.plain)
	return err
}

// A portion is what one script sends.
type portion struct {
	shares []*share
	count  int
	bytes  int
}

// A share is the part of a portion for one list.
type share struct {
	list, key string
	capacity  int
	members   int
	args      []any // for each member
	skip      bool  // the members for which there is no room
	waiting   int64 // messages in the list
	read      progress
}

// sendHost sends to the members whose lists are on a host.
func (g *groupSend) sendHost(ctx context.Context, h *host, byList map[string][]string) error {
	p := &portion{}
	size := len(g.sealed) + 1
	for list, members := range byList {
		capacity := g.layer.capacityOf(list)
		most := min(portionMembers, max(1, capacity/2))
		for len(members) > 0 {
			n := min(len(members), most, max(1, (portionBytes-p.bytes)/size))
			if p.count+n > portionMembers || p.count > 0 && p.bytes+n*size > portionBytes {
				if err := g.flush(ctx, h, p); err != nil {
					return err
				}
				continue
			}
			s, err := g.share(list, capacity, members[:n])
			if err != nil {
				return err
			}
			p.shares, p.count, p.bytes = append(p.shares, s), p.count+n, p.bytes+n*size
			if members = members[n:]; len(members) > 0 {
				if err := g.flush(ctx, h, p); err != nil {
					return err
				}
			}
		}
	}
	return g.flush(ctx, h, p)
}

func (g *groupSend) share(list string, capacity int, members []string) (*share, error) {
	s := &share{list: list, key: g.layer.opts.Prefix + list, capacity: capacity, members: len(members)}
	for _, member := range members {
		last := []byte{}
		if asgi.KindOf(member) == asgi.ProcessSpecific {
			last = tail(member)
			if len(g.layer.seals) > 0 {
				var err error
				if last, err = g.layer.seal(append(g.head[:len(g.head):len(g.head)], last...)); err != nil {
					return nil, err
				}
			}
		}
		s.args = append(s.args, g.layer.bodyKey(member), last)
	}
	return s, nil
}

// flush sends a portion. If lists have no room, it waits a little for their readers,
// and then skips the members for which there is none. The other lists do not wait.
func (g *groupSend) flush(ctx context.Context, h *host, p *portion) error {
	shares, now := p.shares, time.Now()
	*p = portion{}
	for _, s := range shares {
		s.skip = !h.patient(s.list, now)
		s.read = progress{least: math.MaxInt64, at: now}
	}
	for len(shares) > 0 {
		var err error
		if shares, err = g.try(ctx, h, shares); err != nil {
			return err
		}
		if err := h.awaitRoom(ctx, shares); err != nil {
			return err
		}
	}
	return nil
}

// try sends to the lists that have room, and returns the shares of the others.
func (g *groupSend) try(ctx context.Context, h *host, shares []*share) (rest []*share, err error) {
	head := g.head
	if len(g.layer.seals) > 0 {
		head = nil // the parts are encrypted together
	}
	var keys []string
	args := []any{seconds(g.layer.opts.Expiry), g.layer.opts.StatsPrefix, g.sealed, head}
	for _, s := range shares {
		keys = append(keys, s.key)
		args = append(append(args, s.list, s.capacity, oneIf(s.skip), s.members), s.args...)
	}
	v, err := h.eval(ctx, "send_group", groupSendScript, keys, args...)
	if err != nil {
		return nil, full(shares[0].list, err)
	}
	reply, _ := v.([]any)
	if len(reply) != 2 {
		return nil, nil
	}
	if dead, _ := reply[1].([]any); len(dead) > 0 {
		g.dead[h] = append(g.dead[h], texts(dead)...)
	}
	without, _ := reply[0].([]any)
	for ; len(without) >= 2; without = without[2:] {
		s := shares[number(without[0])-1]
		if s.waiting = number(without[1]); s.waiting < 0 {
			g.layer.wrongType(h, s.list, "it holds no list")
			continue
		}
		rest = append(rest, s)
	}
	return rest, nil
}

// awaitRoom waits until one of the lists has room or counts as unread, so that the
// message is not sent to Redis again before.
func (h *host) awaitRoom(ctx context.Context, shares []*share) error {
	if len(shares) == 0 {
		return nil
	}
	for pause := roomPause; ; pause = min(2*pause, longestPause) {
		ready, now := false, time.Now()
		for _, s := range shares {
			switch {
			case !s.read.shrinks(s.waiting, now):
				s.skip, ready = true, true
				h.stick(s.list, now)
			case s.waiting+int64(s.members) <= int64(s.capacity):
				ready = true
			}
		}
		if ready {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		op := &operation{kind: "send_group"}
		for _, s := range shares {
			op.add(nil, "llen", s.key)
		}
		if err := h.runAll(ctx, op); err != nil {
			return err
		}
		for i, s := range shares {
			s.waiting = number(op.cmds[i].Val())
		}
	}
}

// progress tells whether a list is read.
type progress struct {
	least int64     // the fewest messages that have waited
	at    time.Time // since then
}

// shrinks notes how many messages wait, and reports whether there were fewer and
// fewer until recently.
func (p *progress) shrinks(waiting int64, now time.Time) bool {
	if waiting < p.least {
		p.least, p.at = waiting, now
	}
	return now.Sub(p.at) < unreadAfter
}

// patient reports whether a sender waits for room in a list: it is of connections, and
// was not found to be unread.
func (h *host) patient(list string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return asgi.KindOf(list) == asgi.ProcessSpecific && !now.Before(h.stuck[list])
}

// stick notes that a list is not read.
func (h *host) stick(list string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stuck == nil || len(h.stuck) >= maxRemembered {
		h.stuck = map[string]time.Time{}
	}
	h.stuck[list] = now.Add(stuckFor)
}
