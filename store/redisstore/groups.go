package redisstore

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// GroupAdd makes a channel a member. See [asgi.Groups].
func (l *Layer) GroupAdd(ctx context.Context, c *asgi.Cause, group, channel string) (err error) {
	if err := cmp.Or(asgi.CheckGroup(group), asgi.CheckTarget(channel)); err != nil {
		return err
	}
	expiry := seconds(l.opts.GroupExpiry)
	defer func() {
		// A connection that ends after the question leaves its groups itself.
		if l.gone(channel) {
			l.leave(ctx, []string{channel})
		}
	}()
	at := l.hostOf(group)
	op := &operation{kind: "group_add"}
	if asgi.KindOf(channel) == asgi.ProcessSpecific {
		index := op
		if on := l.channelHost(channel); on != at {
			index = &operation{kind: op.kind}
			defer func() { err = errors.Join(err, stateFull(on.runAll(ctx, index))) }()
		}
		index.eval(indexScript, []string{l.indexKey(hashOf(channel))}, channel+" "+group, expiry)
	}
	op.eval(groupAddScript, []string{l.groupKey(group)}, channel, expiry)
	return stateFull(at.runAll(ctx, op))
}

// runAll runs an operation and returns the first error of its commands.
func (h *host) runAll(ctx context.Context, op *operation) error {
	if err := h.run(ctx, op); err != nil {
		return err
	}
	return h.failed(firstError(op.cmds))
}

// channelHost returns the host of a channel that is not normal.
func (l *Layer) channelHost(channel string) *host { return l.hostOf(asgi.ProcessPrefix(channel)) }

// GroupDiscard ends a membership. See [asgi.Groups].
func (l *Layer) GroupDiscard(ctx context.Context, c *asgi.Cause, group, channel string) error {
	if err := asgi.CheckGroup(group); err != nil {
		return err
	}
	if err := asgi.CheckSend(channel); err != nil {
		return err
	}
	_, err := l.hostOf(group).do(ctx, "group_discard", "zrem", l.groupKey(group), channel)
	if err == nil && asgi.KindOf(channel) == asgi.ProcessSpecific {
		_, err = l.channelHost(channel).do(ctx, "group_discard", "srem", l.indexKey(hashOf(channel)), channel+" "+group)
	}
	return err
}

// GroupLeave ends all memberships of a connection that has ended. See
// [asgi.Groups]. While Redis is gone, they end when it is back.
func (l *Layer) GroupLeave(ctx context.Context, c *asgi.Cause, channel string) error {
	if err := asgi.CheckSend(channel); err != nil {
		return err
	}
	l.leave(ctx, []string{channel})
	return l.closing()
}

// GroupChannels returns the members. See [asgi.Groups].
func (l *Layer) GroupChannels(ctx context.Context, c *asgi.Cause, group string) ([]string, error) {
	if err := asgi.CheckGroup(group); err != nil {
		return nil, err
	}
	members, err := l.members(ctx, group)
	if err != nil {
		return nil, err
	}
	if gone := l.pruneMembers(ctx, members); len(gone) > 0 {
		l.leaveHashes(ctx, gone)
		return l.members(ctx, group)
	}
	return members, nil
}

func (l *Layer) members(ctx context.Context, group string) ([]string, error) {
	v, err := l.hostOf(group).eval(ctx, "group_channels", membersScript, []string{l.groupKey(group)}, seconds(l.opts.GroupExpiry))
	items, _ := v.([]any)
	return texts(items), err
}

// pruneMembers removes expired messages from the lists of process-specific
// members, and returns the keys of their bodies.
func (l *Layer) pruneMembers(ctx context.Context, members []string) map[*host][]string {
	gone := map[*host][]string{}
	seen := map[string]bool{}
	for _, member := range members {
		prefix := asgi.ProcessPrefix(member)
		if asgi.KindOf(member) != asgi.ProcessSpecific || seen[prefix] {
			continue
		}
		seen[prefix] = true
		h := l.hostOf(prefix)
		v, err := h.eval(ctx, "group_channels", pruneScript, []string{l.listKey(prefix)})
		if dead, _ := v.([]any); err == nil && len(dead) > 0 {
			gone[h] = append(gone[h], texts(dead)...)
		}
	}
	return gone
}

