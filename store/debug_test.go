package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

func text(s string) asgi.Message { return asgi.MustMessage(asgi.Field{Key: "text", Value: s}) }

func newDebugged(t testing.TB) (*Store, *Debugger) {
	t.Helper()
	s := Memory(Options{})
	t.Cleanup(func() { s.Close(context.Background()) })
	return s, s.Debug()
}

func mustSend(t testing.TB, s *Store, channel string, m asgi.Message) {
	t.Helper()
	if err := s.Send(t.Context(), nil, channel, m); err != nil {
		t.Fatal(err)
	}
}

// receiveSoon receives the messages of the channel in the background.
func receiveSoon(t testing.TB, s *Store, channel string) <-chan asgi.Delivery {
	t.Helper()
	got := make(chan asgi.Delivery, 100)
	ctx := t.Context()
	go func() {
		for {
			d, err := s.Receive(ctx, nil, channel)
			if err != nil {
				return
			}
			got <- d
		}
	}()
	synctest.Wait()
	return got
}

func TestOnlySoManyChannelsCanBePaused(t *testing.T) {
	_, d := newDebugged(t)
	for i := range maxPaused {
		if err := d.Pause(fmt.Sprint("c", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Pause("more"); !errors.Is(err, asgi.ErrTooManyNames) {
		t.Errorf("err = %v", err)
	}
	if err := d.Pause("c0"); err != nil { // it is paused
		t.Error(err)
	}
	if _, err := d.Resume("c0"); err != nil {
		t.Fatal(err)
	}
	if err := d.Pause("more"); err != nil {
		t.Error(err)
	}
}

func TestPausedChannelHoldsStepsAndResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newDebugged(t)
		got := receiveSoon(t, s, "jobs")
		if err := d.Pause("jobs"); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b", "c"} {
			mustSend(t, s, "jobs", text(name))
		}
		synctest.Wait()
		if len(got) != 0 {
			t.Fatal("a paused channel delivered")
		}
		if stepped, err := d.Step("jobs"); !stepped || err != nil {
			t.Fatalf("step: %v, %v", stepped, err)
		}
		synctest.Wait()
		if len(got) != 1 || (<-got).Message.Text("text") != "a" {
			t.Fatal("a step did not deliver exactly the first message")
		}
		if resumed, err := d.Resume("jobs"); err != nil || !resumed {
			t.Fatal(err)
		}
		synctest.Wait()
		if b, c := <-got, <-got; b.Message.Text("text") != "b" || c.Message.Text("text") != "c" {
			t.Fatal("resuming did not deliver the rest in order")
		}
	})
}

func TestStepLetsTheNextPollTakeOne(t *testing.T) {
	s, d := newDebugged(t)
	_ = d.Pause("jobs")
	mustSend(t, s, "jobs", text("a"))
	mustSend(t, s, "jobs", text("b"))
	if _, ok, _ := s.Poll(t.Context(), nil, "jobs"); ok {
		t.Fatal("a poll passed the breakpoint")
	}
	_, _ = d.Step("jobs")
	if m, ok, _ := s.Poll(t.Context(), nil, "jobs"); !ok || m.Message.Text("text") != "a" {
		t.Fatal("a poll after a step took no message")
	}
	if _, ok, _ := s.Poll(t.Context(), nil, "jobs"); ok {
		t.Fatal("one step let two messages pass")
	}
}

func TestStepWithoutMessagesReportsFalse(t *testing.T) {
	_, d := newDebugged(t)
	_ = d.Pause("jobs")
	if stepped, err := d.Step("jobs"); stepped || err != nil {
		t.Fatalf("step: %v, %v", stepped, err)
	}
}

