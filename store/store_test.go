package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

// openMemory returns a store in memory that is closed when the test ends.
func openMemory(t testing.TB, o Options) *Store {
	t.Helper()
	s := Memory(o)
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func number(n int) asgi.Message { return asgi.MustMessage(asgi.Field{Key: "n", Value: n}) }

func send(t testing.TB, s *Store, channel string, n int) {
	t.Helper()
	if err := s.Send(t.Context(), nil, channel, number(n)); err != nil {
		t.Fatalf("send %d to %s: %v", n, channel, err)
	}
}

// poll returns the number in the received message, or -1.
func poll(t testing.TB, s *Store, channels ...string) int {
	t.Helper()
	d, ok, err := s.Poll(t.Context(), nil, channels...)
	if err != nil {
		t.Fatalf("poll %v: %v", channels, err)
	}
	if !ok {
		return -1
	}
	return int(d.Message.Int("n"))
}

func wantPoll(t testing.TB, s *Store, want int, channels ...string) {
	t.Helper()
	if n := poll(t, s, channels...); n != want {
		t.Fatalf("poll %v: %d, want %d", channels, n, want)
	}
}

func TestFirstInFirstOut(t *testing.T) {
	s := openMemory(t, Options{})
	for i := range 100 {
		send(t, s, "jobs", i)
	}
	for i := range 100 {
		wantPoll(t, s, i, "jobs")
	}
	wantPoll(t, s, -1, "jobs")
}

func TestParkedReaderIsHandedTheMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{})
		got := make(chan asgi.Delivery, 1)
		c := asgi.NewCause(0)
		go func() {
			d, err := s.Receive(t.Context(), c, "quiet", "jobs")
			if err != nil {
				t.Error(err)
			}
			got <- d
		}()
		synctest.Wait()
		if err := s.Send(t.Context(), asgi.NewCause(7), "jobs", number(1)); err != nil {
			t.Fatal(err)
		}
		if st, _ := s.ChannelStatistics(t.Context(), "jobs"); st.MessagesPending != 0 || st.MessagesCount != 1 {
			t.Errorf("statistics %+v", st)
		}
		if d := <-got; d.Channel != "jobs" || d.Message.Int("n") != 1 || c.Trace() != 7 {
			t.Errorf("got %+v, trace %v", d, c.Trace())
		}
		send(t, s, "quiet", 2)
		wantPoll(t, s, 2, "quiet")
	})
}

func TestReceiveEndsWithItsContextOrTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{})
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		errs := make(chan error, 2)
		go func() { _, err := s.Receive(ctx, nil, "a"); errs <- err }()
		synctest.Wait()
		cancel(gone)
		if err := <-errs; err != gone {
			t.Errorf("err = %v", err)
		}
		go func() { _, err := s.Receive(t.Context(), nil, "a", "b"); errs <- err }()
		synctest.Wait()
		s.Close(t.Context())
		if err := <-errs; !errors.Is(err, asgi.ErrClosed) {
			t.Errorf("err = %v", err)
		}
		if err := s.Send(t.Context(), nil, "a", number(1)); !errors.Is(err, asgi.ErrClosed) {
			t.Errorf("err = %v", err)
		}
	})
}

func TestQuietChannelIsNotStarved(t *testing.T) {
	s := openMemory(t, Options{})
	for i := range 100 {
		send(t, s, "busy", i)
		send(t, s, "busier", 1000+i)
	}
	poll(t, s, "busy", "busier", "quiet")
	send(t, s, "quiet", -7)
	for range 3 {
		if poll(t, s, "busy", "busier", "quiet") == -7 {
			return
		}
	}
	t.Error("the message was not taken within three receives of three channels")
}

func TestCapacityByPattern(t *testing.T) {
	s := openMemory(t, Options{Capacity: 3, ChannelCapacity: []PatternCapacity{{"jobs.*", 1}, {"jobs.mail", 9}, {"reply!", 2}}})
	for channel, capacity := range map[string]int{"other": 3, "jobs.mail": 1, "http.request.body?xyz": 16} {
		for i := range capacity {
			send(t, s, channel, i)
		}
		err := s.Send(t.Context(), nil, channel, number(99))
		var full *asgi.ChannelFullError
		if !errors.As(err, &full) || full.Channel != channel {
			t.Errorf("%s: err = %v", channel, err)
		}
		if st, _ := s.ChannelStatistics(t.Context(), channel); st.ChannelFullCount != 1 || st.MessagesPending != capacity {
			t.Errorf("%s: %+v", channel, st)
		}
	}
	send(t, s, "reply!a", 1)
	send(t, s, "reply!b", 2)
	if err := s.Send(t.Context(), nil, "reply!c", number(3)); !errors.Is(err, asgi.ErrChannelFull) {
		t.Errorf("process-specific channels do not share their capacity: %v", err)
	}
}

