package redisstore

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

const (
	beatEvery = 5 * time.Second
	beatLife  = 15 * time.Second // after which a machine without a heartbeat is gone
	// watchFor is the time that a machine has beaten without a gap before it
	// believes that others are gone: after Redis was gone, all begin again.
	watchFor = 2 * beatEvery
)

// A Machine is a process of asgibox on the layer.
type Machine struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	PID     int       `json:"pid"`
	Version string    `json:"version"`
	Sockets int       `json:"sockets"`
	Workers int       `json:"workers"`
	Started time.Time `json:"started"`
	Seen    time.Time `json:"seen"` // by its own clock
}

// beatScript renews the heartbeat of a machine. It returns whether the machine had
// one, and the ids of those that have none.
//
//	KEYS: heartbeat, all machines
//	ARGV: content, life in ms, id, bound prefixes, first part of the keys of heartbeats
var beatScript = newScript(`
local gone = {tostring(redis.call('EXISTS', KEYS[1]))}
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
for _, id in ipairs(redis.call('HKEYS', KEYS[2])) do
  if redis.call('EXISTS', ARGV[5] .. id) == 0 then gone[#gone + 1] = id end
end
return gone
`)

func (l *Layer) beatKey(id string) string { return l.ownKey("node:" + id) }
func (l *Layer) machinesKey() string      { return l.ownKey("nodes") }

// heartbeat shows other machines that this one is there, and cleans up after those
// that are gone, until the layer is closed.
func (l *Layer) heartbeat() {
	started := time.Now()
	watching := map[*host]time.Time{} // since when, without a gap
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for {
		for _, h := range l.hosts {
			l.beat(h, started, watching)
		}
		select {
		case <-ticker.C:
		case <-l.announced:
		case <-l.life.Done():
			return
		}
	}
}

// announce renews the heartbeat now, because the bound prefixes have changed.
func (l *Layer) announce() {
	select {
	case l.announced <- struct{}{}:
	default:
	}
}

func (l *Layer) beat(h *host, started time.Time, watching map[*host]time.Time) {
	l.mu.Lock()
	counts := l.counts
	var prefixes []string
	for prefix := range l.bindings {
		prefixes = append(prefixes, prefix)
	}
	l.mu.Unlock()
	m := Machine{ID: l.id, Name: l.opts.Name, PID: os.Getpid(), Version: l.opts.Version, Started: started, Seen: time.Now()}
	if counts != nil {
		m.Sockets, m.Workers = counts()
	}
	content, err := json.Marshal(m)
	if err != nil {
		return // it has no value that cannot be encoded
	}
	v, err := h.eval(l.life, "heartbeat", beatScript, []string{l.beatKey(l.id), l.machinesKey()},
		content, beatLife.Milliseconds(), l.id, strings.Join(prefixes, " "), l.beatKey(""))
	if err != nil {
		return // the calls that fail say so
	}
	reply, _ := v.([]any)
	gone := texts(reply)
	if len(gone) == 0 || gone[0] == "0" {
		watching[h] = time.Now()
	}
	if time.Since(watching[h]) < watchFor {
		return
	}
	for _, id := range gone[1:] {
		l.bury(h, id)
	}
}

// bury cleans up after a machine that is gone, unless another machine does.
func (l *Layer) bury(h *host, id string) {
	op := &operation{kind: "heartbeat"}
	op.add(nil, "hget", l.machinesKey(), id)
	op.add(nil, "hdel", l.machinesKey(), id)
	if err := h.run(l.life, op); err != nil || firstError(op.cmds) != nil || op.cmds[1].Val() != int64(1) {
		return
	}
	text, _ := op.cmds[0].Val().(string)
	prefixes := strings.Fields(text)
	if len(prefixes) > 0 {
		l.log.Warn("a machine is gone; its connections leave their groups", "machine", id)
	}
	err := l.recoverLease(l.life, h, id)
	if err == nil {
		err = l.removeMembers(l.life, h, prefixes)
	}
	if err != nil {
		l.log.Warn("could not clean up after a machine that is gone", "machine", id, logkey.Error, err)
	}
}

// removeMembers removes the channels of prefixes from all groups on a host, and
// the messages for them.
func (l *Layer) removeMembers(ctx context.Context, h *host, prefixes []string) error {
	for _, prefix := range prefixes {
		if _, err := h.do(ctx, "heartbeat", "unlink", l.listKey(prefix)); err != nil {
			return err
		}
	}
	if len(prefixes) == 0 {
		return nil
	}
	return h.scan(ctx, l.groupKey(""), "zset", func(keys []string) error {
		for _, key := range keys {
			v, err := h.do(ctx, "heartbeat", "zrange", key, 0, -1)
			if err != nil {
				return err
			}
			items, _ := v.([]any)
			args := []any{"zrem", key}
			for _, member := range texts(items) {
				if slices.Contains(prefixes, asgi.ProcessPrefix(member)) {
					args = append(args, member)
				}
			}
			if len(args) == 2 {
				continue
			}
			if _, err := h.do(ctx, "heartbeat", args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// sayGoodbye removes the machine from the list when the layer is closed.
func (l *Layer) sayGoodbye() {
	for _, h := range l.hosts {
		if h.gone() != nil {
			continue
		}
		op := &operation{kind: kindPutBack}
		op.add(nil, "del", l.beatKey(l.id))
		op.add(nil, "hdel", l.machinesKey(), l.id)
		_ = h.run(context.Background(), op) // the heartbeat ends anyway
	}
}

// Machines returns the processes of asgibox on the layer, by name.
func (l *Layer) Machines(ctx context.Context) ([]Machine, error) {
	h := l.hosts[0]
	var all []Machine
	v, err := h.do(ctx, "machines", "hkeys", l.machinesKey())
	if err != nil {
		return nil, err
	}
	ids, _ := v.([]any)
	if len(ids) == 0 {
		return nil, nil
	}
	args := []any{"mget"}
	for _, id := range texts(ids) {
		args = append(args, l.beatKey(id))
	}
	if v, err = h.do(ctx, "machines", args...); err != nil {
		return nil, err
	}
	contents, _ := v.([]any)
	for _, content := range texts(contents) {
		var m Machine
		if json.Unmarshal([]byte(content), &m) == nil && m.ID != "" {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b Machine) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}
