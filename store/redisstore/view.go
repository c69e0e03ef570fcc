package redisstore

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/store"
)

// Limits of a view.
const (
	viewTimeout  = 2 * time.Second // of a call
	viewEvery    = time.Second     // shortest age of what is read again
	viewShare    = 10              // reading takes at most this part of the time
	viewNames    = 20_000          // channels, and groups, that are listed
	viewFigures  = 200             // channels whose figures are read
	viewMessages = 1000            // that are searched for those of one connection
)

// A View shows what a layer contains, like [store.Debugger]. It reads Redis when it
// is asked, and remembers the result for a second or longer, so that pages can ask
// often. If Redis cannot be reached, it shows what it has read last.
type View struct {
	layer *Layer

	mu       sync.Mutex // held while Redis is read; guards the rest
	opened   time.Time
	read     time.Time     // when reading last ended
	took     time.Duration // to read
	totals   asgi.Stats
	delayed  int
	channels []store.ChannelView
	groups   []store.GroupView
}

// View returns a view of the layer.
func (l *Layer) View() *View { return &View{layer: l, opened: time.Now()} }

// Totals returns the totals of the layer. The counters are those that Redis holds,
// so they count what all processes have sent. The memory is not known.
func (v *View) Totals() store.Totals {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.refreshLocked()
	return store.Totals{
		Stats: v.totals, Opened: v.opened, Channels: len(v.channels), Groups: len(v.groups), Delayed: v.delayed,
	}
}

// Channels returns up to limit of the channels that match, and the number of all
// that match: those with messages first, then the busiest.
func (v *View) Channels(limit int, matches func(name string) bool) (views []store.ChannelView, all int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.refreshLocked()
	return matching(v.channels, limit, func(c store.ChannelView) bool { return matches == nil || matches(c.Name) })
}

// Groups returns up to limit of the groups that match, the largest first, and the
// number of all that match.
func (v *View) Groups(limit int, matches func(name string) bool) (views []store.GroupView, all int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.refreshLocked()
	return matching(v.groups, limit, func(g store.GroupView) bool { return matches == nil || matches(g.Name) })
}

func matching[T any](list []T, limit int, matches func(T) bool) (found []T, all int) {
	for _, item := range list {
		if !matches(item) {
			continue
		}
		if all++; all <= limit {
			found = append(found, item)
		}
	}
	return found, all
}

// Members returns up to limit members of a group, in the order of their last add, and
// the number of all members.
func (v *View) Members(group string, limit int) (views []store.MemberView, all int) {
	if asgi.CheckGroup(group) != nil {
		return nil, 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), viewTimeout)
	defer cancel()
	l := v.layer
	oldest := "(" + strconv.FormatInt(time.Now().Add(-l.opts.GroupExpiry).Unix(), 10)
	op := &operation{kind: "inspect"}
	op.add(nil, "zrangebyscore", l.groupKey(group), oldest, "+inf", "withscores", "limit", 0, limit)
	op.add(nil, "zcount", l.groupKey(group), oldest, "+inf")
	if err := l.hostOf(group).runAll(ctx, op); err != nil {
		return nil, 0
	}
	items, _ := op.cmds[0].Val().([]any)
	list := texts(items)
	for i := 0; i+1 < len(list); i += 2 {
		views = append(views, store.MemberView{Channel: list[i], Expires: scoreTime(list[i+1]).Add(l.opts.GroupExpiry)})
	}
	return views, int(number(op.cmds[1].Val()))
}

// GroupsOf returns nil: Redis has no list of a channel's groups.
func (v *View) GroupsOf(string) []string { return nil }

// Peek returns up to limit messages that wait on a channel, the next one first, and
// takes none. Given a connection's full name, it returns only messages to it. It looks
// at the first 4 MiB.
func (v *View) Peek(channel string, limit int) ([]store.MessageView, error) {
	if asgi.CheckPrefix(channel) != nil {
		if err := asgi.CheckSend(channel); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), viewTimeout)
	defer cancel()
	queue, search := asgi.ProcessPrefix(channel), limit
	if queue != channel {
		search = viewMessages
	}
	found, err := v.layer.Peek(ctx, queue, 0, search)
	if err != nil {
		return nil, err
	}
	var views []store.MessageView
	for i, d := range found {
		if len(views) < limit && (queue == channel || d.Channel == channel) {
			views = append(views, store.MessageView{
				ID: uint64(i + 1), Channel: d.Channel, Message: d.Message, Trace: d.Trace,
				Sent: d.Deadline.Add(-v.layer.opts.Expiry), Deadline: d.Deadline, Durable: !d.Volatile,
			})
		}
	}
	return views, nil
}

