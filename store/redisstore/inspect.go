package redisstore

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"asgibox/asgi"
)

// A Page is a part of a list. The next part is found with the cursor Next, which
// is "" after the last one. A page may be empty though it is not the last one.
type Page[T any] struct {
	Items []T
	Next  string
}

// A ChannelInfo is a channel with messages. Process-specific channels are one, up to
// and including "!".
type ChannelInfo struct {
	Name    string
	Pending int // messages, also those that have expired and were not noticed yet
}

// A GroupInfo is a group with members.
type GroupInfo struct {
	Name    string
	Members int
}

// Channels returns a page of the channels with messages. The cursor is "" at first.
// A channel may be on several pages if there are several hosts.
func (l *Layer) Channels(ctx context.Context, cursor string) (Page[ChannelInfo], error) {
	return page(ctx, l, cursor, l.opts.Prefix, "list", "llen", func(name string, n int) (ChannelInfo, bool) {
		return ChannelInfo{name, n}, !strings.HasPrefix(name, ":")
	})
}

// GroupNames returns a page of the groups.
func (l *Layer) GroupNames(ctx context.Context, cursor string) (Page[GroupInfo], error) {
	return page(ctx, l, cursor, l.groupKey(""), "zset", "zcard", func(name string, n int) (GroupInfo, bool) {
		return GroupInfo{name, n}, true
	})
}

// StateKeys returns a page of the keys of values that begin with a prefix.
func (l *Layer) StateKeys(ctx context.Context, prefix, cursor string) (Page[string], error) {
	return page(ctx, l, cursor, l.valueKey(prefix), "string", "exists", func(name string, n int) (string, bool) {
		return prefix + name, n > 0
	})
}

// page returns what item makes of the keys in one step of a scan, with the reply to
// a command for each key.
func page[T any](ctx context.Context, l *Layer, cursor, prefix, kind, command string, item func(name string, n int) (T, bool)) (p Page[T], err error) {
	index, at, _ := strings.Cut(cursor, " ")
	i, _ := strconv.Atoi(index)
	if cursor == "" || i < 0 || i >= len(l.hosts) {
		i, at = 0, "0"
	}
	h := l.hosts[i]
	keys, next, err := h.scanStep(ctx, at, prefix, kind)
	if err != nil {
		return p, err
	}
	if len(keys) > 0 {
		op := &operation{kind: "inspect"}
		for _, key := range keys {
			op.add(nil, command, key)
		}
		if err := h.run(ctx, op); err != nil {
			return p, err
		}
		for j, cmd := range op.cmds {
			if n, ok := cmd.Val().(int64); ok {
				if it, ok := item(keys[j][len(prefix):], int(n)); ok {
					p.Items = append(p.Items, it)
				}
			}
		}
	}
	switch {
	case next != "0":
		p.Next = strconv.Itoa(i) + " " + next
	case i+1 < len(l.hosts):
		p.Next = strconv.Itoa(i+1) + " 0"
	}
	return p, nil
}

// Peek returns messages that wait in a channel, the next one first, and changes
// nothing. From is the number of messages to skip. With several hosts, those of a
// normal channel on one host come before those on the next one. It returns fewer
// messages than limit if those of one host have more than 4 MiB.
func (l *Layer) Peek(ctx context.Context, channel string, from, limit int) ([]asgi.Delivery, error) {
	if err := asgi.CheckReceive(channel); err != nil {
		return nil, err
	}
	hosts := l.hosts
	if asgi.KindOf(channel) != asgi.Normal {
		hosts = []*host{l.hostOf(channel)}
	}
	var all []asgi.Delivery
	for _, h := range hosts {
		v, err := h.eval(ctx, "inspect", peekScript, []string{l.listKey(channel)}, from, from+limit-1)
		if err != nil {
			return nil, err
		}
		reply, _ := v.([]any)
		if len(reply) == 0 {
			continue
		}
		from = max(0, from-int(number(reply[0])))
		batch := l.took(h, []string{channel}, reply[1:])
		for _, t := range batch[:min(len(batch), limit-len(all))] {
			if d, ok := l.delivery(t); ok {
				all = append(all, d)
			}
		}
		if len(all) >= limit {
			break
		}
	}
	return slices.Clip(all), nil
}

// peekScript returns messages of a list without taking them.
//
//	KEYS: list
//	ARGV: first and last index
//
// It returns the length of the list, and then what takeScript returns.
var peekScript = newScript(`
local out, room = {redis.call('LLEN', KEYS[1])}, ` + strconv.Itoa(replyBytes) + `
for _, id in ipairs(redis.call('LRANGE', KEYS[1], ARGV[1], ARGV[2])) do
  if room <= 0 then break end
  local body = redis.call('MGET', id)[1]
  if body then
    out[#out + 1], out[#out + 2], out[#out + 3], out[#out + 4] = 1, id, body, redis.call('PTTL', id)
    room = room - #body
  end
end
return out
`)
