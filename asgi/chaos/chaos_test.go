package chaos_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/asgitest"
	"asgibox/asgi/chaos"
	"asgibox/store"
)

func rule(t testing.TB, text string) chaos.Rule {
	t.Helper()
	r, err := chaos.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// before returns a chaos layer in front of a memory store. Both are closed at
// the end of the test.
func before(t testing.TB, o store.Options, c chaos.Options, rules ...string) *chaos.Layer {
	t.Helper()
	for _, r := range rules {
		c.Rules = append(c.Rules, rule(t, r))
	}
	behind := store.Memory(o)
	l := chaos.New(behind, c)
	t.Cleanup(func() {
		l.Close()
		if err := behind.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l
}

func send(t testing.TB, l asgi.Layer, channel string, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		if err := l.Send(t.Context(), nil, channel, asgi.MustMessage(asgi.Field{Key: "n", Value: n})); err != nil {
			t.Fatalf("send %d: %v", n, err)
		}
	}
}

// waiting receives all messages that are pending now.
func waiting(t testing.TB, l asgi.Layer, channel string) []int {
	t.Helper()
	var got []int
	for {
		d, ok, err := l.Poll(t.Context(), nil, channel)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return got
		}
		got = append(got, int(d.Message.Int("n")))
	}
}

func wants(t testing.TB, l asgi.Layer, channel string, want ...int) {
	t.Helper()
	if got := waiting(t, l, channel); !slices.Equal(got, want) {
		t.Errorf("%s holds %v, want %v", channel, got, want)
	}
}

func numbers(n int) []int {
	ns := make([]int, n)
	for i := range ns {
		ns[i] = i
	}
	return ns
}

func TestChaosWithoutEffectIsALayer(t *testing.T) {
	asgitest.TestLayer(t, func(t testing.TB, s asgitest.Setup) asgi.Layer {
		o := store.Options{Capacity: s.Capacity, Expiry: s.Expiry, GroupExpiry: s.GroupExpiry, MaxMessage: s.MaxMessage, Memory: s.Memory}
		for _, p := range s.ChannelCapacity {
			o.ChannelCapacity = append(o.ChannelCapacity, store.PatternCapacity(p))
		}
		return before(t, o, chaos.Options{}, "nothing.is.named.so:drop=100%", "*:drop=0%")
	}, asgitest.Without(asgi.ExtTicker))
}

func TestAShareIsDropped(t *testing.T) {
	l := before(t, store.Options{Capacity: 10_000}, chaos.Options{Seed: 1}, "jobs.*:drop=10%")
	send(t, l, "jobs.a", numbers(1000)...)
	send(t, l, "other", numbers(1000)...)
	if got := len(waiting(t, l, "jobs.a")); got < 850 || got > 950 || l.Counts().Dropped != uint64(1000-got) {
		t.Errorf("%d of 1000 came, %+v", got, l.Counts())
	}
	if got := len(waiting(t, l, "other")); got != 1000 {
		t.Errorf("%d of 1000 came on a channel without a rule", got)
	}
}

func TestTheSameSeedGivesTheSameResult(t *testing.T) {
	var runs [2][]int
	for i := range runs {
		l := before(t, store.Options{}, chaos.Options{Seed: 42}, "*:drop=50%")
		send(t, l, "c", numbers(100)...)
		runs[i] = waiting(t, l, "c")
	}
	if !slices.Equal(runs[0], runs[1]) {
		t.Errorf("%v and %v", runs[0], runs[1])
	}
}

func TestADelayKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{}, chaos.Options{Seed: 1}, "c:delay=50ms..200ms")
		send(t, l, "c", numbers(100)...)
		time.Sleep(49 * time.Millisecond)
		wants(t, l, "c")
		time.Sleep(152 * time.Millisecond)
		wants(t, l, "c", numbers(100)...)
		if got := l.Counts(); got != (chaos.Counts{Delayed: 100}) {
			t.Errorf("%+v", got)
		}
	})
}

func TestAReorderedMessageGoesAfterTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{}, chaos.Options{Seed: 1}, "c:reorder=100%")
		send(t, l, "c", 1, 2, 3, 4)
		wants(t, l, "c", 2, 1, 4, 3)
		if got := l.Counts(); got != (chaos.Counts{Reordered: 2}) {
			t.Errorf("%+v", got)
		}
	})
}

func TestAReorderedMessageGoesAfterASecondIfNoneFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{}, chaos.Options{Seed: 1}, "c:reorder=100%")
		send(t, l, "c", 1)
		wants(t, l, "c")
		time.Sleep(1100 * time.Millisecond)
		wants(t, l, "c", 1)
	})
}

func TestDelayAndReorderLoseNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{}, chaos.Options{Seed: 3}, "c:reorder=30%,delay=0..5ms")
		for n := range 200 {
			send(t, l, "c", n)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		got := waiting(t, l, "c")
		if slices.IsSorted(got) {
			t.Error("no message changed places")
		}
		slices.Sort(got)
		if !slices.Equal(got, numbers(200)) {
			t.Errorf("%d messages came: %v", len(got), got)
		}
	})
}

func TestTheFirstMatchingRuleApplies(t *testing.T) {
	l := before(t, store.Options{}, chaos.Options{}, "safe.*:drop=0%", "*:drop=100%")
	send(t, l, "safe.c", 1)
	send(t, l, "c", 1)
	wants(t, l, "safe.c", 1)
	wants(t, l, "c")
}