func TestPausedConnectionsGetTheirMessagesInOrderLater(t *testing.T) {
	s, d := newDebugged(t)
	var got []string
	unbind, err := s.Bind("web!", func(m asgi.Delivery) error {
		got = append(got, m.Message.Text("text"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unbind()
	_ = d.Pause("web!")
	mustSend(t, s, "web!x", text("a"))
	mustSend(t, s, "web!x", text("b"))
	if len(got) != 0 {
		t.Fatal("a paused prefix delivered")
	}
	if stepped, err := d.Step("web!"); !stepped || err != nil || len(got) != 1 {
		t.Fatalf("step: %v, %v, delivered %q", stepped, err, got)
	}
	_, _ = d.Resume("web!")
	mustSend(t, s, "web!x", text("c"))
	if len(got) != 3 || got[0]+got[1]+got[2] != "abc" {
		t.Fatalf("delivered %q", got)
	}
}

// TestAHeldMessageWithoutRoomIsLost checks that the reader of a message that was held knows
// that its sender cannot be told.
func TestAHeldMessageWithoutRoomIsLost(t *testing.T) {
	s, d := newDebugged(t)
	lost := make(map[string]bool)
	unbind, err := s.Bind("web!", func(m asgi.Delivery) error {
		lost[m.Message.Text("text")] = m.Lost
		return asgi.ErrChannelFull
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unbind()
	_ = d.Pause("web!")
	mustSend(t, s, "web!x", text("stepped"))
	mustSend(t, s, "web!x", text("resumed"))
	if _, err := d.Step("web!"); !errors.Is(err, asgi.ErrChannelFull) {
		t.Errorf("step: %v", err)
	}
	_, _ = d.Resume("web!")
	if err := s.Send(t.Context(), nil, "web!x", text("sent")); !errors.Is(err, asgi.ErrChannelFull) {
		t.Errorf("send: %v", err)
	}
	if want := map[string]bool{"stepped": true, "resumed": true, "sent": false}; !maps.Equal(lost, want) {
		t.Errorf("lost %v, want %v", lost, want)
	}
}

func TestHeldMessagesDoNotExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newDebugged(t)
		mustSend(t, s, "jobs", text("a"))
		time.Sleep(50 * time.Second)
		_ = d.Pause("jobs")
		time.Sleep(time.Hour)
		_, _ = d.Resume("jobs")
		time.Sleep(9 * time.Second)
		if _, ok, _ := s.Poll(t.Context(), nil, "jobs"); !ok {
			t.Fatal("the time at the breakpoint counted")
		}
		mustSend(t, s, "jobs", text("b"))
		time.Sleep(time.Minute)
		if _, ok, _ := s.Poll(t.Context(), nil, "jobs"); ok {
			t.Fatal("after resuming, messages do not expire")
		}
	})
}

func TestPeekTakesNothing(t *testing.T) {
	s, d := newDebugged(t)
	mustSend(t, s, "jobs", text("a"))
	mustSend(t, s, "jobs", text("b"))
	views, err := d.Peek("jobs", 10)
	if err != nil || len(views) != 2 || views[0].Message.Text("text") != "a" || !views[0].Durable {
		t.Fatalf("peek: %+v, %v", views, err)
	}
	if stats, _ := s.ChannelStatistics(t.Context(), "jobs"); stats.MessagesPending != 2 {
		t.Fatalf("after the peek %d wait, want 2", stats.MessagesPending)
	}
}

func TestWaitingMessagesCanBeEditedAndDropped(t *testing.T) {
	s, d := newDebugged(t)
	for _, name := range []string{"a", "b", "c"} {
		mustSend(t, s, "jobs", text(name))
	}
	views, _ := d.Peek("jobs", 10)
	if err := d.Drop("jobs", views[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := d.Edit("jobs", views[1].ID, text("B")); err != nil {
		t.Fatal(err)
	}
	var gone *NoMessageError
	if err := d.Drop("jobs", views[0].ID); !errors.As(err, &gone) {
		t.Fatalf("dropping twice: %v", err)
	}
	if err := d.Edit("jobs", views[0].ID, text("A")); !errors.As(err, &gone) {
		t.Fatalf("editing a dropped message: %v", err)
	}
	first, _, _ := s.Poll(t.Context(), nil, "jobs")
	second, _, _ := s.Poll(t.Context(), nil, "jobs")
	if first.Message.Text("text") != "B" || second.Message.Text("text") != "c" {
		t.Fatalf("received %v then %v", first.Message, second.Message)
	}
}

func TestDrainEmptiesOneChannel(t *testing.T) {
	s, d := newDebugged(t)
	mustSend(t, s, "jobs", text("a"))
	mustSend(t, s, "other", text("b"))
	if n, err := d.Drain("jobs"); n != 1 || err != nil {
		t.Fatalf("drained %d, %v", n, err)
	}
	if totals := d.Totals(); totals.MessagesPending != 1 {
		t.Fatalf("%d wait, want 1", totals.MessagesPending)
	}
}

func TestViewsDescribeChannelsAndGroups(t *testing.T) {
	s, d := newDebugged(t)
	mustSend(t, s, "jobs", text("a"))
	mustSend(t, s, "busy", text("a"))
	mustSend(t, s, "busy", text("b"))
	_ = s.GroupAdd(t.Context(), nil, "room", "jobs")
	_ = s.GroupAdd(t.Context(), nil, "hall", "jobs")
	views, all := d.Channels(1, nil)
	if all != 2 || len(views) != 1 || views[0].Name != "busy" || views[0].Depth != 2 || views[0].Sent != 2 {
		t.Fatalf("%d channels, first %+v", all, views)
	}
	if err := d.Pause("jobs"); err != nil {
		t.Fatal(err)
	}
	if views, _ := d.Channels(1, nil); views[0].Name != "jobs" || !views[0].Paused {
		t.Fatalf("the paused channel is not first: %+v", views)
	}
	if groups, all := d.Groups(10, nil); all != 2 || groups[0] != (GroupView{"hall", 1}) {
		t.Fatalf("groups: %+v of %d", groups, all)
	}
	if groups, all := d.Groups(10, func(name string) bool { return name == "room" }); all != 1 || groups[0].Name != "room" {
		t.Fatalf("groups called room: %+v of %d", groups, all)
	}
	if names := d.GroupsOf("jobs"); len(names) != 2 || names[0] != "hall" {
		t.Fatalf("groups of jobs: %q", names)
	}
	if members, all := d.Members("room", 10); all != 1 || members[0].Channel != "jobs" {
		t.Fatalf("members of room: %+v of %d", members, all)
	}
}

func TestRecorderRecordsTheEventsOfAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newDebugged(t)
		rec := d.Record(100)
		defer rec.Stop()
		cause := asgi.NewCause(7)
		cause.Generation = 3
		cause.Place = func() string { return "app.star:12" }
		if err := s.Send(t.Context(), cause, "jobs", text("a")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		_, _, _ = s.Poll(t.Context(), nil, "jobs")
		mustSend(t, s, "nobody", text("b"))
		time.Sleep(2 * time.Minute)
		events, lost := rec.Fetch(nil)
		if len(events) != 4 || lost != 0 {
			t.Fatalf("%d events, %d lost: %+v", len(events), lost, events)
		}
		sent, taken, expired := events[0], events[1], events[3]
		if sent.Kind != Sent || sent.Trace != 7 || sent.Place != "app.star:12" || sent.Generation != 3 {
			t.Errorf("sent: %+v", sent)
		}
		if taken.Kind != Taken || taken.ID != sent.ID || taken.Waited != 2*time.Second {
			t.Errorf("taken: %+v", taken)
		}
		if expired.Kind != Expired || expired.Waited < time.Minute {
			t.Errorf("expired: %+v", expired)
		}
	})
}

func TestRecorderRecordsDelayedSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Memory(Options{Capacity: 1})
		t.Cleanup(func() { s.Close(context.Background()) })
		rec := s.Debug().Record(100)
		defer rec.Stop()
		cause := asgi.NewCause(7)
		cause.Generation = 3
		cause.Place = func() string { return "app.star:12" }
		due := time.Now().Add(time.Second)
		if err := s.SendLater(t.Context(), cause, due, "jobs", text("a")); err != nil {
			t.Fatal(err)
		}
		if err := s.SendLater(t.Context(), cause, due, "jobs", text("b")); !errors.Is(err, asgi.ErrChannelFull) {
			t.Fatalf("err = %v", err)
		}
		time.Sleep(2 * time.Second)
		_, _, _ = s.Poll(t.Context(), nil, "jobs")
		events, _ := rec.Fetch(nil)
		if len(events) != 3 {
			t.Fatalf("%+v", events)
		}
		for i, kind := range []EventKind{Delayed, Refused} {
			if e := events[i]; e.Kind != kind || e.Place != "app.star:12" || e.Generation != 3 || (e.Reason != "") != (kind == Refused) {
				t.Errorf("%s: %+v", kind, e)
			}
		}
		if taken := events[2]; taken.Kind != Taken || taken.ID != events[0].ID {
			t.Errorf("taken: %+v", taken)
		}
	})
}

