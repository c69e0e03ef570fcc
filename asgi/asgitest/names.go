package asgitest

import (
	"slices"
	"strings"

	"asgibox/asgi"
)

var (
	longest = strings.Repeat("n", asgi.MaxNameLength)
	// invalid are names that are invalid for every call.
	invalid = []string{"", longest + "n", "with space", "slash/", "new\nline", "nul\x00", "ümlaut", "a?b?c", "a!b!c", "a?b!c", "?a", "!a", "?", "!"}
)

var names = []promise{
	{name: "names have 1 to 100 letters, digits, '.', '-' and '_'", check: func(r *rig) {
		for i, name := range []string{"a", "http.request", "A-z_0.9", longest, "0", "-", "body?x7Kd", longest[:98] + "?n"} {
			r.send(name, i)
			r.wants(name, i)
		}
	}},
	{name: "every call refuses other names as invalid", check: func(r *rig) {
		for _, name := range invalid {
			_, receiveErr := r.Receive(r.ctx, nil, name)
			_, _, pollErr := r.Poll(r.ctx, nil, name)
			_, newErr := r.NewChannel(r.ctx, name)
			_, bindErr := r.Bind(name, func(asgi.Delivery) error { return nil })
			r.fails("send", r.trySend(name, 1), asgi.ErrInvalidName)
			r.fails("receive", receiveErr, asgi.ErrInvalidName)
			r.fails("poll", pollErr, asgi.ErrInvalidName)
			r.fails("new_channel", newErr, asgi.ErrInvalidName)
			r.fails("bind", bindErr, asgi.ErrInvalidName)
		}
	}},
	{name: "a call with one invalid name among several fails and takes no message", check: func(r *rig) {
		r.send("good", 1)
		_, _, err := r.Poll(r.ctx, nil, "good", "bad name")
		r.fails("poll", err, asgi.ErrInvalidName)
		r.wants("good", 1)
	}},
	{name: "sending to a prefix without a local part fails with an invalid name", check: func(r *rig) {
		r.fails("send", r.trySend("reply!", 1), asgi.ErrInvalidName)
		r.fails("send", r.trySend("body?", 1), asgi.ErrInvalidName)
	}},
	{name: "receiving from a prefix returns the full name of the channel", check: func(r *rig) {
		r.send("reply!one", 1)
		r.send("reply!two", 2)
		for i, want := range []string{"reply!one", "reply!two"} {
			d := r.poll("reply!")
			if d.Channel != want || d.Message.Int("n") != int64(i+1) {
				r.Errorf("got message %d on %s, want it on %s", d.Message.Int("n"), d.Channel, want)
			}
		}
	}},
	{name: "receiving from a name with a local part fails with an invalid name", check: func(r *rig) {
		r.send("reply!one", 1)
		_, err := r.Receive(r.ctx, nil, "reply!one")
		r.fails("receive", err, asgi.ErrInvalidName)
		_, _, err = r.Poll(r.ctx, nil, "reply!one")
		r.fails("poll", err, asgi.ErrInvalidName)
	}},
	{name: "a receive names at most so many channels", check: func(r *rig) {
		channels := slices.Repeat([]string{"c"}, asgi.MaxReceive)
		r.send("c", 1)
		if d, ok, err := r.Poll(r.ctx, nil, channels...); !ok || err != nil || d.Channel != "c" {
			r.Errorf("poll: %v, %v, %v", d, ok, err)
		}
		channels = append(channels, "c")
		_, err := r.Receive(r.ctx, nil, channels...)
		r.fails("receive", err, asgi.ErrInvalidName)
		_, _, err = r.Poll(r.ctx, nil, channels...)
		r.fails("poll", err, asgi.ErrInvalidName)
	}},
	{name: "only a prefix can be bound", check: func(r *rig) {
		for _, name := range []string{"plain", "body?", "body?x", "reply!one"} {
			_, err := r.Bind(name, func(asgi.Delivery) error { return nil })
			r.fails("bind "+name, err, asgi.ErrInvalidName)
		}
	}},
	{name: "group names must not contain ? or !", needs: []string{asgi.ExtGroups}, check: func(r *rig) {
		g := r.groups()
		for _, name := range append([]string{"a?b", "a!b", "a!"}, invalid...) {
			_, err := g.GroupChannels(r.ctx, nil, name)
			r.fails("group_channels", err, asgi.ErrInvalidName)
			r.fails("group_add", g.GroupAdd(r.ctx, nil, name, "c"), asgi.ErrInvalidName)
			r.fails("group_discard", g.GroupDiscard(r.ctx, nil, name, "c"), asgi.ErrInvalidName)
			r.fails("send_group", g.SendGroup(r.ctx, nil, name, number(1)), asgi.ErrInvalidName)
		}
		r.must(g.GroupAdd(r.ctx, nil, longest, "c"))
	}},
	{name: "only channels that can be sent to can join a group", needs: []string{asgi.ExtGroups}, check: func(r *rig) {
		for _, name := range append([]string{"reply!", "body?"}, invalid...) {
			r.fails("group_add", r.groups().GroupAdd(r.ctx, nil, "g", name), asgi.ErrInvalidName)
		}
	}},
	{name: "new_channel returns unused names for a pattern that ends in ?", check: func(r *rig) {
		seen := map[string]bool{}
		for range 100 {
			name, err := r.NewChannel(r.ctx, "body?")
			r.must(err)
			if seen[name] || !strings.HasPrefix(name, "body?") || asgi.CheckSend(name) != nil || asgi.CheckReceive(name) != nil {
				r.Fatalf("new_channel returned %q", name)
			}
			seen[name] = true
		}
	}},
	{name: "a new channel can be sent to and received from", check: func(r *rig) {
		name, err := r.NewChannel(r.ctx, "http.request.body?")
		r.must(err)
		r.send(name, 1, 2)
		r.wants(name, 1, 2)
	}},
	{name: "new_channel refuses other patterns as invalid names", check: func(r *rig) {
		for _, pattern := range append([]string{"plain", "reply!", "body?x", "a?b?"}, invalid...) {
			_, err := r.NewChannel(r.ctx, pattern)
			r.fails("new_channel "+pattern, err, asgi.ErrInvalidName)
		}
	}},
	{name: "new_channel never returns a name that is too long", check: func(r *rig) {
		name, err := r.NewChannel(r.ctx, longest[:asgi.MaxNameLength-1]+"?")
		if err != nil {
			r.fails("new_channel", err, asgi.ErrInvalidName)
			return
		}
		r.must(asgi.CheckSend(name))
	}},
}
