package redisstore

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"asgibox/asgi"
)

func TestRingIndexIsThatOfTheOldStack(t *testing.T) {
	for name, want := range map[string]int{
		"daphne.response.abc!": 0, "http.request.body?abc": 0, "chat": 0, "room-1": 1, "room-2": 1, "g": 1,
	} {
		if got := ringIndex(name, 2); got != want {
			t.Errorf("%s is on host %d, want %d", name, got, want)
		}
	}
	for n := 1; n < 10; n++ {
		for i := range 1000 {
			if got := ringIndex(fmt.Sprint(i), n); got < 0 || got >= n {
				t.Fatalf("%d is on host %d of %d", i, got, n)
			}
		}
	}
}

func TestSeveralHostsAreARing(t *testing.T) {
	t.Parallel()
	one := sharedServer(t)
	two := startServer(t)
	l := open(t, one, Options{Hosts: []Host{one.host(), two.host()}, Capacity: 2})
	ctx, p := t.Context(), l.opts.Prefix
	for n := range 4 { // the capacity holds for each host
		if err := l.Send(ctx, nil, "c", numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Send(ctx, nil, "c", numbered(4)); err == nil {
		t.Error("the channel is not full")
	}
	for _, s := range []*server{one, two} {
		if n := s.client(t).LLen(ctx, p+"c").Val(); n != 2 {
			t.Errorf("a host has %d messages, want 2", n)
		}
	}
	var got []int64
	for range 2 {
		d, ok, err := l.Poll(ctx, nil, "c")
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		got = append(got, d.Message.Int("n"))
	}
	for range 2 {
		d, err := l.Receive(ctx, nil, "c")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, d.Message.Int("n"))
	}
	if slices.Sort(got); !slices.Equal(got, []int64{0, 1, 2, 3}) {
		t.Errorf("received %v", got)
	}
	// A reader that waits on both hosts gets messages from each.
	for _, s := range []*server{one, two} {
		received := make(chan asgi.Delivery, 1)
		go func() {
			d, err := l.Receive(ctx, nil, "c")
			if err != nil {
				t.Error(err)
			}
			received <- d
		}()
		peer := newPeer(t, s, l)
		if err := peer.send(ctx, "c", map[string]any{"n": int64(9)}); err != nil {
			t.Fatal(err)
		}
		if d := <-received; d.Message.Int("n") != 9 {
			t.Errorf("received %v", d.Message)
		}
	}
	// Each name is on its host, with what belongs to it.
	for name, s := range map[string]*server{"daphne.response.abc!x": one, "http.request.body?abc": one} {
		if err := l.Send(ctx, nil, name, numbered(1)); err != nil {
			t.Fatal(err)
		}
		if s.client(t).LLen(ctx, p+local(name)).Val() != 1 {
			t.Errorf("%s is on the wrong host", name)
		}
	}
	for group, s := range map[string]*server{"chat": one, "room-1": two} {
		if err := l.GroupAdd(ctx, nil, group, "daphne.response.abc!x"); err != nil {
			t.Fatal(err)
		}
		if s.client(t).ZCard(ctx, p+":group:"+group).Val() != 1 {
			t.Errorf("the group %s is on the wrong host", group)
		}
	}
	if err := l.GroupLeave(ctx, nil, "daphne.response.abc!x"); err != nil {
		t.Fatal(err)
	}
	for _, group := range []string{"chat", "room-1"} {
		if members, err := l.GroupChannels(ctx, nil, group); err != nil || len(members) != 0 {
			t.Errorf("the group %s has %v, %v", group, members, err)
		}
	}
	// A delayed message is on the host of its target, wherever it was sent.
	m := map[string]any{"channel": "room-1?x", "delay": int64(20), "content": map[string]any{"n": int64(3)}}
	for _, s := range []*server{one, two} {
		if err := newPeer(t, s, l).send(ctx, "asgi.delay", m); err != nil {
			t.Fatal(err)
		}
		if d, err := l.Receive(ctx, nil, "room-1?x"); err != nil || d.Message.Int("n") != 3 {
			t.Errorf("received %v, %v", d.Message, err)
		}
	}
	if err := l.Flush(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if s, err := l.GlobalStatistics(ctx); err != nil || s.MessagesPending != 0 || s.MessagesCount != 0 {
		t.Errorf("after a flush: %+v, %v", s, err)
	}
}

func TestNormalChannelsUseTheHostsThatAreThere(t *testing.T) {
	t.Parallel()
	one := sharedServer(t)
	two := startServer(t)
	l := open(t, one, Options{Hosts: []Host{one.host(), two.host()}})
	two.kill()
	eventually(t, "the second host counts as gone", func() bool {
		_ = l.Send(t.Context(), nil, "other", numbered(0))
		return !l.Up()
	})
	for n := range 10 {
		if err := l.Send(t.Context(), nil, "c", numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 10 {
		if d, err := l.Receive(t.Context(), nil, "c"); err != nil || d.Message.Int("n") != int64(n) {
			t.Fatalf("received %v, %v; want %d", d.Message, err, n)
		}
	}
}

func TestURLs(t *testing.T) {
	o, err := ParseURLs("redis://user:p%40ss@10.0.0.5/3?prefix=site:&symmetric_encryption_keys=one&symmetric_encryption_keys=two", "rediss://[::1]:7000", "unix:///run/r.sock?db=2&password=x&prefix=site:")
	if err != nil {
		t.Fatal(err)
	}
	if o.Prefix != "site:" || !slices.Equal(o.Keys, []string{"one", "two"}) || len(o.Hosts) != 3 {
		t.Errorf("options are %+v", o)
	}
	if h := o.Hosts[0]; h.Username != "user" || h.Password != "p@ss" || h.DB != 3 || h.Address != "10.0.0.5:6379" {
		t.Errorf("the first host is %+v", h)
	}
	for i, want := range []string{"redis://10.0.0.5:6379/3", "rediss://[::1]:7000/0", "unix:///run/r.sock?db=2"} {
		if got := o.Hosts[i].String(); got != want {
			t.Errorf("host %d is %s, want %s", i, got, want)
		}
	}
	for _, bad := range [][]string{
		{"http://x"}, {"redis://"}, {"redis://h/x"}, {"redis://:secret@h:x"}, {"redis://:secret@h?no=1"}, {"redis://:se/cret@h"},
		{"unix://run/r.sock"}, {"redis://:secret@h?prefix=a", "redis://:secret@h?prefix=b"}, {"redis://h?symmetric_encryption_keys=secret", "redis://h?symmetric_encryption_keys=other"},
		{"redis://h?password=secret"}, {"redis://:secret?word@h"}, {"redis://:pass@word?secret@h"}, {"redis://:secret:h"}, {"redis://h?symmetric_encryption_keys=a@secret&no=1"},
	} {
		_, err := ParseURLs(bad...)
		if err == nil {
			t.Errorf("%q is accepted", bad)
		} else if text := err.Error(); strings.Contains(text, "secret") || strings.Contains(text, "cret") || strings.Contains(text, "\n") {
			t.Errorf("the error shows a password or has several lines: %s", text)
		}
	}
}

func TestPrefixesThatAFlushWouldMistakeAreRefused(t *testing.T) {
	for _, o := range []Options{{Prefix: "b"}, {Prefix: "box:"}, {StatsPrefix: "box:"}, {StatsPrefix: "box:asgi:"}, {StatsPrefix: "box:asgi:kv:"}, {Prefix: "a*"}, {StatsPrefix: "[x]"}} {
		o = o.withDefaults()
		if err := o.check(); err == nil {
			t.Errorf("prefix %q with stats_prefix %q is accepted", o.Prefix, o.StatsPrefix)
		}
	}
	for _, o := range []Options{{}, {Prefix: "site:"}, {Prefix: "x", StatsPrefix: "y"}} {
		o = o.withDefaults()
		if err := o.check(); err != nil {
			t.Error(err)
		}
	}
}

func TestExpiryIsRoundedUpToSeconds(t *testing.T) {
	o := Options{Expiry: 1500 * time.Millisecond, GroupExpiry: time.Millisecond}.withDefaults()
	if o.Expiry != 2*time.Second || o.GroupExpiry != time.Second {
		t.Errorf("expiry %v, group expiry %v", o.Expiry, o.GroupExpiry)
	}
}