func TestRecorderLimitsTheMemoryOfItsMessages(t *testing.T) {
	s, d := newDebugged(t)
	rec := d.Record(1000)
	const size = 1 << 20
	for range 40 {
		if err := s.Send(t.Context(), nil, "jobs", text(strings.Repeat("x", size))); err != nil {
			t.Fatal(err)
		}
	}
	if events, lost := rec.Fetch(nil); len(events) != recorderBytes/size || lost != 40-recorderBytes/size {
		t.Errorf("%d events, %d lost", len(events), lost)
	}
	mustSend(t, s, "jobs", text("x"))
	if events, lost := rec.Fetch(nil); len(events) != 1 || lost != 0 {
		t.Errorf("after a fetch: %d events, %d lost", len(events), lost)
	}
}

func TestRecorderRespectsItsLimitAndShare(t *testing.T) {
	s, d := newDebugged(t)
	rec := d.Record(2)
	defer rec.Stop()
	for range 3 {
		_ = s.Send(t.Context(), asgi.NewCause(1), "jobs", text("a"))
	}
	if events, lost := rec.Fetch(nil); len(events) != 2 || lost != 1 {
		t.Fatalf("%d events, %d lost, want 2 and 1", len(events), lost)
	}
	rec.SetShare(0.5)
	_ = s.Send(t.Context(), asgi.NewCause(1), "jobs", text("a"))
	_ = s.Send(t.Context(), asgi.NewCause(1<<63+1), "jobs", text("a"))
	if events, _ := rec.Fetch(nil); len(events) != 1 || events[0].Trace != 1 {
		t.Fatalf("recorded %+v, want the trace 1 alone", events)
	}
}