func TestMemoryBoundsAllQueuesTogether(t *testing.T) {
	s := openMemory(t, Options{Memory: 10_000})
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = s.Send(t.Context(), nil, fmt.Sprintf("c%d", i), number(i))
	}
	if !errors.Is(err, asgi.ErrChannelFull) || !strings.Contains(err.Error(), "--memory") {
		t.Fatalf("err = %v", err)
	}
	if poll(t, s, "c0") != 0 {
		t.Error("c0 is lost")
	}
	send(t, s, "c0", 1)
}

func TestExpiredMessagesAreNotDeliveredAndDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{Capacity: 2})
		send(t, s, "jobs", 1)
		time.Sleep(59 * time.Second)
		send(t, s, "jobs", 2)
		if err := s.Send(t.Context(), nil, "jobs", number(3)); !errors.Is(err, asgi.ErrChannelFull) {
			t.Errorf("err = %v", err)
		}
		time.Sleep(time.Second)
		send(t, s, "jobs", 3)
		wantPoll(t, s, 2, "jobs")
		wantPoll(t, s, 3, "jobs")
		wantPoll(t, s, -1, "jobs")
	})
}

func TestExpiredMessagesAreLoggedOnceAChannelAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := openMemory(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		for i := range 3 {
			send(t, s, "jobs", i)
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if !strings.Contains(log.String(), "3 messages expired on jobs: not received within 1m0s") {
			t.Errorf("log: %s", log.String())
		}
		for range 120 {
			send(t, s, "jobs", 1)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if lines := strings.Count(log.String(), "\n"); lines != 3 { // one for each minute with expired messages
			t.Errorf("%d lines:\n%s", lines, log.String())
		}
	})
}

func TestTheLogOfExpiredMessagesNamesFewChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := openMemory(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		send(t, s, "jobs", 1)
		time.Sleep(time.Second)
		for i := range 5000 {
			send(t, s, fmt.Sprintf("from-a-client-%d", i), i)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if lines := strings.Count(log.String(), "\n"); lines != maxExpiryNames+2 { // the rest is logged twice: at once, and after a minute
			t.Errorf("%d lines:\n%.2000s", lines, log.String())
		}
		for _, part := range []string{"1 message expired on jobs:", "messages expired on other channels:"} {
			if !strings.Contains(log.String(), part) {
				t.Errorf("the log does not contain %q", part)
			}
		}
	})
}

func TestNoWarningIfARequestBodyExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := openMemory(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		body, err := s.NewChannel(t.Context(), bodyChannels)
		if err != nil {
			t.Fatal(err)
		}
		send(t, s, body, 1)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		wantPoll(t, s, -1, body)
		if log.Len() > 0 {
			t.Errorf("log: %s", log.String())
		}
	})
}

func TestExpiryOnAProcessChannelDropsItsGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{})
		ctx := t.Context()
		s.GroupAdd(ctx, nil, "room", "reply!a")
		s.GroupAdd(ctx, nil, "room", "jobs")
		s.SendGroup(ctx, nil, "room", number(1))
		time.Sleep(61 * time.Second)
		synctest.Wait()
		members, _ := s.GroupChannels(ctx, nil, "room")
		if fmt.Sprint(members) != "[jobs]" {
			t.Errorf("members %v", members)
		}
	})
}

func TestMembershipEndsWithGroupExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{GroupExpiry: time.Hour})
		ctx := t.Context()
		s.GroupAdd(ctx, nil, "room", "a")
		s.GroupAdd(ctx, nil, "room", "b")
		time.Sleep(30 * time.Minute)
		s.GroupAdd(ctx, nil, "room", "a")
		time.Sleep(31 * time.Minute)
		members, _ := s.GroupChannels(ctx, nil, "room")
		if fmt.Sprint(members) != "[a]" {
			t.Errorf("members %v", members)
		}
		s.SendGroup(ctx, nil, "room", number(1))
		wantPoll(t, s, -1, "b")
		wantPoll(t, s, 1, "a")
	})
}

