package redisstore

import (
	"fmt"
	"testing"
	"time"
)

func TestMachinesAreListed(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	a := open(t, s, Options{Name: "a", Version: "1"})
	a.SetCounts(func() (int, int) { return 3, 16 })
	a.announce()
	b := open(t, s, Options{Name: "b", Prefix: a.opts.Prefix, StatsPrefix: a.opts.StatsPrefix})
	eventually(t, "both machines see each other", func() bool {
		all, err := b.Machines(t.Context())
		return err == nil && len(all) == 2 && all[0].Name == "a" && all[0].Sockets == 3 && all[0].Workers == 16 && all[0].Version == "1" && all[1].Name == "b"
	})
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if all, err := b.Machines(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("after one was closed: %+v, %v", all, err)
	}
}

func TestMembersOfAMachineThatIsGoneLeaveTheirGroups(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	l := open(t, s, Options{})
	p, ctx := newPeer(t, s, l), t.Context()
	// What a machine that was killed leaves behind.
	p.HSet(ctx, "box:"+p.prefix+"nodes", "dead", "dead.response.AAAAAAAAAA!")
	p.groupAdd(ctx, "room", "dead.response.AAAAAAAAAA!x")
	p.groupAdd(ctx, "room", "alive.response.AAAAAAAAAA!x")
	if err := p.send(ctx, "dead.response.AAAAAAAAAA!x", map[string]any{}); err != nil {
		t.Fatal(err)
	}
	m := map[string]any{"channel": "c", "delay": int64(1), "content": map[string]any{"n": int64(5)}}
	if err := p.send(ctx, "other", m); err != nil {
		t.Fatal(err)
	}
	p.Rename(ctx, p.prefix+"other", p.prefix+":lease:dead")
	eventually(t, "the member has left", func() bool {
		return fmt.Sprint(p.groupChannels(ctx, "room")) == "[alive.response.AAAAAAAAAA!x]"
	})
	if d, err := l.Receive(ctx, nil, "c"); err != nil || d.Message.Int("n") != 5 {
		t.Errorf("the message in the lease: %v, %v", d.Message, err)
	}
	eventually(t, "its queue and its entry are gone", func() bool {
		return p.Exists(ctx, p.prefix+"dead.response.AAAAAAAAAA!", p.prefix+":lease:dead").Val() == 0 && !p.HExists(ctx, "box:"+p.prefix+"nodes", "dead").Val()
	})
}

// After Redis was gone for long, no machine has a heartbeat. The first one that is
// back must not take the others for gone.
func TestMachinesOutliveALongOutage(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	a := open(t, s, Options{})
	p, ctx := newPeer(t, s, a), t.Context()
	beats := "box:" + p.prefix + "node:"
	eventually(t, "a has a heartbeat", func() bool { return p.Exists(ctx, beats+a.id).Val() == 1 })
	p.HSet(ctx, "box:"+p.prefix+"nodes", "b", "b.response.AAAAAAAAAA!") // b has not come back yet
	p.groupAdd(ctx, "room", "b.response.AAAAAAAAAA!x")
	watching := map[*host]time.Time{a.hosts[0]: time.Now().Add(-time.Hour)}
	p.Del(ctx, beats+a.id) // it has expired
	a.beat(a.hosts[0], time.Now(), watching)
	if got := p.groupChannels(ctx, "room"); len(got) != 1 {
		t.Fatal("a machine that is not back yet has lost its members")
	}
	watching[a.hosts[0]] = time.Now().Add(-watchFor)
	a.beat(a.hosts[0], time.Now(), watching)
	if got := p.groupChannels(ctx, "room"); len(got) != 0 {
		t.Errorf("the machine did not come back, but its members are %q", got)
	}
}

// A machine that was cut off, and not killed, gets its memberships back.
func TestMachineThatWasCutOffJoinsItsGroupsAgain(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	a := open(t, s, Options{})
	b := open(t, s, Options{Prefix: a.opts.Prefix, StatsPrefix: a.opts.StatsPrefix})
	p, ctx := newPeer(t, s, a), t.Context()
	p.groupAdd(ctx, "room", "b.response.AAAAAAAAAA!x")
	p.groupAdd(ctx, "room", "c.response.AAAAAAAAAA!x")
	if err := a.removeMembers(ctx, a.hosts[0], b.id, []string{"b.response.AAAAAAAAAA!"}); err != nil {
		t.Fatal(err)
	}
	if got := p.groupChannels(ctx, "room"); len(got) != 1 {
		t.Fatalf("the members are %q", got)
	}
	b.announce()
	eventually(t, "the member is back", func() bool { return len(p.groupChannels(ctx, "room")) == 2 })
}

func TestMembersOfThePeerThatDoNotReadLeave(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	l := open(t, s, Options{Expiry: time.Second})
	p, ctx := newPeer(t, s, l), t.Context()
	p.groupAdd(ctx, "room", "daphne.response.AAAAAAAAAA!x")
	if err := l.SendGroup(ctx, nil, "room", numbered(1)); err != nil {
		t.Fatal(err)
	}
	id := p.LIndex(ctx, p.prefix+"daphne.response.AAAAAAAAAA!", 0).Val()
	p.Del(ctx, id) // as if the message had expired
	if err := l.SendGroup(ctx, nil, "room", numbered(2)); err != nil {
		t.Fatal(err)
	}
	if got := p.groupChannels(ctx, "room"); len(got) != 0 {
		t.Errorf("the members are %q", got)
	}
}