func TestInvalidSendsStillFail(t *testing.T) {
	l := before(t, store.Options{MaxMessage: 1000}, chaos.Options{}, "*:drop=100%")
	large := asgi.MustMessage(asgi.Field{Key: "k", Value: strings.Repeat("x", 1000+asgi.MessageOverhead)})
	if err := l.Send(t.Context(), nil, "bad name", asgi.Message{}); !errors.Is(err, asgi.ErrInvalidName) {
		t.Errorf("err = %v", err)
	}
	if err := l.Send(t.Context(), nil, "c", large); !errors.Is(err, asgi.ErrMessageTooLarge) {
		t.Errorf("err = %v", err)
	}
	if err := l.SendLater(t.Context(), nil, time.Now(), "c", large); !errors.Is(err, asgi.ErrMessageTooLarge) {
		t.Errorf("err = %v", err)
	}
}

func TestAFullChannelFailsOnlyASendWithoutDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{Capacity: 1}, chaos.Options{}, "straight:drop=0%", "later:delay=1s")
		send(t, l, "straight", 1)
		if err := l.Send(t.Context(), nil, "straight", asgi.Message{}); !errors.Is(err, asgi.ErrChannelFull) {
			t.Errorf("err = %v", err)
		}
		for _, n := range []int{1, 2} {
			send(t, l, "later", n)
			time.Sleep(2 * time.Second)
		}
		wants(t, l, "later", 1)
		synctest.Wait()
		wants(t, l, "later", 2)
		if got := l.Counts().Lost; got != 0 {
			t.Errorf("%d were lost", got)
		}
	})
}

func TestRulesApplyToEachMemberOfAGroup(t *testing.T) {
	l := before(t, store.Options{}, chaos.Options{}, "unlucky:drop=100%")
	for _, channel := range []string{"lucky", "unlucky", "reply!x"} {
		if err := l.GroupAdd(t.Context(), nil, "g", channel); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.SendGroup(t.Context(), nil, "g", asgi.MustMessage(asgi.Field{Key: "n", Value: 1})); err != nil {
		t.Fatal(err)
	}
	wants(t, l, "lucky", 1)
	wants(t, l, "unlucky")
	wants(t, l, "reply!", 1)
}

// TestAHeldMessageExpires checks that the pieces of a request body that come after the rest
// was dropped do not fill the memory for a day.
func TestAHeldMessageExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{Expiry: time.Minute}, chaos.Options{}, "held:delay=1s")
		for _, channel := range []string{"held", "other"} {
			if err := l.Send(t.Context(), nil, channel, asgi.MustMessage(asgi.Field{Key: "n", Value: 1}), asgi.Volatile, asgi.Lasting); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		stats, err := l.ChannelStatistics(t.Context(), "held")
		if err != nil || stats.MessagesPending != 1 {
			t.Errorf("after 30 s: %+v, %v", stats, err)
		}
		time.Sleep(time.Minute)
		wants(t, l, "held")
		wants(t, l, "other", 1)
	})
}

func TestFlushDropsHeldMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{}, chaos.Options{}, "c:delay=1s")
		send(t, l, "c", 1)
		if err := l.Flush(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		wants(t, l, "c")
	})
}

func TestRulesChangeWhileMessagesFlow(t *testing.T) {
	l := before(t, store.Options{}, chaos.Options{})
	send(t, l, "c", 1)
	l.SetRules([]chaos.Rule{rule(t, "c:drop=100%")})
	send(t, l, "c", 2)
	l.SetRules(nil)
	send(t, l, "c", 3)
	wants(t, l, "c", 1, 3)
}

// output is a buffer for several goroutines.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func TestCountsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out output
		l := before(t, store.Options{}, chaos.Options{Seed: 7, Log: slog.New(slog.NewTextHandler(&out, nil))}, "c:drop=100%")
		if !strings.Contains(out.String(), "seed=7") || !strings.Contains(out.String(), "c:drop=100%") {
			t.Errorf("the start is not logged: %s", out.String())
		}
		send(t, l, "c", 1, 2, 3)
		time.Sleep(9 * time.Second)
		if strings.Contains(out.String(), "dropped") {
			t.Errorf("counts are logged too early: %s", out.String())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !strings.Contains(out.String(), "channels=c dropped=3") {
			t.Errorf("no counts are logged: %s", out.String())
		}
	})
}

// bare has no extensions.
type bare struct{ asgi.Layer }

func TestItOffersTheExtensionsOfTheLayerBehind(t *testing.T) {
	behind := store.Memory(store.Options{})
	t.Cleanup(func() { behind.Close(context.Background()) })
	if got, want := asgi.Extensions(chaos.New(behind, chaos.Options{})), asgi.Extensions(behind); !slices.Equal(got, want) {
		t.Errorf("it offers %q, want %q", got, want)
	}
	l := chaos.New(bare{behind}, chaos.Options{})
	if got := asgi.Extensions(l); len(got) != 0 {
		t.Errorf("it offers %q", got)
	}
	if err := l.Flush(t.Context(), nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("err = %v", err)
	}
}

func TestHeldMessagesGoBeforeNewOnesAfterTheRulesAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{}, chaos.Options{}, "c:delay=1s")
		send(t, l, "c", 1)
		l.SetRules(nil)
		began := time.Now()
		send(t, l, "c", 2)
		if took := time.Since(began); took != 0 {
			t.Errorf("Send took %v", took)
		}
		time.Sleep(2 * time.Second)
		send(t, l, "c", 3)
		wants(t, l, "c", 1, 2, 3)
	})
}