// refreshLocked reads Redis if what was read last is old.
func (v *View) refreshLocked() {
	if time.Since(v.read) < max(viewEvery, viewShare*v.took) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), viewTimeout)
	defer cancel()
	began := time.Now()
	v.readLocked(ctx)
	v.read, v.took = time.Now(), time.Since(began)
}

func (v *View) readLocked(ctx context.Context) {
	l := v.layer
	waiting := map[string]int{}
	if !everyPage(ctx, l.Channels, func(c ChannelInfo) bool {
		waiting[c.Name] += c.Pending
		return len(waiting) < viewNames
	}) {
		return
	}
	l.countedNames(ctx, func(name string) bool {
		waiting[name] += 0
		return len(waiting) < viewNames
	})
	channels := make([]store.ChannelView, 0, len(waiting))
	for name, depth := range waiting {
		channels = append(channels, store.ChannelView{Name: name, Kind: asgi.KindOf(name), Depth: depth, Capacity: l.capacityOf(name), Readers: -1})
	}
	byDepth := func(a, b store.ChannelView) int {
		return cmp.Or(cmp.Compare(b.Depth, a.Depth), cmp.Compare(b.SentPerSecond, a.SentPerSecond), cmp.Compare(a.Name, b.Name))
	}
	slices.SortFunc(channels, byDepth)
	pending := 0
	for i := range channels {
		c := &channels[i]
		pending += c.Depth
		if i >= viewFigures {
			continue
		}
		if s, err := l.ChannelStatistics(ctx, c.Name); err == nil {
			c.OldestAge, c.Sent, c.Refused = s.MessagesMaxAge, s.MessagesCount, s.ChannelFullCount
			c.SentPerSecond, c.RefusedPerSecond = s.MessagesCountPerSecond, s.ChannelFullCountPerSecond
		}
	}
	slices.SortFunc(channels, byDepth)
	v.channels = channels

	var groups []store.GroupView
	if everyPage(ctx, l.GroupNames, func(g GroupInfo) bool {
		groups = append(groups, store.GroupView(g))
		return len(groups) < viewNames
	}) {
		slices.SortFunc(groups, func(a, b store.GroupView) int {
			return cmp.Or(cmp.Compare(b.Members, a.Members), cmp.Compare(a.Name, b.Name))
		})
		v.groups = slices.CompactFunc(groups, func(a, b store.GroupView) bool { return a.Name == b.Name })
	}
	v.totals, v.delayed = l.counters(ctx)
	v.totals.MessagesPending = pending
}

// everyPage calls each for the items of all pages until it returns false. It reports
// whether no call of Redis failed.
func everyPage[T any](ctx context.Context, pages func(context.Context, string) (Page[T], error), each func(T) bool) bool {
	for cursor := ""; ; {
		p, err := pages(ctx, cursor)
		if err != nil {
			return false
		}
		for _, item := range p.Items {
			if !each(item) {
				return true
			}
		}
		if cursor = p.Next; cursor == "" {
			return true
		}
	}
}

// countedNames calls each, until it returns false, for the channels with a counter
// of messages. They are those that were used in the last hour.
func (l *Layer) countedNames(ctx context.Context, each func(name string) bool) {
	everyPage(ctx, func(ctx context.Context, cursor string) (Page[string], error) {
		return page(ctx, l, cursor, l.opts.StatsPrefix, "string", "exists", func(name string, n int) (string, bool) {
			name, counted := strings.CutSuffix(name, countSuffix)
			return name, counted && n > 0 && name != globalName
		})
	}, each)
}

// counters returns the counters of all channels with their rates, and the number of
// delayed messages.
func (l *Layer) counters(ctx context.Context) (s asgi.Stats, delayed int) {
	for _, h := range l.hosts {
		v, err := h.do(ctx, "inspect", "mget", l.opts.StatsPrefix+globalName+countSuffix, l.opts.StatsPrefix+globalName+fullSuffix)
		if counts, _ := v.([]any); err == nil && len(counts) == 2 {
			s.MessagesCount += uint64(number(counts[0]))
			s.ChannelFullCount += uint64(number(counts[1]))
		}
		if v, err = h.do(ctx, "inspect", "zcard", l.delayKey()); err == nil {
			delayed += int(number(v))
		}
	}
	l.rates.fill("", &s)
	return s, delayed
}

// scoreTime returns the time that the score of a member says.
func scoreTime(score string) time.Time {
	seconds, _ := strconv.ParseFloat(score, 64)
	whole, rest := math.Modf(seconds)
	return time.Unix(int64(whole), int64(rest*float64(time.Second)))
}
