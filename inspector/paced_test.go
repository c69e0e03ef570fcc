package inspector

import (
	"testing"
	"testing/synctest"
	"time"

	"asgibox/store"
)

// slowContents is a layer with very many channels.
type slowContents struct {
	Contents
	made int
}

func (c *slowContents) Channels(int, func(string) bool) ([]store.ChannelView, int) {
	c.made++
	time.Sleep(300 * time.Millisecond)
	return nil, 0
}

// TestSlowListsRest checks that lists that take long to make do not take all of the
// processor's time, however many pages show them.
func TestSlowListsRest(t *testing.T) {
	for view, viewers := range map[string]int{"flow": maxViewers, "channels": 1} {
		synctest.Test(t, func(t *testing.T) {
			layer := store.Memory(store.Options{})
			contents := &slowContents{Contents: layer.Debug()}
			s, err := New(Options{Layer: layer, Contents: contents})
			if err != nil {
				t.Fatal(err)
			}
			pages := make([]viewer, viewers)
			for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(frameEvery) {
				for i := range pages {
					pages[i].view = view
					if _, err := s.frame(&pages[i], time.Now()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if contents.made < 8 || contents.made > 10 {
				t.Errorf("%s: made %d times in 30 s", view, contents.made)
			}
			_ = s.Shutdown(t.Context())
			_ = layer.Close(t.Context())
		})
	}
}

// TestQuickListsAreNew checks that a list that takes no time is new in each frame.
func TestQuickListsAreNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var list paced[int]
		for i := range 10 {
			if got := list.get(func() int { return i }); got != i {
				t.Errorf("got %d, want %d", got, i)
			}
			time.Sleep(time.Nanosecond)
		}
		began := time.Now()
		if due := nextDue(began, slowEvery); due.Sub(began) != slowEvery {
			t.Errorf("due after %v", due.Sub(began))
		}
		time.Sleep(time.Second)
		if due := nextDue(began, slowEvery); due.Sub(began) != 11*time.Second {
			t.Errorf("due after %v", due.Sub(began))
		}
	})
}
