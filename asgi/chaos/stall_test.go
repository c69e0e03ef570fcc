package chaos_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/chaos"
	"asgibox/store"
)

// from returns a message of a connection.
func from(connection string, n int) asgi.Message {
	return asgi.MustMessage(asgi.Field{Key: "reply_channel", Value: "r!" + connection}, asgi.Field{Key: "n", Value: n})
}

// plain is a layer without extensions.
type plain struct{ asgi.Layer }

// TestHeldMessagesWaitForRoomInOrder: a channel with room for one message gets many that
// were held, all of them, those of each connection in order.
func TestHeldMessagesWaitForRoomInOrder(t *testing.T) {
	for name, wrap := range map[string]func(asgi.Layer) asgi.Layer{
		"store": func(l asgi.Layer) asgi.Layer { return l },
		"plain": func(l asgi.Layer) asgi.Layer { return plain{l} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				behind := store.Memory(store.Options{Capacity: 1})
				defer behind.Close(context.Background())
				l := chaos.New(wrap(behind), chaos.Options{Seed: 1, Capacity: func(string) int { return 100 }, Rules: []chaos.Rule{rule(t, "c:delay=10ms..30ms")}})
				defer l.Close()
				const each = 20
				for n := range each {
					for _, connection := range []string{"a", "b", "d"} {
						if err := l.Send(t.Context(), nil, "c", from(connection, n)); err != nil {
							t.Fatal(err)
						}
					}
				}
				next := map[string]int64{}
				for range 3 * each {
					d, err := l.Receive(t.Context(), nil, "c")
					if err != nil {
						t.Fatal(err)
					}
					connection := d.Message.Text("reply_channel")
					if got := d.Message.Int("n"); got != next[connection] {
						t.Errorf("%s: got %d, want %d", connection, got, next[connection])
					}
					next[connection]++
				}
				if got := l.Counts().Lost; got != 0 {
					t.Errorf("%d were lost", got)
				}
			})
		})
	}
}

// TestAStallHoldsUpItsSenderOnly: a sender whose held messages find no room is told so.
func TestAStallHoldsUpItsSenderOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{Capacity: 1}, chaos.Options{Capacity: func(string) int { return 100 }}, "c:delay=1s")
		send(t, l, "c", 1)
		time.Sleep(2 * time.Second) // the channel is full
		for range 2 {
			if err := l.Send(t.Context(), nil, "c", from("a", 1)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		if err := l.Send(t.Context(), nil, "c", from("a", 2)); !errors.Is(err, asgi.ErrChannelFull) {
			t.Errorf("a sender whose messages wait: %v", err)
		}
		if err := l.Send(t.Context(), nil, "c", from("b", 1)); err != nil {
			t.Errorf("another sender: %v", err)
		}
		began := time.Now()
		go func() {
			time.Sleep(3 * time.Second)
			for range 3 {
				_, _ = l.Receive(t.Context(), nil, "c")
			}
		}()
		err := l.SendWhenRoom(t.Context(), nil, 5*time.Second, "c", from("a", 3))
		if took := time.Since(began); err != nil || took != 3*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

func TestFlushDropsTheMessagesThatWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{Capacity: 1}, chaos.Options{Capacity: func(string) int { return 2 }}, "c:delay=1s")
		for _, connection := range []string{"a", "b"} {
			if err := l.Send(t.Context(), nil, "c", from(connection, 1)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		if err := l.Flush(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wants(t, l, "c")
		for _, connection := range []string{"a", "b"} { // there is room again, for both
			if err := l.Send(t.Context(), nil, "c", from(connection, 2)); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestAHeldMessageIsLostIfThereIsNoRoomForLong: it waits no longer than a message in the
// channel.
func TestAHeldMessageIsLostIfThereIsNoRoomForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{Capacity: 1, Expiry: time.Minute}, chaos.Options{}, "c:delay=1s")
		lasting := func(n int) {
			if err := l.Send(t.Context(), nil, "c", from("a", n), asgi.Lasting); err != nil {
				t.Fatal(err)
			}
		}
		lasting(1)
		time.Sleep(2 * time.Second)
		lasting(2)
		time.Sleep(2 * time.Minute)
		if got := l.Counts().Lost; got != 1 {
			t.Errorf("%d were lost", got)
		}
	})
}
