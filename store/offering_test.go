package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// A taker accepts as many messages as it has slots.
type taker struct {
	mu    sync.Mutex // guards the rest
	slots int
	got   []int
	left  map[int]bool // messages that it has left
}

func (k *taker) Sort(d asgi.Delivery) (string, any) {
	return fmt.Sprint(d.Message.Int("n") % 3), d.Message.Int("n")
}

func (k *taker) Offer(o asgi.Offer) asgi.Verdict {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := int(o.Message.Int("n"))
	if k.slots == 0 || o.Behind || o.Held {
		k.left[n] = true
		return asgi.Left
	}
	k.slots--
	delete(k.left, n)
	if o.Volatile {
		k.got = append(k.got, n)
	}
	return asgi.Accepted
}

func (k *taker) Start(d asgi.Delivery, _ any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.got = append(k.got, int(d.Message.Int("n")))
}

func (k *taker) Run(any) {}

func (k *taker) Ready() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.slots > 0
}

func (k *taker) Lost(d asgi.Delivery) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.left, int(d.Message.Int("n")))
}

func (k *taker) Closed() {}

// free adds slots and returns the messages that the taker has got.
func (k *taker) free(o asgi.Offering, slots int) []int {
	k.mu.Lock()
	k.slots += slots
	k.mu.Unlock()
	o.Retry()
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.got)
}

func acceptOn(t testing.TB, s *Store, channels ...string) (*taker, asgi.Offering) {
	t.Helper()
	k := &taker{left: make(map[int]bool)}
	o, err := s.Accept(k)
	if err == nil {
		err = o.Update(channels...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k, o
}

// A halfTaker accepts no message of class 0. Its Sort waits once for the test.
type halfTaker struct {
	*taker
	sorting atomic.Pointer[chan struct{}] // receives twice: when Sort waits, and for Sort to go on
}

func (k *halfTaker) Sort(d asgi.Delivery) (string, any) {
	if c := k.sorting.Swap(nil); c != nil {
		<-*c
		<-*c
	}
	return k.taker.Sort(d)
}

func (k *halfTaker) Offer(o asgi.Offer) asgi.Verdict {
	o.Held = o.Held || o.Message.Int("n")%3 == 0
	return k.taker.Offer(o)
}

func TestAMessageThatCanStartIsNotRefusedDuringUpdate(t *testing.T) {
	s := openMemory(t, Options{Capacity: 2})
	k := &halfTaker{taker: &taker{slots: 1, left: make(map[int]bool)}}
	o, err := s.Accept(k)
	if err == nil {
		err = o.Update("jobs")
	}
	if err != nil {
		t.Fatal(err)
	}
	send := func(n int) {
		t.Helper()
		if err := s.Send(t.Context(), nil, "jobs", number(n), asgi.Volatile); err != nil {
			t.Fatal(err)
		}
	}
	send(0)
	send(3) // the channel is full
	c := make(chan struct{})
	k.sorting.Store(&c)
	updated := make(chan error)
	go func() { updated <- o.Update("jobs") }()
	c <- struct{}{}
	send(1)
	if got := k.free(o, 0); !slices.Equal(got, []int{1}) {
		t.Errorf("accepted %v, want [1]", got)
	}
	c <- struct{}{}
	if err := <-updated; err != nil {
		t.Fatal(err)
	}
}

func pauseChannel(t testing.TB, s *Store, channel string) {
	t.Helper()
	if err := s.Debug().Pause(channel); err != nil {
		t.Fatal(err)
	}
}

func TestPausedChannelOffersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{Expiry: 10 * time.Second})
		k, o := acceptOn(t, s, "jobs")
		k.free(o, 10)
		pauseChannel(t, s, "jobs")
		for n := range 5 {
			send(t, s, "jobs", n)
		}
		time.Sleep(time.Minute) // no message expires
		if got := k.free(o, 0); len(got) != 0 {
			t.Fatalf("a paused channel offered %v", got)
		}
		for want := range 2 {
			if ok, err := s.Debug().Step("jobs"); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if got := k.free(o, 0); len(got) != want+1 || got[want] != want {
				t.Fatalf("after step %d: %v", want, got)
			}
		}
		if _, err := s.Debug().Resume("jobs"); err != nil {
			t.Fatal(err)
		}
		if got := k.free(o, 0); !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
			t.Errorf("after resume: %v", got)
		}
	})
}

func TestEditedAndDroppedMessagesAreNotOffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{})
		k, o := acceptOn(t, s, "jobs")
		for n := range 5 {
			send(t, s, "jobs", n)
		}
		views, err := s.Debug().Peek("jobs", 10)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Debug().Drop("jobs", views[1].ID); err != nil {
			t.Fatal(err)
		}
		if err := s.Debug().Edit("jobs", views[3].ID, number(13)); err != nil {
			t.Fatal(err)
		}
		if got := k.free(o, 10); !slices.Equal(got, []int{0, 2, 13, 4}) {
			t.Errorf("accepted %v", got)
		}
	})
}