func TestLargeGroupsGetOneCopyEach(t *testing.T) {
	s := openMemory(t, Options{})
	ctx := t.Context()
	for i := range 1000 {
		s.GroupAdd(ctx, nil, "room", fmt.Sprintf("m%d", i))
		s.GroupAdd(ctx, nil, "room", fmt.Sprintf("m%d", i))
	}
	for i := range 600 {
		s.GroupDiscard(ctx, nil, "room", fmt.Sprintf("m%d", i))
	}
	s.GroupLeave(ctx, nil, "m600")
	if err := s.SendGroup(ctx, nil, "room", number(5)); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		want := -1
		if i > 600 {
			want = 5
		}
		wantPoll(t, s, want, fmt.Sprintf("m%d", i))
		wantPoll(t, s, -1, fmt.Sprintf("m%d", i))
	}
}

func TestSendGroupSkipsFullMembers(t *testing.T) {
	s := openMemory(t, Options{Capacity: 1})
	ctx := t.Context()
	s.GroupAdd(ctx, nil, "room", "a")
	s.GroupAdd(ctx, nil, "room", "b")
	send(t, s, "a", 1)
	if err := s.SendGroup(ctx, nil, "room", number(2)); err != nil {
		t.Fatal(err)
	}
	wantPoll(t, s, 1, "a")
	wantPoll(t, s, -1, "a")
	wantPoll(t, s, 2, "b")
	if st, _ := s.GlobalStatistics(ctx); st.ChannelFullCount != 1 {
		t.Errorf("%+v", st)
	}
}

func TestBoundPrefixReceivesMessages(t *testing.T) {
	s := openMemory(t, Options{})
	ctx := t.Context()
	send(t, s, "reply!a", 1)
	send(t, s, "reply!b", 2)
	var got []string
	var result error
	unbind, err := s.Bind("reply!", func(d asgi.Delivery) error {
		got = append(got, fmt.Sprint(d.Channel, d.Message.Int("n")))
		return result
	})
	if err != nil {
		t.Fatal(err)
	}
	send(t, s, "reply!a", 3)
	if fmt.Sprint(got) != "[reply!a1 reply!b2 reply!a3]" {
		t.Errorf("got %v", got)
	}
	if _, err := s.Bind("reply!", nil); err == nil {
		t.Error("bound twice")
	}
	s.GroupAdd(ctx, nil, "room", "reply!a")
	result = asgi.ErrChannelFull
	if err := s.Send(ctx, nil, "reply!a", number(4)); !errors.Is(err, asgi.ErrChannelFull) {
		t.Errorf("err = %v", err)
	}
	s.SendGroup(ctx, nil, "room", number(5))
	if st, _ := s.ChannelStatistics(ctx, "reply!"); st.MessagesCount != 3 || st.ChannelFullCount != 2 {
		t.Errorf("%+v", st)
	}
	result = asgi.ErrGone
	if err := s.Send(ctx, nil, "reply!a", number(6)); err != nil {
		t.Errorf("sending to a connection that is gone: %v", err)
	}
	if members, _ := s.GroupChannels(ctx, nil, "room"); len(members) != 0 {
		t.Errorf("members %v", members)
	}
	if err := s.Send(ctx, nil, "reply!a", number(6), asgi.ReportGone); err != asgi.ErrGone {
		t.Errorf("sending to a connection that is gone, with a report: %v", err)
	}
	if s.HasReader("reply!a") || !s.HasReader("reply!") {
		t.Error("a gone connection has a reader, or its prefix has none")
	}
	unbind()
	unbind()
	send(t, s, "reply!a", 7)
	d, ok, err := s.Poll(ctx, nil, "reply!")
	if !ok || err != nil || d.Channel != "reply!a" || d.Message.Int("n") != 7 {
		t.Errorf("%+v %v %v", d, ok, err)
	}
}

func TestFlushKeepsParkedReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{})
		ctx := t.Context()
		got := make(chan int64)
		go func() {
			d, _ := s.Receive(ctx, nil, "waiting")
			got <- d.Message.Int("n")
		}()
		synctest.Wait()
		send(t, s, "jobs", 1)
		s.GroupAdd(ctx, nil, "room", "jobs")
		s.SendLater(ctx, nil, time.Now().Add(time.Second), "jobs", number(2))
		s.Set(ctx, nil, "state/x", 1, 0)
		if err := s.Flush(ctx, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		wantPoll(t, s, -1, "jobs")
		if st, _ := s.GlobalStatistics(ctx); st.MessagesPending != 0 {
			t.Errorf("%+v", st)
		}
		if members, _ := s.GroupChannels(ctx, nil, "room"); len(members) != 0 {
			t.Errorf("members %v", members)
		}
		if _, ok, _ := s.Get(ctx, nil, "state/x"); !ok {
			t.Error("state is gone")
		}
		send(t, s, "waiting", 3)
		if n := <-got; n != 3 {
			t.Errorf("got %d", n)
		}
	})
}

func TestStatisticsPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{})
		for i := range 200 {
			send(t, s, "jobs", i)
			if i < 190 {
				wantPoll(t, s, i, "jobs")
			}
			time.Sleep(100 * time.Millisecond)
		}
		st, err := s.ChannelStatistics(t.Context(), "jobs")
		if err != nil || st.MessagesCount != 200 || st.MessagesPending != 10 || st.MessagesMaxAge != time.Second {
			t.Errorf("%+v %v", st, err)
		}
		if st.MessagesCountPerSecond < 9 || st.MessagesCountPerSecond > 11 {
			t.Errorf("%v a second", st.MessagesCountPerSecond)
		}
		all, _ := s.GlobalStatistics(t.Context())
		if all != st {
			t.Errorf("all %+v, one %+v", all, st)
		}
		time.Sleep(11 * time.Second)
		if st, _ = s.ChannelStatistics(t.Context(), "jobs"); st.MessagesCountPerSecond != 0 {
			t.Errorf("%v a second", st.MessagesCountPerSecond)
		}
	})
}

func TestPutBackGoesToTheHead(t *testing.T) {
	s := openMemory(t, Options{Capacity: 2})
	send(t, s, "jobs", 1)
	send(t, s, "jobs", 2)
	d, _, _ := s.Poll(t.Context(), nil, "jobs")
	send(t, s, "jobs", 3)
	if err := s.PutBack(d); err != nil {
		t.Fatal(err)
	}
	for want := 1; want <= 3; want++ {
		wantPoll(t, s, want, "jobs")
	}
}

func TestNewChannelIsUnused(t *testing.T) {
	s := openMemory(t, Options{})
	seen := map[string]bool{}
	for range 100 {
		name, err := s.NewChannel(t.Context(), "body?")
		if err != nil || asgi.CheckSend(name) != nil || !strings.HasPrefix(name, "body?") || seen[name] {
			t.Fatalf("%q, %v", name, err)
		}
		seen[name] = true
	}
	for _, pattern := range []string{"body", "body!", "body?x", "", strings.Repeat("n", 99) + "?"} {
		if _, err := s.NewChannel(t.Context(), pattern); !errors.Is(err, asgi.ErrInvalidName) {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

func TestHasReaderRemembersForTheExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{})
		if s.HasReader("jobs") {
			t.Error("a channel has a reader before the first receive")
		}
		poll(t, s, "jobs")
		time.Sleep(59 * time.Second)
		if !s.HasReader("jobs") {
			t.Error("the reader was forgotten too early")
		}
		time.Sleep(2 * time.Second)
		if s.HasReader("jobs") {
			t.Error("the reader was remembered too long")
		}
	})
}

func TestIdleQueuesAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{})
		for i := range 100 {
			channel := fmt.Sprintf("body?%d", i)
			send(t, s, channel, i)
			wantPoll(t, s, i, channel)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.queues) != 0 || len(s.sweeps) != 0 {
			t.Errorf("%d queues, %d due", len(s.queues), len(s.sweeps))
		}
	})
}

// TestUnusedQueuesAreBounded checks that most queues are removed soon if there are
// very many.
func TestUnusedQueuesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{})
		poll := func(n int) {
			for i := range n {
				if _, _, err := s.Poll(t.Context(), nil, fmt.Sprintf("room-%d", i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		count := func() int {
			synctest.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.queues)
		}
		poll(manyQueues)
		time.Sleep(59 * time.Minute)
		if n := count(); n != manyQueues {
			t.Errorf("%d of %d queues are left", n, manyQueues)
		}
		poll(3 * manyQueues)
		time.Sleep(2 * time.Minute)
		if n := count(); n > manyQueues {
			t.Errorf("%d unused queues are left", n)
		}
		for range 3 {
			for i := range mostQueues {
				if _, _, err := s.Poll(t.Context(), nil, "room-"+strconv.Itoa(rand.Int())); err != nil {
					t.Fatal(i, err)
				}
			}
			time.Sleep(2 * time.Second)
		}
		if n := count(); n > 2*mostQueues {
			t.Errorf("%d unused queues are left of %d", n, 3*mostQueues)
		}
	})
}

