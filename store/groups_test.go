package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// groupCalls are calls about the group "room" and a channel.
var groupCalls = map[string]func(ctx context.Context, s *Store, c *asgi.Cause, channel string) error{
	"add": func(ctx context.Context, s *Store, c *asgi.Cause, channel string) error {
		return s.GroupAdd(ctx, c, "room", channel)
	},
	"discard": func(ctx context.Context, s *Store, c *asgi.Cause, channel string) error {
		return s.GroupDiscard(ctx, c, "room", channel)
	},
	"leave": func(ctx context.Context, s *Store, c *asgi.Cause, channel string) error {
		return s.GroupLeave(ctx, c, channel)
	},
	"send": func(ctx context.Context, s *Store, c *asgi.Cause, _ string) error {
		return s.SendGroup(ctx, c, "room", number(1))
	},
	"channels": func(ctx context.Context, s *Store, c *asgi.Cause, _ string) error {
		_, err := s.GroupChannels(ctx, c, "room")
		return err
	},
}

func TestGroupCallsRaiseTheBarrierIfTheyAreDurable(t *testing.T) {
	for name, call := range groupCalls {
		for channel, durable := range map[string]bool{"jobs": true, "reply!a": false} {
			t.Run(name+" "+channel, func(t *testing.T) {
				s, _ := openFaulty(t)
				s.journal.lingerTime = time.Hour
				for _, m := range [][2]string{{"other", "mail"}, {"room", channel}} {
					if err := s.GroupAdd(t.Context(), nil, m[0], m[1]); err != nil {
						t.Fatal(err)
					}
				}
				c := asgi.NewCause(0)
				if err := call(t.Context(), s, c, channel); err != nil {
					t.Fatal(err)
				}
				if c.Barrier().Passed() == durable {
					t.Errorf("barrier passed: %v", !durable)
				}
			})
		}
	}
}

func TestGroupSendWithoutCopiesRaisesTheBarrierToTheMemberships(t *testing.T) {
	s := openAt(t, newPath(t), Options{Capacity: 1})
	s.journal.lingerTime = time.Hour
	s.GroupAdd(t.Context(), nil, "room", "jobs")
	if err := s.Send(t.Context(), nil, "jobs", number(1), asgi.Volatile); err != nil {
		t.Fatal(err)
	}
	c := asgi.NewCause(0)
	if err := s.SendGroup(t.Context(), c, "room", number(2)); err != nil {
		t.Fatal(err)
	}
	if c.Barrier().Passed() {
		t.Error("the barrier was not raised")
	}
}

func TestGroupCallsFailIfTheStoreIsClosedOrANameIsInvalid(t *testing.T) {
	s := openMemory(t, Options{})
	for _, name := range []string{"add", "discard", "leave"} {
		if err := groupCalls[name](t.Context(), s, nil, "a b"); !errors.Is(err, asgi.ErrInvalidName) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"add":      s.GroupAdd(t.Context(), nil, "a b", "jobs"),
		"discard":  s.GroupDiscard(t.Context(), nil, "a b", "jobs"),
		"send":     s.SendGroup(t.Context(), nil, "a b", number(1)),
		"channels": func() error { _, err := s.GroupChannels(t.Context(), nil, "a b"); return err }(),
	} {
		if !errors.Is(err, asgi.ErrInvalidName) {
			t.Errorf("%s to an invalid group: %v", name, err)
		}
	}
	s.Close(t.Context())
	for name, call := range groupCalls {
		if err := call(t.Context(), s, nil, "jobs"); !errors.Is(err, asgi.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}

func TestExpiredGroupsAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{GroupExpiry: time.Minute})
		s.GroupAdd(t.Context(), nil, "room", "jobs")
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := s.Debug().Totals().Groups; n != 0 {
			t.Errorf("%d groups", n)
		}
	})
}

func TestGroupSendWaitsForAJournalFarBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, disk := openFaulty(t)
		s.GroupAdd(t.Context(), nil, "room", "jobs")
		settle(t, s)
		hold := make(chan struct{})
		disk.hold = hold
		body := asgi.MustMessage(asgi.Field{Key: "body", Value: make([]byte, 1<<20)})
		for range stagedLimit >> 20 {
			if err := s.Send(t.Context(), nil, "other", body); err != nil {
				t.Fatal(err)
			}
		}
		late := errors.New("late")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, late)
		defer cancel()
		if err := s.SendGroup(ctx, nil, "room", number(1)); err != late {
			t.Errorf("a durable group send: %v", err)
		}
		if err := s.SendGroup(ctx, nil, "room", number(2), asgi.Volatile); err != nil {
			t.Errorf("a volatile group send: %v", err)
		}
		close(hold)
		wantPoll(t, s, 2, "jobs")
		wantPoll(t, s, -1, "jobs")
	})
}

