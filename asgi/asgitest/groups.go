package asgitest

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"asgibox/asgi"
)

var needGroups = []string{asgi.ExtGroups}

var groups = []promise{
	{name: "asgi.delay joins no group", needs: []string{asgi.ExtGroups, asgi.ExtDelay}, check: func(r *rig) {
		r.fails("group_add", r.groups().GroupAdd(r.ctx, nil, "g", "asgi.delay"), asgi.ErrInvalidName)
	}},
	{name: "a group send sends one copy to each member", needs: needGroups, check: func(r *rig) {
		r.add("g", "a", "b", "body?x", "reply!x", "reply!y")
		r.sendGroup("g", 1)
		r.wants("a", 1)
		r.wants("b", 1)
		r.wants("body?x", 1)
		r.wants("reply!", 1, 1)
		r.none("c")
	}},
	{name: "a group send reaches parked readers", needs: needGroups, check: func(r *rig) {
		r.add("g", "a", "reply!x")
		a, b := r.park("a"), r.park("reply!")
		r.sendGroup("g", 1)
		a.wants(1)
		b.wants(1)
		if b.got.Channel != "reply!x" {
			r.Errorf("received on %q", b.got.Channel)
		}
	}},
	{name: "a group send reaches bound functions", needs: needGroups, check: func(r *rig) {
		m, _ := r.bind("reply!")
		r.add("g", "reply!x", "reply!y")
		r.sendGroup("g", 1)
		r.sendGroup("g", 2)
		r.delivered(m, "reply!x", 1, 2)
		r.delivered(m, "reply!y", 1, 2)
		r.delivered(m, "reply!z")
	}},
	{name: "sends to a group and to its member keep their order", needs: needGroups, check: func(r *rig) {
		r.add("g", "a")
		r.send("a", 1)
		r.sendGroup("g", 2)
		r.send("a", 3)
		r.wants("a", 1, 2, 3)
	}},
	{name: "adding a member twice does not fail and makes one member", needs: needGroups, check: func(r *rig) {
		r.add("g", "a", "a")
		r.members("g", "a")
		r.sendGroup("g", 1)
		r.wants("a", 1)
	}},
	{name: "group_channels returns the current members, each once", needs: needGroups, check: func(r *rig) {
		r.members("g")
		r.add("g", "a", "b", "reply!x")
		r.add("h", "b")
		r.members("g", "a", "b", "reply!x")
		r.members("h", "b")
	}},
	{name: "a discarded channel is no longer a member", needs: needGroups, check: func(r *rig) {
		r.add("g", "a", "b")
		r.must(r.groups().GroupDiscard(r.ctx, nil, "g", "a"))
		r.members("g", "b")
		r.sendGroup("g", 1)
		r.none("a")
		r.wants("b", 1)
	}},
	{name: "discarding a channel that is not a member does not fail", needs: needGroups, check: func(r *rig) {
		r.must(r.groups().GroupDiscard(r.ctx, nil, "never", "a"))
		r.add("g", "a")
		r.must(r.groups().GroupDiscard(r.ctx, nil, "g", "b"))
		r.members("g", "a")
	}},
	{name: "a connection that has ended leaves all its groups at once", needs: needGroups, check: func(r *rig) {
		r.add("g", "reply!x", "a")
		r.add("h", "reply!x")
		r.must(r.groups().GroupLeave(r.ctx, nil, "reply!x"))
		r.must(r.groups().GroupLeave(r.ctx, nil, "reply!never"))
		r.members("g", "a")
		r.members("h")
	}},
	{name: "sending to an empty group does not fail", needs: needGroups, check: func(r *rig) {
		r.sendGroup("never", 1)
		r.add("g", "a")
		r.must(r.groups().GroupDiscard(r.ctx, nil, "g", "a"))
		r.sendGroup("g", 1)
		r.none("a")
	}},
	{name: "a group send skips full members and does not fail", needs: append([]string{OneQueue}, needGroups...), setup: Setup{Capacity: 1}, check: func(r *rig) {
		r.add("g", "full", "room", "reply!x")
		r.send("full", 0)
		r.sendGroup("g", 1)
		r.sendGroup("g", 2)
		r.wants("full", 0)
		r.wants("room", 1)
		r.wants("reply!", 1)
	}},
	{name: "a group send skips a full mailbox", needs: append([]string{Push}, needGroups...), check: func(r *rig) {
		m, _ := r.bind("reply!")
		m.setResult("reply!full", asgi.ErrChannelFull)
		r.add("g", "reply!full", "reply!room")
		r.sendGroup("g", 1)
		r.delivered(m, "reply!full")
		r.delivered(m, "reply!room", 1)
		r.members("g", "reply!full", "reply!room")
	}},
	{name: "a skipped member is counted as channel full", needs: append([]string{OneQueue, asgi.ExtStatistics}, needGroups...), setup: Setup{Capacity: 1}, check: func(r *rig) {
		r.add("g", "full")
		r.send("full", 0)
		r.sendGroup("g", 1)
		if s := r.statistics("full"); s.ChannelFullCount != 1 {
			r.Errorf("channel_full_count is %d, want 1", s.ChannelFullCount)
		}
	}},
	{name: "a group send refuses a message that is too large", needs: needGroups, setup: Setup{MaxMessage: 10_000}, check: func(r *rig) {
		r.add("g", "a")
		m := asgi.MustMessage(asgi.Field{Key: "content", Value: strings.Repeat("x", 10_000+asgi.MessageOverhead)})
		r.fails("send_group", r.groups().SendGroup(r.ctx, nil, "g", m), asgi.ErrMessageTooLarge)
		r.none("a")
	}},
	{name: "members that join and leave during group sends receive each message at most once", needs: append([]string{OneQueue}, needGroups...), setup: Setup{Capacity: 1000}, check: checkGroupChurn},
	{name: "a group send removes a gone member from all its groups", needs: needGroups, check: func(r *rig) {
		m, _ := r.bind("reply!")
		r.add("g", "reply!gone", "reply!here")
		r.add("h", "reply!gone")
		m.setResult("reply!gone", asgi.ErrGone)
		r.sendGroup("g", 1)
		r.delivered(m, "reply!here", 1)
		r.members("g", "reply!here")
		r.members("h")
	}},
	{name: "a connection that has ended joins no group", needs: append([]string{Push}, needGroups...), check: func(r *rig) {
		m, _ := r.bind("reply!")
		m.setResult("reply!gone", asgi.ErrGone)
		m.setResult("reply!full", asgi.ErrChannelFull)
		r.add("g", "reply!gone", "reply!here", "reply!full")
		r.members("g", "reply!here", "reply!full")
	}},
	{name: "a connection that ends while it joins groups is in none", needs: append([]string{Push}, needGroups...), check: func(r *rig) {
		m, _ := r.bind("reply!")
		for i := range 50 {
			channel := fmt.Sprintf("reply!%d", i)
			var wg sync.WaitGroup
			wg.Go(func() { r.add("g", channel) })
			wg.Go(func() {
				m.setResult(channel, asgi.ErrGone)
				r.must(r.groups().GroupLeave(r.ctx, nil, channel))
			})
			wg.Wait()
		}
		r.members("g")
	}},
}

