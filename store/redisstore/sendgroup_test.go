package redisstore

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// A group send to many more connections of another machine than its list holds
// loses none, because the sender waits for the reader.
func TestGroupSendToManyConnectionsLosesNone(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	here := open(t, s, Options{Capacity: 100})
	there := open(t, s, Options{Capacity: 100, Prefix: here.opts.Prefix, StatsPrefix: here.opts.StatsPrefix})
	local, remote := &collector{}, &collector{}
	const members, rounds = 1000, 3
	for _, m := range []struct {
		layer  *Layer
		prefix string
		box    *collector
	}{{here, "here.response!", local}, {there, "there.response!", remote}} {
		unbind, err := m.layer.Bind(m.prefix, m.box.deliver)
		if err != nil {
			t.Fatal(err)
		}
		defer unbind()
		var adding sync.WaitGroup
		for i := range 10 {
			adding.Go(func() {
				for n := range members / 10 {
					if err := m.layer.GroupAdd(t.Context(), nil, "g", fmt.Sprint(m.prefix, i*members/10+n)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		adding.Wait()
	}
	for n := range rounds {
		if err := here.SendGroup(t.Context(), nil, "g", numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all have arrived", func() bool { return remote.count() >= members*rounds })
	for name, box := range map[string]*collector{"here": local, "there": remote} {
		next := map[string]int64{}
		for _, d := range box.got {
			if n := d.Message.Int("n"); n != next[d.Channel] {
				t.Errorf("%s: message %d came when %d was next", d.Channel, n, next[d.Channel])
			}
			next[d.Channel]++
		}
		if len(box.got) != members*rounds || len(next) != members {
			t.Errorf("%s: %d deliveries to %d connections", name, len(box.got), len(next))
		}
	}
}

// A list without a reader holds up the sender once, not at every send.
func TestGroupSendToUnreadConnectionsSkipsThem(t *testing.T) {
	t.Parallel()
	l := open(t, sharedServer(t), Options{Capacity: 2})
	for n := range 3 {
		if err := l.GroupAdd(t.Context(), nil, "g", fmt.Sprint("gone.response!", n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.GroupAdd(t.Context(), nil, "g", "read"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.SendGroup(t.Context(), nil, "g", numbered(1)); err != nil {
			t.Fatal(err)
		}
	}
	if l.hosts[0].patient("gone.response!", time.Now()) {
		t.Error("the sender would wait for the list again")
	}
	stats, err := l.ChannelStatistics(t.Context(), "gone.response!")
	if err != nil || stats.MessagesCount != 2 || stats.ChannelFullCount != 4 {
		t.Errorf("%+v, %v; want 2 messages and 4 refusals", stats, err)
	}
	if stats, err := l.ChannelStatistics(t.Context(), "read"); err != nil || stats.MessagesPending != 2 {
		t.Errorf("the member that has room: %+v, %v", stats, err)
	}
}

// A list that is not read, or is no list, costs the members with other lists nothing.
func TestGroupSendToADeadProcessReachesTheOthers(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	l := open(t, s, Options{Capacity: 2})
	if err := s.client(t).Set(t.Context(), l.listKey("wrong"), "x", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	other := open(t, s, Options{Capacity: 2, Prefix: l.opts.Prefix, StatsPrefix: l.opts.StatsPrefix})
	box := &collector{}
	unbind, err := other.Bind("live.response!", box.deliver)
	if err != nil {
		t.Fatal(err)
	}
	defer unbind()
	for _, member := range []string{"wrong", "dead.response!1", "dead.response!2", "live.response!1", "live.response!2"} {
		if err := l.GroupAdd(t.Context(), nil, "g", member); err != nil {
			t.Fatal(err)
		}
	}
	const rounds = 20
	for n := range rounds {
		if err := l.SendGroup(t.Context(), nil, "g", numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all have arrived", func() bool { return box.count() == 2*rounds })
	if !l.hosts[0].patient("live.response!", time.Now()) {
		t.Error("the list that is read counts as unread")
	}
}
