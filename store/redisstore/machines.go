package redisstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strconv"
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
	// maxLeft is the length of the part of a machine's memberships, groups and members
	// in turn, that is read or written at once.
	maxLeft = 2 * portionMembers
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
// one, the memberships that others have taken from it meanwhile, as groups and
// members in turn, and the ids of the machines that have none.
//
//	KEYS: heartbeat, all machines, memberships taken
//	ARGV: content, life in ms, id, bound prefixes, first part of the keys of heartbeats
var beatScript = newScript(`
local gone, had = {}, redis.call('EXISTS', KEYS[1])
local left = redis.call('LPOP', KEYS[3], ` + strconv.Itoa(maxLeft) + `) or {}
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
for _, id in ipairs(redis.call('HKEYS', KEYS[2])) do
  if redis.call('EXISTS', ARGV[5] .. id) == 0 then gone[#gone + 1] = id end
end
return {had, left, gone}
`)

func (l *Layer) beatKey(id string) string { return l.ownKey("node:" + id) }
func (l *Layer) leftKey(id string) string { return l.ownKey("left:" + id) }
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
	v, err := h.eval(l.life, "heartbeat", beatScript, []string{l.beatKey(l.id), l.machinesKey(), l.leftKey(l.id)},
		content, beatLife.Milliseconds(), l.id, strings.Join(prefixes, " "), l.beatKey(""))
	if err != nil {
		return // the calls that fail say so
	}
	reply, _ := v.([]any)
	if len(reply) != 3 {
		return
	}
	left, _ := reply[1].([]any)
	gone, _ := reply[2].([]any)
	l.comeBack(h, texts(left))
	if len(left) == maxLeft {
		l.announce() // there may be more
	}
	if reply[0] == int64(0) {
		watching[h] = time.Now()
	}
	if time.Since(watching[h]) < watchFor {
		return
	}
	for _, id := range texts(gone) {
		l.bury(h, id)
	}
}

// comeBack restores the memberships that others have taken from this machine. A
// connection that has ended leaves at the next send to the group.
func (l *Layer) comeBack(h *host, left []string) {
	if len(left) == 0 {
		return
	}
	l.log.Warn("this machine was cut off from Redis and taken for gone; its connections join their groups again")
	op := &operation{kind: "heartbeat"}
	for ; len(left) >= 2; left = left[2:] {
		op.eval(groupAddScript, []string{l.groupKey(left[0])}, left[1], seconds(l.opts.GroupExpiry))
	}
	err := h.run(l.life, op)
	if err = errors.Join(err, firstError(op.cmds)); err != nil {
		l.log.Error("connections could not join their groups again", logkey.Error, err)
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
	err := errors.Join(l.recoverLease(l.life, h, id), l.removeMembers(l.life, h, id, prefixes))
	if err != nil {
		l.log.Warn("could not clean up after a machine that is gone", "machine", id, logkey.Error, err)
	}
}

// removeMembers removes the channels of prefixes from all groups on a host, and
// the messages for them. It notes them for the machine, in case it is only cut off.
func (l *Layer) removeMembers(ctx context.Context, h *host, id string, prefixes []string) error {
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
			members := slices.DeleteFunc(texts(items), func(member string) bool {
				return !slices.Contains(prefixes, asgi.ProcessPrefix(member))
			})
			for some := range slices.Chunk(members, portionMembers) {
				args, note := []any{"zrem", key}, []any{"rpush", l.leftKey(id)}
				for _, member := range some {
					args = append(args, member)
					note = append(note, strings.TrimPrefix(key, l.groupKey("")), member)
				}
				op := &operation{kind: "heartbeat"}
				op.add(nil, args...)
				op.add(nil, note...)
				op.add(nil, "expire", l.leftKey(id), seconds(leaseLife))
				if err := errors.Join(h.run(ctx, op), firstError(op.cmds)); err != nil {
					return err
				}
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
