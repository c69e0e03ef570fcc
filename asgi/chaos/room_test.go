package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/chaos"
	"asgibox/store"
)

// fill sends until the layer refuses a message, and returns how many it took.
func fill(t *testing.T, l asgi.Layer, channel func(n int) string) int {
	t.Helper()
	m := asgi.MustMessage(asgi.Field{Key: "k", Value: make([]byte, 1000)})
	for n := range 1000 {
		switch err := l.Send(t.Context(), nil, channel(n), m); {
		case errors.Is(err, asgi.ErrChannelFull):
			return n
		case err != nil:
			t.Fatal(err)
		}
	}
	t.Fatal("1,000 messages were taken")
	return 0
}

func one(int) string { return "c" }

func TestHeldMessagesCountTowardsTheCapacity(t *testing.T) {
	for _, rule := range []string{"*:delay=10s", "*:delay=10s,reorder=50%", "*:delay=10s,reorder=100%"} {
		t.Run(rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := before(t, store.Options{Capacity: 5}, chaos.Options{Seed: 1}, rule)
				if n := fill(t, l, one); n != 5 {
					t.Errorf("%d messages were taken", n)
				}
				send(t, l, "other", 1) // has room of its own
				time.Sleep(20 * time.Second)
				if got := len(waiting(t, l, "c")); got != 5 {
					t.Errorf("%d messages came", got)
				}
				send(t, l, "c", 1) // there is room again
			})
		})
	}
}

func TestTheCapacityOfHeldMessagesDependsOnTheChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{}, chaos.Options{Capacity: func(channel string) int { return len(channel) }}, "*:delay=1s")
		for _, channel := range []string{"a", "abc"} {
			if n := fill(t, l, func(int) string { return channel }); n != len(channel) {
				t.Errorf("%d messages were taken on %s", n, channel)
			}
		}
	})
}

func TestHeldMessagesCountTowardsTheMemory(t *testing.T) {
	several := func(n int) string { return fmt.Sprint("c", n) }
	for name, tt := range map[string]struct {
		rule    string
		channel func(int) string
	}{
		"one channel":    {"*:delay=60s", one},
		"many channels":  {"*:delay=60s", several},
		"many reordered": {"*:reorder=100%", several},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := before(t, store.Options{}, chaos.Options{Memory: 20_000}, tt.rule)
				if n := fill(t, l, tt.channel); n < 5 || n > 19 {
					t.Errorf("%d messages of 1,000 bytes were taken", n)
				}
				if err := l.Flush(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				send(t, l, "c", 1) // there is room again
			})
		})
	}
}

func TestASenderWaitsForRoomForAHeldMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{Capacity: 2}, chaos.Options{}, "c:delay=10s")
		send(t, l, "c", 1)
		time.Sleep(time.Second)
		send(t, l, "c", 2)
		began := time.Now()
		whenRoom := func(patience time.Duration, n int) error {
			return l.SendWhenRoom(t.Context(), nil, patience, "c", asgi.MustMessage(asgi.Field{Key: "n", Value: n}))
		}
		if err := whenRoom(5*time.Second, 3); !errors.Is(err, asgi.ErrChannelFull) || time.Since(began) != 5*time.Second {
			t.Errorf("err = %v after %v", err, time.Since(began))
		}
		if err := whenRoom(5*time.Second, 4); err != nil || time.Since(began) != 9*time.Second {
			t.Errorf("err = %v after %v", err, time.Since(began))
		}
		wants(t, l, "c", 1)
		time.Sleep(2 * time.Second)
		wants(t, l, "c", 2)
		time.Sleep(9 * time.Second)
		wants(t, l, "c", 4)
	})
}

func TestCloseEndsTheWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		behind := store.Memory(store.Options{Capacity: 1})
		defer behind.Close(context.Background())
		l := chaos.New(behind, chaos.Options{Rules: []chaos.Rule{rule(t, "c:delay=1h")}})
		send(t, l, "c", 1)
		done := make(chan error, 1)
		go func() { done <- l.SendWhenRoom(t.Context(), nil, time.Hour, "c", asgi.Message{}) }()
		synctest.Wait()
		l.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