// bindReply binds "reply!" to a function that runs f at the first delivery.
func bindReply(t testing.TB, s *Store, f func()) {
	t.Helper()
	called := false
	unbind, err := s.Bind("reply!", func(asgi.Delivery) error {
		if !called {
			called = true
			f()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unbind)
}

func TestFlushDuringAGroupSendDropsItsCopies(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	s.GroupAdd(t.Context(), nil, "room", "jobs")
	s.GroupAdd(t.Context(), nil, "room", "reply!a")
	bindReply(t, s, func() { s.Flush(t.Context(), nil) })
	if err := s.SendGroup(t.Context(), nil, "room", number(1)); err != nil {
		t.Fatal(err)
	}
	wantPoll(t, s, -1, "jobs")
	s = reopen(t, s)
	wantPoll(t, s, -1, "jobs")
}

func TestMembersThatJoinOrLeaveDuringAGroupSend(t *testing.T) {
	s := openMemory(t, Options{})
	s.GroupAdd(t.Context(), nil, "room", "reply!a")
	for i := range 2 * groupStep {
		s.GroupAdd(t.Context(), nil, "room", fmt.Sprintf("m%d", i))
	}
	last := fmt.Sprintf("m%d", 2*groupStep-1)
	bindReply(t, s, func() {
		s.GroupAdd(t.Context(), nil, "room", "late")
		s.GroupDiscard(t.Context(), nil, "room", last)
	})
	if err := s.SendGroup(t.Context(), nil, "room", number(1)); err != nil {
		t.Fatal(err)
	}
	wantPoll(t, s, 1, fmt.Sprintf("m%d", 2*groupStep-2))
	wantPoll(t, s, -1, last)
	wantPoll(t, s, -1, "late")
}

// TestGroupsTakeLimitedMemory checks that clients who choose the names of groups
// cannot fill the memory, and that a channel leaves many groups soon.
func TestGroupsTakeLimitedMemory(t *testing.T) {
	s := openMemory(t, Options{Memory: 16 << 20})
	n := 0
	var err error
	for ; err == nil && n < 100_000; n++ {
		err = s.GroupAdd(t.Context(), nil, fmt.Sprintf("g%d", n), "reply!x")
	}
	if !errors.Is(err, asgi.ErrChannelFull) || n < 30_000 {
		t.Fatalf("%d groups of one member: %v", n, err)
	}
	if err := s.GroupAdd(t.Context(), nil, "g0", "reply!x"); err != nil {
		t.Errorf("a membership is not renewed: %v", err)
	}
	if err := s.Send(t.Context(), nil, "c", asgi.MustMessage()); err != nil {
		t.Errorf("the memory of messages is full: %v", err)
	}
	for i := range n { // the oldest first
		if err := s.GroupDiscard(t.Context(), nil, fmt.Sprintf("g%d", i), "reply!x"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.GroupAdd(t.Context(), nil, "other", "reply!y"); err != nil {
		t.Errorf("groups without members take room: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.groups.byName) != 1 || len(s.groups.byChannel) != 1 {
		t.Errorf("%d groups, %d channels", len(s.groups.byName), len(s.groups.byChannel))
	}
}

func TestMembersThatLeaveTakeNoMemory(t *testing.T) {
	s := openMemory(t, Options{})
	s.GroupAdd(t.Context(), nil, "room", "first")
	for i := range 1000 {
		channel := fmt.Sprintf("m%d", i)
		s.GroupAdd(t.Context(), nil, "room", channel)
		s.GroupDiscard(t.Context(), nil, "room", channel)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.groups.byName["room"].joined); n > 20 {
		t.Errorf("a group of one member has %d entries", n)
	}
	if n := len(s.groups.byChannel); n != 1 {
		t.Errorf("%d channels have memberships", n)
	}
}

func TestGroupMessageHasAnIDOfItsOwn(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	s.GroupAdd(t.Context(), nil, "room", "mail")
	send(t, s, "jobs", 1)
	if err := s.SendGroup(t.Context(), nil, "room", number(2)); err != nil {
		t.Fatal(err)
	}
	send(t, s, "jobs", 3)
	s = reopen(t, s)
	wantPoll(t, s, 1, "jobs")
	wantPoll(t, s, 3, "jobs")
	wantPoll(t, s, 2, "mail")
}

func TestFlushRaisesTheBarriersOfItsCallerAndOfLaterReaders(t *testing.T) {
	s, _ := openFaulty(t)
	s.GroupAdd(t.Context(), nil, "room", "jobs")
	send(t, s, "jobs", 1)
	settle(t, s)
	s.journal.lingerTime = time.Hour
	flush, members, poll := asgi.NewCause(0), asgi.NewCause(0), asgi.NewCause(0)
	if err := s.Flush(t.Context(), flush); err != nil {
		t.Fatal(err)
	}
	s.GroupChannels(t.Context(), members, "room")
	s.Poll(t.Context(), poll, "jobs")
	for name, c := range map[string]*asgi.Cause{"flush": flush, "group channels": members, "poll": poll} {
		if c.Barrier().Passed() {
			t.Errorf("%s: the barrier was not raised", name)
		}
	}
	s.Close(t.Context())
	if err := s.Flush(t.Context(), nil); !errors.Is(err, asgi.ErrClosed) {
		t.Errorf("flush after Close: %v", err)
	}
}

// TestLeavingManyGroupsDoesNotHoldUpOthers checks that other calls come between the steps
// in which a channel leaves its groups.
func TestLeavingManyGroupsDoesNotHoldUpOthers(t *testing.T) {
	const all = 50 * leaveStep
	for name, leave := range map[string]func(*Store) error{
		"its server says so": func(s *Store) error { return s.GroupLeave(t.Context(), nil, "reply!a") },
		"a message finds out": func(s *Store) error {
			unbind, err := s.Bind("reply!", func(asgi.Delivery) error { return asgi.ErrGone })
			if err != nil {
				return err
			}
			defer unbind()
			return s.Send(t.Context(), nil, "reply!a", number(1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openMemory(t, Options{})
			for i := range all {
				if err := s.GroupAdd(t.Context(), nil, fmt.Sprint("room-", i), "reply!a"); err != nil {
					t.Fatal(err)
				}
			}
			left := make(chan error, 1)
			go func() { left <- leave(s) }()
			between := false
			for groups := all; groups > 0; {
				s.mu.Lock()
				groups = len(s.groups.byName)
				s.mu.Unlock()
				between = between || 0 < groups && groups < all
			}
			if err := <-left; err != nil {
				t.Error(err)
			}
			if !between {
				t.Error("it left all groups in one step")
			}
		})
	}
}
