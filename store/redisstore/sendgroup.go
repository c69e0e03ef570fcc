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
	keys  []string
	args  []any
	lists []string
	count int
	bytes int
}

// sendHost sends to the members whose lists are on a host.
func (g *groupSend) sendHost(ctx context.Context, h *host, byList map[string][]string) error {
	p := &portion{}
	for list, members := range byList {
		capacity := g.layer.capacityOf(list)
		most := min(portionMembers, max(1, capacity/2))
		for len(members) > 0 {
			n := min(len(members), most, max(1, (portionBytes-p.bytes)/(len(g.plain)+1)))
			if p.count+n > portionMembers || p.count > 0 && p.bytes+n*len(g.plain) > portionBytes {
				if err := g.flush(ctx, h, p); err != nil {
					return err
				}
				continue
			}
			if err := g.add(p, list, capacity, members[:n]); err != nil {
				return err
			}
			if members = members[n:]; len(members) > 0 {
				if err := g.flush(ctx, h, p); err != nil {
					return err
				}
			}
		}
	}
	return g.flush(ctx, h, p)
}

// add adds members of one list to a portion.
func (g *groupSend) add(p *portion, list string, capacity int, members []string) error {
	p.keys = append(p.keys, g.layer.opts.Prefix+list)
	p.lists = append(p.lists, list)
	p.args = append(p.args, list, capacity, len(members))
	for _, member := range members {
		last := []byte{}
		if asgi.KindOf(member) == asgi.ProcessSpecific {
			last = tail(member)
			if len(g.layer.seals) > 0 {
				var err error
				if last, err = g.layer.seal(append(g.head[:len(g.head):len(g.head)], last...)); err != nil {
					return err
				}
			}
		}
		p.args = append(p.args, g.layer.bodyKey(member), last)
	}
	p.count += len(members)
	p.bytes += len(members) * len(g.plain)
	return nil
}

// flush sends a portion. If lists have no room, it waits a little for their
// readers, and then skips the members for which there is none.
func (g *groupSend) flush(ctx context.Context, h *host, p *portion) error {
	if p.count == 0 {
		return nil
	}
	head := g.head
	if len(g.layer.seals) > 0 {
		head = nil // the parts are encrypted together
	}
	fixed := []any{seconds(g.layer.opts.Expiry), g.layer.opts.StatsPrefix, "", g.sealed, head}
	keys, lists := p.keys, p.lists
	args := append(fixed, p.args...)
	*p = portion{}
	read := progress{least: math.MaxInt64, at: time.Now()}
	patient := h.patient(lists, read.at)
	for {
		if !patient {
			args[2] = "1" // to skip members
		}
		v, err := h.eval(ctx, "send_group", groupSendScript, keys, args...)
		if err != nil {
			return full(lists[0], err)
		}
		dead, sent := v.([]any)
		if sent {
			if len(dead) > 0 {
				g.dead[h] = append(g.dead[h], texts(dead)...)
			}
			return nil
		}
		now := time.Now()
		if !read.shrinks(number(v), now) {
			patient = false
			h.stick(lists, now)
			continue
		}
		select {
		case <-time.After(roomPause):
		case <-ctx.Done():
			return context.Cause(ctx)
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

// patient reports whether a sender waits for room in lists: they are of
// connections, and none of them was found to be unread.
func (h *host) patient(lists []string, now time.Time) (patient bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, list := range lists {
		if now.Before(h.stuck[list]) {
			return false
		}
		patient = patient || asgi.KindOf(list) == asgi.ProcessSpecific
	}
	return patient
}

// stick notes that lists are not read.
func (h *host) stick(lists []string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stuck == nil || len(h.stuck) >= maxRemembered {
		h.stuck = map[string]time.Time{}
	}
	for _, list := range lists {
		h.stuck[list] = now.Add(stuckFor)
	}
}