func (r *rig) add(group string, channels ...string) {
	r.Helper()
	for _, channel := range channels {
		r.must(r.groups().GroupAdd(r.ctx, nil, group, channel))
	}
}

func (r *rig) sendGroup(group string, n int) {
	r.Helper()
	r.must(r.groups().SendGroup(r.ctx, nil, group, number(n)))
}

// checkGroupChurn sends to a group while one member stays and others join and
// leave.
func checkGroupChurn(r *rig) {
	r.add("g", "stays")
	var wg sync.WaitGroup
	for i := range 4 {
		channel := fmt.Sprintf("comes.%d", i)
		wg.Go(func() {
			for range 25 {
				if err := errors.Join(
					r.groups().GroupAdd(r.ctx, nil, "g", channel),
					r.groups().GroupDiscard(r.ctx, nil, "g", channel)); err != nil {
					r.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for n := range 100 {
			if err := r.groups().SendGroup(r.ctx, nil, "g", number(n)); err != nil {
				r.Error(err)
			}
		}
	})
	wg.Wait()
	r.wants("stays", upTo(100)...)
	for i := range 4 {
		last := int64(-1)
		for {
			d, ok, err := r.Poll(r.ctx, nil, fmt.Sprintf("comes.%d", i))
			if r.must(err); !ok {
				break
			}
			if n := d.Message.Int("n"); n <= last {
				r.Errorf("message %d came after %d", n, last)
			} else {
				last = n
			}
		}
	}
	r.members("g", "stays")
}