func TestABurstLowersTheShareThatIsRecorded(t *testing.T) {
	const burst = 256
	s, d := newDebugged(t)
	rec := d.Record(8 * burst)
	defer rec.Stop()
	rec.SetBurst(burst)
	rec.Fetch(nil)
	record := func(n int) (recorded int) {
		for i := range n {
			trace := asgi.TraceID(uint64(i) * (math.MaxUint64 / uint64(n)))
			if err := s.Send(t.Context(), asgi.NewCause(trace), "web!x", text("a")); err != nil {
				t.Fatal(err)
			}
		}
		events, _ := rec.Fetch(nil)
		return len(events)
	}
	unbind, err := s.Bind("web!", func(asgi.Delivery) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer unbind()
	if n := record(burst - 1); n != burst-1 || rec.Share() != 1 {
		t.Errorf("recorded %d of few messages, share %v; want all", n, rec.Share())
	}
	if n := record(100 * burst); n < burst || n > 2*burst || rec.Share() == 1 {
		t.Errorf("recorded %d messages of a burst, share %v; want little more than %d", n, rec.Share(), burst)
	}
	rec.SetShare(1)
	if n := record(burst - 1); n != burst-1 {
		t.Errorf("recorded %d messages after the burst; want all", n)
	}
}

func TestRecorderRecordsGroupSendsAndRefusals(t *testing.T) {
	s, d := newDebugged(t)
	rec := d.Record(10)
	defer rec.Stop()
	unbind, err := s.Bind("web!", func(asgi.Delivery) error { return asgi.ErrChannelFull })
	if err != nil {
		t.Fatal(err)
	}
	defer unbind()
	_ = s.GroupAdd(t.Context(), nil, "room", "web!x")
	_ = s.GroupAdd(t.Context(), nil, "room", "jobs")
	if err := s.SendGroup(t.Context(), asgi.NewCause(9), "room", text("a")); err != nil {
		t.Fatal(err)
	}
	events, _ := rec.Fetch(nil)
	if len(events) != 2 {
		t.Fatalf("recorded %+v", events)
	}
	for _, e := range events {
		refused := e.Channel == "web!x"
		if e.Group != "room" || (e.Kind == Refused) != refused || (e.Reason != "") != refused {
			t.Errorf("recorded %+v", e)
		}
	}
}

func TestEditsAndDropsAreDurable(t *testing.T) {
	s := openAt(t, newPath(t), Options{})
	d := s.Debug()
	for i := range 4 {
		send(t, s, "jobs", i)
	}
	settle(t, s)
	send(t, s, "jobs", 4) // not written yet
	waiting, err := d.Peek("jobs", 10)
	if err != nil || len(waiting) != 5 {
		t.Fatalf("%v %v", waiting, err)
	}
	for i, w := range waiting {
		if i%2 == 0 {
			err = d.Edit("jobs", w.ID, number(i+10))
		} else {
			err = d.Drop("jobs", w.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Pause("jobs"); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	s = reopen(t, s)
	for _, want := range []int{10, 12, 14, -1} {
		wantPoll(t, s, want, "jobs")
	}
}

func TestEditsAndDropsSurviveARestart(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "channels.db"), Options{})
	for _, name := range []string{"a", "b", "c", "d"} {
		mustSend(t, s, "jobs", text(name))
	}
	d := s.Debug()
	_ = d.Pause("jobs")
	views, _ := d.Peek("jobs", 10)
	if err := d.Drop("jobs", views[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := d.Edit("jobs", views[1].ID, text("B")); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s)
	var got string
	for {
		m, ok, err := s.Poll(t.Context(), nil, "jobs")
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		got += m.Message.Text("text")
	}
	if len(got) != 3 || !strings.ContainsAny(got, "B") || strings.ContainsAny(got, "ab") {
		t.Fatalf("after a restart %q waits, want B, c and d", got)
	}
}

func TestPeekShowsDelayedMessages(t *testing.T) {
	s, d := newDebugged(t)
	due := time.Now().Add(time.Hour)
	if err := s.SendLater(t.Context(), nil, due, "jobs", text("later")); err != nil {
		t.Fatal(err)
	}
	views, err := d.Peek("asgi.delay", 10)
	if err != nil || len(views) != 1 || views[0].Channel != "jobs" || views[0].Deadline.Sub(due).Abs() > time.Second {
		t.Fatalf("peek: %+v, %v", views, err)
	}
	if totals := d.Totals(); totals.Delayed != 1 {
		t.Fatalf("%d delayed, want 1", totals.Delayed)
	}
}