// TestAMessageIsLostIfItsReplyChannelIsEdited checks that the messages behind it do
// not wait for it.
func TestAMessageIsLostIfItsReplyChannelIsEdited(t *testing.T) {
	s := openMemory(t, Options{})
	k, _ := acceptOn(t, s, "jobs")
	pauseChannel(t, s, "jobs")
	if err := s.Send(t.Context(), nil, "jobs", number(1), asgi.Volatile); err != nil {
		t.Fatal(err)
	}
	views, err := s.Debug().Peek("jobs", 1)
	if err != nil {
		t.Fatal(err)
	}
	other := asgi.MustMessage(asgi.Field{Key: "n", Value: 2}, asgi.Field{Key: asgi.KeyReplyChannel, Value: "p!x"})
	if err := s.Debug().Edit("jobs", views[0].ID, other); err != nil {
		t.Fatal(err)
	}
	if k.left[1] || !k.left[2] {
		t.Errorf("the reader knows of %v, want only 2", k.left)
	}
}

// TestMessagesAreOfferedAfterAnEarlierOneHasChanged checks that a channel that must
// be sorted again is, although it is paused or its reader has no room. Otherwise
// the reader would not know of the message when a later one of the same connection
// comes on another channel.
func TestMessagesAreOfferedAfterAnEarlierOneHasChanged(t *testing.T) {
	for name, change := range map[string]func(*Store) error{
		"edited": func(s *Store) error {
			views, err := s.Debug().Peek("a", 1)
			if err != nil {
				return err
			}
			return s.Debug().Edit("a", views[0].ID, number(2))
		},
		"put back": func(s *Store) error {
			d, _, err := s.Poll(t.Context(), asgi.NewCause(0), "a")
			if err != nil {
				return err
			}
			return s.PutBack(d)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openMemory(t, Options{})
			k, _ := acceptOn(t, s, "a", "b")
			sendVolatile := func(channel string, n int) {
				if err := s.Send(t.Context(), nil, channel, number(n), asgi.Volatile); err != nil {
					t.Fatal(err)
				}
			}
			sendVolatile("a", 1)
			if name == "edited" {
				pauseChannel(t, s, "a")
			}
			if err := change(s); err != nil {
				t.Fatal(err)
			}
			sendVolatile("a", 3)
			sendVolatile("b", 4)
			if !k.left[3] || !k.left[4] {
				t.Errorf("the reader knows only %v", k.left)
			}
		})
	}
}

func TestATimeInWhichTheChannelIsPausedDoesNotCountAsPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{Capacity: 1})
		began := time.Now()
		send(t, s, "jobs", 1)
		done := make(chan error, 1)
		go func() { done <- s.SendWhenRoom(t.Context(), nil, 5*time.Second, "jobs", number(2), asgi.Volatile) }()
		time.Sleep(4 * time.Second)
		pauseChannel(t, s, "jobs")
		time.Sleep(20 * time.Second)
		if _, err := s.Debug().Resume("jobs"); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, asgi.ErrChannelFull) || time.Since(began) != 29*time.Second {
			t.Errorf("%v after %v, want 5 s after the pause", err, time.Since(began))
		}
	})
}

func TestASenderWaitsForMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{Memory: 3000})
		big := asgi.MustMessage(asgi.Field{Key: "n", Value: 0}, asgi.Field{Key: "data", Value: make([]byte, 1000)})
		for range 2 {
			if err := s.Send(t.Context(), nil, "jobs", big); err != nil {
				t.Fatal(err)
			}
		}
		var done []chan error
		for i, channel := range []string{"mail", "mail", "post"} {
			c := make(chan error, 1)
			go func() { c <- s.SendWhenRoom(t.Context(), nil, time.Hour, channel, big) }()
			synctest.Wait()
			if len(c) > 0 {
				t.Fatalf("sender %d does not wait: %v", i, <-c)
			}
			done = append(done, c)
		}
		for i, channel := range []string{"jobs", "jobs", "mail"} {
			poll(t, s, channel)
			if err := <-done[i]; err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestOffersUnderLoad sends, takes, pauses and updates from many goroutines.
// Every message must be accepted once.
func TestOffersUnderLoad(t *testing.T) {
	s := openMemory(t, Options{Capacity: 20})
	k, o := acceptOn(t, s, "a", "b")
	const senders, each = 8, 300
	ctx, stop := context.WithCancel(t.Context())
	var sending, helpers sync.WaitGroup
	for i := range senders {
		sending.Go(func() {
			for n := range each {
				channel := []string{"a", "b"}[n%2]
				opts := []asgi.SendOption{asgi.Volatile}[:i%2]
				if err := s.SendWhenRoom(ctx, nil, time.Hour, channel, number(i*each+n), opts...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	helpers.Go(func() {
		for ctx.Err() == nil {
			k.free(o, 1+rand.IntN(3))
		}
	})
	helpers.Go(func() {
		for ctx.Err() == nil {
			if err := o.Update("a", "b"); err != nil {
				t.Error(err)
			}
			_ = s.Debug().Pause("a")
			_, _ = s.Debug().Step("a")
			_, _ = s.Debug().Resume("a")
		}
	})
	sending.Wait()
	stop()
	helpers.Wait()
	got := k.free(o, senders*each)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if o.Waiting() != 0 || len(k.left) != 0 {
		t.Errorf("%d messages still wait, the taker knows %d", o.Waiting(), len(k.left))
	}
	slices.Sort(got)
	for n := range senders * each {
		if n >= len(got) || got[n] != n {
			t.Fatalf("%d messages were accepted, want each of %d once", len(got), senders*each)
		}
	}
}