// leaveHashes ends the memberships of channels for which the keys of expired
// bodies were found on a host.
func (l *Layer) leaveHashes(ctx context.Context, dead map[*host][]string) {
	for h, keys := range dead {
		var indexes []string
		for _, key := range keys {
			indexes = append(indexes, l.indexKey(hashIn(key)))
		}
		if err := l.leaveIndexes(ctx, h, indexes); err != nil {
			l.log.Warn("could not end the memberships of channels that are not read", keyHost, h.name, logkey.Error, err)
		}
	}
}

// leave ends the memberships of channels, later if Redis is gone.
func (l *Layer) leave(ctx context.Context, channels []string) {
	byHost := map[*host][]string{}
	for _, channel := range channels {
		if asgi.KindOf(channel) == asgi.ProcessSpecific {
			h := l.channelHost(channel)
			byHost[h] = append(byHost[h], channel)
		}
	}
	for h, channels := range byHost {
		var indexes []string
		for _, channel := range channels {
			indexes = append(indexes, l.indexKey(hashOf(channel)))
		}
		if err := l.leaveIndexes(ctx, h, indexes); err != nil {
			for _, channel := range channels {
				l.leaveLater(channel)
			}
		}
	}
}

// leaveIndexes ends the memberships that are noted in indexes on a host.
func (l *Layer) leaveIndexes(ctx context.Context, h *host, indexes []string) error {
	for some := range slices.Chunk(indexes, portionMembers) {
		if err := l.leaveSome(ctx, h, some); err != nil {
			return err
		}
	}
	return nil
}

func (l *Layer) leaveSome(ctx context.Context, h *host, indexes []string) error {
	v, err := h.eval(ctx, "group_leave", leaveScript, indexes)
	if err != nil {
		return err
	}
	ops := map[*host]*operation{}
	entries, _ := v.([]any)
	for _, entry := range texts(entries) {
		channel, group, _ := strings.Cut(entry, " ")
		on := l.hostOf(group)
		if ops[on] == nil {
			ops[on] = &operation{kind: "group_leave"}
		}
		ops[on].add(nil, "zrem", l.groupKey(group), channel)
	}
	for on, op := range ops {
		err = errors.Join(err, on.runAll(ctx, op))
	}
	return err
}

// expired notes that messages to a channel's list were not read in time: if it is
// that of a process, the channels leave their groups.
func (l *Layer) expired(channel string, bodyKeys []string) {
	if asgi.KindOf(channel) == asgi.ProcessSpecific {
		h := l.channelHost(channel)
		l.leaving.add(func(pending *pendingLeaves) {
			keys := append(pending.keys[h], bodyKeys...)
			pending.keys[h] = keys[max(0, len(keys)-maxLeaving):]
		})
	}
}

// leaveLater ends the memberships of a channel soon, or when Redis is back.
func (l *Layer) leaveLater(channel string) {
	l.leaving.add(func(pending *pendingLeaves) { pending.channels = append(pending.channels, channel) })
}

// A leaver ends memberships in the background.
type leaver struct {
	wake chan struct{} // has room for one

	mu      sync.Mutex // guards pending
	pending pendingLeaves
}

// pendingLeaves are the memberships to end: of channels, and of those for which
// the keys of expired bodies were found.
type pendingLeaves struct {
	channels []string
	keys     map[*host][]string
}

// maxLeaving is the number of channels that may wait to leave their groups.
const maxLeaving = 100_000

func (v *leaver) add(note func(*pendingLeaves)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.pending.keys == nil {
		v.pending.keys = map[*host][]string{}
	}
	if len(v.pending.channels) >= maxLeaving {
		v.pending.channels = v.pending.channels[1:]
	}
	note(&v.pending)
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// leaveGone ends memberships until the layer is closed.
func (l *Layer) leaveGone() {
	v := &l.leaving
	for {
		select {
		case <-v.wake:
		case <-l.life.Done():
			return
		}
		for _, h := range l.hosts {
			if !h.wait(l.life, 0) {
				return
			}
		}
		v.mu.Lock()
		pending := v.pending
		v.pending = pendingLeaves{}
		v.mu.Unlock()
		l.leaveHashes(l.life, pending.keys)
		l.leave(l.life, pending.channels)
	}
}
