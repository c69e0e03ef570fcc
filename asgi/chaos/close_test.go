package chaos_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/chaos"
	"asgibox/store"
)

// slow is a layer whose sends take a second, and fail for the number 2.
type slow struct {
	asgi.Layer
	sent   []int
	causes []*asgi.Cause
}

func (s *slow) Send(_ context.Context, c *asgi.Cause, channel string, m asgi.Message, _ ...asgi.SendOption) error {
	time.Sleep(time.Second)
	n := int(m.Int("n"))
	s.sent, s.causes = append(s.sent, n), append(s.causes, c)
	if n == 2 {
		return &asgi.ChannelFullError{Channel: channel}
	}
	return nil
}

func onSlow(t *testing.T, rules ...string) (*slow, *chaos.Layer) {
	behind := store.Memory(store.Options{})
	t.Cleanup(func() { behind.Close(context.Background()) })
	s := &slow{Layer: behind}
	var o chaos.Options
	for _, r := range rules {
		o.Rules = append(o.Rules, rule(t, r))
	}
	l := chaos.New(s, o)
	t.Cleanup(l.Close)
	return s, l
}

func TestCloseWaitsForASendAndLaterSendsPassStraight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := onSlow(t, "late:delay=1s", "gone:drop=100%")
		began := time.Now()
		send(t, l, "late", 1)
		send(t, l, "gone", 5)
		time.Sleep(1500 * time.Millisecond)
		send(t, l, "late", 3) // held, and dropped by Close
		l.Close()
		if took := time.Since(began); took != 2*time.Second || !slices.Equal(s.sent, []int{1}) {
			t.Errorf("Close returned after %v, %v were sent", took, s.sent)
		}
		send(t, l, "gone", 6)
		if !slices.Equal(s.sent, []int{1, 6}) {
			t.Errorf("%v were sent", s.sent)
		}
		time.Sleep(20 * time.Second) // no timer is left
	})
}

func TestASenderWaitsForItsTurnAndGetsItsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := onSlow(t, "c:drop=0%")
		go func() { _ = l.Send(t.Context(), nil, "c", asgi.MustMessage(asgi.Field{Key: "n", Value: 1})) }()
		synctest.Wait()
		began := time.Now()
		c := asgi.NewCause(7)
		c.Generation = 3
		err := l.Send(t.Context(), c, "c", asgi.MustMessage(asgi.Field{Key: "n", Value: 2}))
		if took := time.Since(began); !errors.Is(err, asgi.ErrChannelFull) || took != 2*time.Second {
			t.Errorf("err = %v after %v", err, took)
		}
		if got := s.causes[1]; !slices.Equal(s.sent, []int{1, 2}) || got.Trace() != 7 || got.Generation != 3 {
			t.Errorf("sent %v, cause %+v", s.sent, got)
		}
	})
}

func TestRulesApplyToSendLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := before(t, store.Options{}, chaos.Options{}, "late:delay=1s", "gone:drop=100%")
		for _, channel := range []string{"late", "gone", "other"} {
			if err := l.SendLater(t.Context(), nil, time.Now().Add(time.Second), channel, asgi.MustMessage(asgi.Field{Key: "n", Value: 1})); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(1500 * time.Millisecond)
		wants(t, l, "other", 1)
		wants(t, l, "late")
		time.Sleep(time.Second)
		wants(t, l, "late", 1)
		wants(t, l, "gone")
		if got := l.Counts(); got != (chaos.Counts{Dropped: 1, Delayed: 1}) {
			t.Errorf("%+v", got)
		}
	})
}
