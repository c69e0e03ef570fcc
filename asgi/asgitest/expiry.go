package asgitest

import (
	"slices"
	"time"

	"asgibox/asgi"
)

var tenSeconds = Setup{Expiry: 10 * time.Second}

var expiry = []promise{
	{name: "an unread message is never delivered after its expiry", setup: tenSeconds, check: func(r *rig) {
		r.send("c", 1)
		r.send("body?x", 1)
		r.send("reply!x", 1)
		r.sleep(11 * time.Second)
		r.none("c", "body?x", "reply!")
	}},
	{name: "a message is delivered until its expiry", setup: tenSeconds, check: func(r *rig) {
		r.send("c", 1)
		r.sleep(8 * time.Second)
		r.wants("c", 1)
	}},
	{name: "by default a message expires after 60 seconds", check: func(r *rig) {
		if !r.suite.bubble {
			return // a minute of real time is too long; the setting is checked elsewhere
		}
		r.send("c", 1)
		r.sleep(59 * time.Second)
		r.wants("c", 1)
		r.send("c", 2)
		r.sleep(61 * time.Second)
		r.none("c")
	}},
	{name: "a lasting message expires after a day, and a message ahead of or behind it when it is due", needs: []string{Lasting}, setup: tenSeconds, check: func(r *rig) {
		if !r.suite.bubble {
			return // a day of real time is too long
		}
		r.send("body?x", 1)
		r.must(r.Send(r.ctx, nil, "body?x", number(2), asgi.Volatile, asgi.Lasting))
		r.send("body?x", 3)
		r.sleep(11 * time.Second)
		r.must(r.Send(r.ctx, nil, "body?x", number(4), asgi.Volatile, asgi.Lasting))
		r.sleep(asgi.LastingExpiry - 12*time.Second)
		r.wants("body?x", 2, 4)
		r.must(r.Send(r.ctx, nil, "body?x", number(5), asgi.Lasting))
		r.sleep(asgi.LastingExpiry + time.Second)
		r.none("body?x")
	}},
	{name: "each message's expiry starts when it is sent", setup: tenSeconds, check: func(r *rig) {
		r.send("c", 1)
		r.sleep(6 * time.Second)
		r.send("c", 2)
		r.sleep(6 * time.Second)
		r.wants("c", 2)
	}},
	{name: "a later reader does not receive an expired message", setup: tenSeconds, check: func(r *rig) {
		r.send("c", 1)
		r.sleep(11 * time.Second)
		p := r.park("c")
		p.waits()
		r.send("c", 2)
		p.wants(2)
	}},
	{name: "an expired message does not count against capacity", needs: []string{OneQueue}, setup: Setup{Expiry: 10 * time.Second, Capacity: 3}, check: func(r *rig) {
		r.send("c", 1, 2, 3)
		r.fails("send", r.trySend("c", 4), asgi.ErrChannelFull)
		r.sleep(11 * time.Second)
		r.send("c", 5, 6, 7)
		r.fails("send", r.trySend("c", 8), asgi.ErrChannelFull)
		r.wants("c", 5, 6, 7)
	}},
	{name: "a process-specific channel on which a message expires leaves all its groups", needs: []string{asgi.ExtGroups}, setup: tenSeconds, check: func(r *rig) {
		r.add("g", "reply!dead", "reply!alive", "normal", "body?x")
		r.add("h", "reply!dead", "reply!alive", "normal", "body?x")
		r.send("reply!dead", 1)
		r.send("normal", 1)
		r.sleep(11 * time.Second)
		r.members("g", "body?x", "normal", "reply!alive")
		r.members("h", "body?x", "normal", "reply!alive")
	}},
	{name: "a channel that lost its groups may join again", needs: []string{asgi.ExtGroups}, setup: tenSeconds, check: func(r *rig) {
		r.add("g", "reply!x")
		r.send("reply!x", 1)
		r.sleep(11 * time.Second)
		r.members("g")
		r.add("g", "reply!x")
		r.send("reply!x", 2)
		r.wants("reply!", 2)
		r.sleep(11 * time.Second)
		r.members("g", "reply!x")
	}},
	{name: "a message that a mailbox accepted counts as delivered", needs: []string{asgi.ExtGroups}, setup: tenSeconds, check: func(r *rig) {
		m, _ := r.bind("reply!")
		r.add("g", "reply!x")
		r.send("reply!x", 1)
		r.sleep(11 * time.Second)
		r.delivered(m, "reply!x", 1)
		r.members("g", "reply!x")
	}},
	{name: "a membership ends group-expiry after the last group_add", needs: []string{asgi.ExtGroups}, setup: Setup{GroupExpiry: 100 * time.Second}, check: func(r *rig) {
		r.add("g", "old", "renewed")
		r.sleep(60 * time.Second)
		r.members("g", "old", "renewed")
		r.add("g", "renewed")
		r.sleep(60 * time.Second)
		r.members("g", "renewed")
		r.sendGroup("g", 1)
		r.none("old")
		r.wants("renewed", 1)
		r.sleep(60 * time.Second)
		r.members("g")
	}},
}

// members checks that a group has exactly these members, each once.
func (r *rig) members(group string, want ...string) {
	r.Helper()
	got, err := r.groups().GroupChannels(r.ctx, nil, group)
	r.must(err)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.Errorf("members of %s are %q, want %q", group, got, want)
	}
}
