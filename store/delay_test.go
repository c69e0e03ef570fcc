package store

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

func delayMessage(channel string, ms int, n int) asgi.Message {
	return asgi.MustMessage(asgi.Fields{{Key: "channel", Value: channel}, {Key: "delay", Value: ms}, {Key: "content", Value: number(n)}}...)
}

func TestDelayedMessageComesAtItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{})
		if err := s.Send(t.Context(), nil, "asgi.delay", delayMessage("jobs", 1500, 7)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		d, err := s.Receive(t.Context(), nil, "jobs")
		if err != nil || d.Message.Int("n") != 7 || time.Since(start) != 1500*time.Millisecond {
			t.Errorf("%v %v after %v", d, err, time.Since(start))
		}
		if !d.Deadline.Equal(time.Now().Add(time.Minute)) {
			t.Errorf("the expiry did not start at the due time: %v", d.Deadline)
		}
	})
}

func TestBadDelayIsLoggedAndDropped(t *testing.T) {
	var log strings.Builder
	s := openMemory(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	content := number(1)
	for i, m := range []asgi.Fields{
		{},
		{{Key: "channel", Value: "a b"}, {Key: "delay", Value: 1}, {Key: "content", Value: content}},
		{{Key: "channel", Value: "jobs"}, {Key: "delay", Value: 0}, {Key: "content", Value: content}},
		{{Key: "channel", Value: "jobs"}, {Key: "delay", Value: 1.5}, {Key: "content", Value: content}},
		{{Key: "channel", Value: "jobs"}, {Key: "delay", Value: 1}, {Key: "content", Value: "text"}},
		{{Key: "channel", Value: "jobs"}, {Key: "delay", Value: 1}, {Key: "content", Value: asgi.Fields{{Key: asgi.ReservedKey, Value: 1}}}},
	} {
		if err := s.Send(t.Context(), nil, "asgi.delay", asgi.MustMessage(m...)); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		if lines := strings.Count(log.String(), "\n"); lines != i+1 {
			t.Errorf("%d: logged %q", i, log.String())
		}
	}
	if st, _ := s.ChannelStatistics(t.Context(), "asgi.delay"); st.MessagesPending != 0 {
		t.Errorf("%+v", st)
	}
}

func TestCapacityOfDelayBoundsHowManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{ChannelCapacity: []PatternCapacity{{"asgi.delay", 2}}})
		due := time.Now().Add(time.Minute)
		for i := range 2 {
			if err := s.SendLater(t.Context(), nil, due, "jobs", number(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.SendLater(t.Context(), nil, due, "jobs", number(2)); !errors.Is(err, asgi.ErrChannelFull) {
			t.Errorf("err = %v", err)
		}
		if st, _ := s.ChannelStatistics(t.Context(), "asgi.delay"); st.MessagesPending != 2 {
			t.Errorf("%+v", st)
		}
	})
}

func TestDelayedMessageIsRetriedUntilItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{Capacity: 1})
		now := time.Now()
		send(t, s, "jobs", 1)
		s.SendLater(t.Context(), nil, now.Add(30*time.Second), "jobs", number(2))
		time.Sleep(40 * time.Second)
		wantPoll(t, s, 1, "jobs")
		time.Sleep(time.Second)
		send(t, s, "other", 0)
		wantPoll(t, s, 2, "jobs")

		s.SendLater(t.Context(), nil, time.Now(), "jobs", number(3))
		synctest.Wait()
		s.SendLater(t.Context(), nil, time.Now(), "jobs", number(4))
		time.Sleep(61 * time.Second)
		wantPoll(t, s, -1, "jobs")
		if st, _ := s.ChannelStatistics(t.Context(), "asgi.delay"); st.MessagesPending != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestDelayedMessageReachesABoundConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{})
		var full atomic.Bool
		full.Store(true)
		var got []int64
		unbind, err := s.Bind("reply!", func(d asgi.Delivery) error {
			if full.Load() {
				return asgi.ErrChannelFull
			}
			got = append(got, d.Message.Int("n"))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s.SendLater(t.Context(), nil, time.Now().Add(time.Second), "reply!a", number(1))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		full.Store(false)
		time.Sleep(time.Second)
		unbind()
		if len(got) != 1 || got[0] != 1 {
			t.Errorf("got %v", got)
		}
	})
}

func TestDelayedMessagesToAFullConnectionKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{})
		var got []int64
		refuse := 1
		unbind, err := s.Bind("reply!", func(d asgi.Delivery) error {
			if d.Channel == "reply!a" && refuse > 0 {
				refuse--
				return asgi.ErrChannelFull
			}
			got = append(got, d.Message.Int("n"))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		due := time.Now().Add(time.Second)
		for n := range 3 {
			s.SendLater(t.Context(), nil, due, "reply!a", number(n))
		}
		s.SendLater(t.Context(), nil, due, "reply!b", number(3))
		time.Sleep(2 * time.Second)
		unbind()
		if want := []int64{3, 0, 1, 2}; !slices.Equal(got, want) {
			t.Errorf("got %v, not %v", got, want)
		}
		if st, _ := s.GlobalStatistics(t.Context()); st.MessagesCount != 4+4 { // to asgi.delay, and to the connections
			t.Errorf("%d messages count as sent, not 8", st.MessagesCount)
		}
	})
}