// TestNewQueuesAreBoundedAtOnce uses ever new channels, while others are in use, without a
// moment in between.
func TestNewQueuesAreBoundedAtOnce(t *testing.T) {
	const inUse = 1000
	for name, use := range map[string]func(t *testing.T, s *Store, channel string){
		"poll": func(t *testing.T, s *Store, channel string) {
			if _, ok, err := s.Poll(t.Context(), nil, channel, channel+"-2"); ok || err != nil {
				t.Fatal(ok, err)
			}
		},
		"send and receive": func(t *testing.T, s *Store, channel string) {
			if err := s.Send(t.Context(), nil, channel, asgi.Message{}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Receive(t.Context(), nil, channel); err != nil {
				t.Fatal(err)
			}
		},
		"receive in vain": func(t *testing.T, s *Store, channel string) {
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			if _, err := s.Receive(ctx, nil, channel); err == nil {
				t.Fatal("a message")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := openMemory(t, Options{})
				for i := range mostQueues {
					send(t, s, "used-"+strconv.Itoa(i), i)
					if i >= inUse {
						wantPoll(t, s, i, "used-"+strconv.Itoa(i))
					}
				}
				most := 0
				for i := range mostQueues / 10 {
					use(t, s, "new-"+strconv.Itoa(i))
					s.mu.Lock()
					most = max(most, len(s.queues))
					s.mu.Unlock()
				}
				if most > mostQueues+10 {
					t.Errorf("there were %d queues", most)
				}
				for i := range inUse {
					wantPoll(t, s, i, "used-"+strconv.Itoa(i))
				}
			})
		})
	}
}

// TestTheQueuesOfAReceiveStay checks that a receive that makes a queue does not remove
// another one that it names, if there are too many.
func TestTheQueuesOfAReceiveStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{})
		for i := range mostQueues {
			if _, _, err := s.Poll(t.Context(), nil, "room-"+strconv.Itoa(i)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second) // now all can be replaced
		s.mu.Lock()
		defer s.mu.Unlock()
		for n := range 8000 {
			var names []string
			for i := range 8 {
				names = append(names, "room-"+strconv.Itoa((8*n+i)%mostQueues))
			}
			for i := range 8 {
				names = append(names, "new-"+strconv.Itoa(8*n+i))
			}
			for i, q := range s.queuesLocked(nil, names, s.now()) {
				if s.queues[names[i]] != q {
					t.Fatalf("%s was removed", names[i])
				}
			}
		}
	})
}

// TestTheMemoryOfManyQueuesCounts checks that the limit of memory also holds if
// each message has a channel of its own.
func TestTheMemoryOfManyQueuesCounts(t *testing.T) {
	const size = recordFootprint + queueFootprint
	s := openMemory(t, Options{Memory: 2 * manyQueues * size})
	sent := 0
	for ; sent < 4*manyQueues; sent++ {
		if err := s.Send(t.Context(), nil, "room-"+strconv.Itoa(sent), asgi.Message{}); errors.Is(err, asgi.ErrChannelFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if sent > 3*manyQueues {
		t.Errorf("%d messages, each with a channel of its own, fit in the memory of %d", sent, 2*manyQueues)
	}
}

// TestFlushForgetsTheMemoryOfQueues checks that a queue that counted before a flush gives
// back no memory that it did not take after it.
func TestFlushForgetsTheMemoryOfQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{Expiry: time.Minute})
		name := func(i int) string { return "room-" + strconv.Itoa(i) }
		for i := range manyQueues + 1 {
			mustSend(t, s, name(i), asgi.Message{})
		}
		if err := s.Flush(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		poll(t, s, name(manyQueues))
		time.Sleep(40 * time.Second) // until the other queues are removed
		mustSend(t, s, name(manyQueues), asgi.Message{})
		poll(t, s, name(manyQueues))
		if n := s.Debug().Totals().Memory; n != 0 {
			t.Errorf("no message waits, and %d bytes count", n)
		}
	})
}

// TestFlushDuringDeliveries runs both at once, for the race detector: a message to a
// bound prefix is delivered without the lock.
func TestFlushDuringDeliveries(t *testing.T) {
	s := openMemory(t, Options{})
	unbind, err := s.Bind("web!", func(asgi.Delivery) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer unbind()
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := range 1000 {
			if err := s.Send(t.Context(), nil, "web!a", number(i)); err != nil {
				t.Error(err)
			}
		}
	})
	for range 1000 {
		if err := s.Flush(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
	sending.Wait()
}
