package inspector

import (
	"strings"
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/store"
)

func sentEvent(id uint64, trace asgi.TraceID, channel, words string) store.Event {
	return store.Event{Kind: store.Sent, At: time.Unix(int64(id), 0), ID: id, Trace: trace, Channel: channel, Message: text(words)}
}

func TestTheHistoryLimitsItsMessages(t *testing.T) {
	h := newHistory(3, 1<<20)
	for id := uint64(1); id <= 10; id++ {
		h.add([]store.Event{sentEvent(id, asgi.TraceID(id), "jobs", "x")}, 0, batch{})
	}
	if n, _, _ := h.counts(); n != 3 || len(h.byID) != 3 || len(h.chains) != 3 {
		t.Fatalf("%d messages, %d ids, %d chains, want 3 each", n, len(h.byID), len(h.chains))
	}
	if _, ok := h.message(7); ok {
		t.Fatal("an old message is still there")
	}
}

func TestTheHistoryLimitsItsBytes(t *testing.T) {
	h := newHistory(1000, 64<<10)
	for id := uint64(1); id <= 10; id++ {
		h.add([]store.Event{sentEvent(id, 1, "jobs", strings.Repeat("x", 20<<10))}, 0, batch{})
	}
	n, bytes, _ := h.counts()
	if n != 3 || bytes > 64<<10 {
		t.Fatalf("%d messages with %d bytes", n, bytes)
	}
	if v, ok := h.trace(1); !ok || len(v.Messages) != 3 {
		t.Fatal("the chain holds more than the history")
	}
}

// TestTheHistoryFreesTheMemoryOfOldMessages checks that the list of changes does not
// keep their content.
func TestTheHistoryFreesTheMemoryOfOldMessages(t *testing.T) {
	h := newHistory(1000, 64<<10)
	var events []store.Event
	for id := uint64(1); id <= 10; id++ {
		events = append(events, sentEvent(id, 1, "jobs", strings.Repeat("x", 20<<10)))
	}
	h.add(events, 0, batch{})
	held := 0
	for _, e := range h.changes {
		held += len(e.content)
	}
	if held > 64<<10 {
		t.Errorf("the changes hold %d bytes", held)
	}
	if messages, _ := h.since(0, 100, &filter{}); len(messages) != 3 {
		t.Errorf("%d messages have changed, want the 3 that are left", len(messages))
	}
}

func TestATraceHasItsMessagesVisitAndHandling(t *testing.T) {
	h := newHistory(100, 1<<20)
	request := store.Event{
		Kind: store.Sent, ID: 1, Trace: 5, Channel: "http.request", At: time.Unix(0, 0),
		Message: asgi.MustMessage(asgi.Field{Key: "path", Value: "/a"}, asgi.Field{Key: "reply_channel", Value: "web!x"}),
	}
	taken := request
	taken.Kind, taken.Waited, taken.Generation, taken.At = store.Taken, 20*time.Millisecond, 3, time.Unix(0, 2e7)
	reply := sentEvent(2, 5, "web!x", "")
	reply.Generation, reply.Place = 3, "app.star:4"
	h.add([]store.Event{request, taken, reply}, 0, batch{
		visits: []Visit{{Kind: visitHTTP, Trace: 5, Status: 200, Duration: 30 * time.Millisecond}},
		spans:  []Span{{ID: 1, Worker: 4, Handler: "page (app.star:2)", Began: time.Unix(0, 2e7), Ended: time.Unix(0, 25e6)}},
	})
	v, ok := h.trace(5)
	if !ok || v.Path != "/a" || v.Reply != "web!x" || len(v.Messages) != 2 || v.Visit == nil || v.Visit.Status != 200 {
		t.Fatalf("chain: %+v", v)
	}
	if first := v.Messages[0]; first.Kind != "taken" || first.WaitedMS != 20 || first.Taker != 3 {
		t.Errorf("request: %+v", first)
	}
	if first := v.Messages[0]; first.Worker != 4 || first.Handler != "page (app.star:2)" || first.HandledMS != 5 {
		t.Errorf("its handling: %+v", first)
	}
	if second := v.Messages[1]; second.Place != "app.star:4" || second.Generation != 3 || second.Path != "/a" {
		t.Errorf("reply: %+v", second)
	}
}

func TestLessHeavyTrafficIsStoredWhileNoPageIsOpen(t *testing.T) {
	s := newBench(t, func(o *Options) { o.HistoryMessages = 400 }).server
	if err := s.Shutdown(t.Context()); err != nil { // stops its own collector
		t.Fatal(err)
	}
	c, now := &collector{s: s}, time.Unix(100, 0)
	tune := func(sent uint64) (share float64, stored int) {
		now = now.Add(time.Second)
		c.tune(c.sent+sent, now)
		return s.recorder.Share(), s.history.maxCount
	}
	if share, stored := tune(10); share != 1 || stored != 400 {
		t.Errorf("light traffic: share %v, %d messages stored, want all", share, stored)
	}
	if share, stored := tune(50_000); share > 2.0*idleEvents/100_000 || stored != 100 {
		t.Errorf("heavy traffic: share %v, %d messages stored", share, stored)
	}
	if err := s.viewers.add(); err != nil {
		t.Fatal(err)
	}
	if share, stored := tune(50_000); share < 0.9*viewedEvents/100_000 || stored != 400 {
		t.Errorf("heavy traffic with an open page: share %v, %d messages stored", share, stored)
	}
}

func TestViewersGetEachChangeOnce(t *testing.T) {
	h := newHistory(100, 1<<20)
	all := &filter{}
	h.add([]store.Event{sentEvent(1, 1, "a", "x")}, 0, batch{})
	messages, next := h.newest(10, all)
	if len(messages) != 1 {
		t.Fatalf("first: %+v", messages)
	}
	h.add([]store.Event{sentEvent(2, 2, "a", "x"), sentEvent(3, 3, "a", "x")}, 0, batch{})
	messages, next = h.since(next, 10, all)
	if len(messages) != 2 || messages[0].ID != 2 {
		t.Fatalf("then: %+v", messages)
	}
	if messages, _ = h.since(next, 10, all); len(messages) != 0 {
		t.Fatalf("again: %+v", messages)
	}
}

func TestPercentilesAreWithinAQuarter(t *testing.T) {
	v := &visits{}
	for ms := 1; ms <= 100; ms++ {
		v.add(&Visit{Kind: visitHTTP, Status: 200, Duration: time.Duration(ms) * time.Millisecond})
	}
	counts := v.snapshot()
	for part, want := range map[float64]float64{0.5: 50, 0.95: 95, 0.99: 99} {
		if got := percentile(&counts, part); got < want || got > want*1.3 {
			t.Errorf("p%v: %v ms, want about %v", part*100, got, want)
		}
	}
}

func TestRefusedMessagesHaveDifferentNumbers(t *testing.T) {
	h := newHistory(100, 1<<20)
	for _, word := range []string{"one", "two"} {
		h.add([]store.Event{{Kind: store.Refused, Channel: "jobs", Message: text(word), Reason: "the channel is full"}}, 0, batch{})
	}
	messages, _ := h.newest(10, &filter{})
	if len(messages) != 2 || messages[0].ID == messages[1].ID {
		t.Fatalf("seen: %+v", messages)
	}
	for i, want := range []string{"one", "two"} {
		if full, ok := h.message(messages[i].ID); !ok || full.Preview != want || full.Reason == "" {
			t.Errorf("message %d is %+v", messages[i].ID, full)
		}
	}
}

func TestAMessageWithoutARouteHasThatOutcome(t *testing.T) {
	h := newHistory(10, 1<<20)
	h.add([]store.Event{sentEvent(1, 1, "jobs", "x"), sentEvent(2, 2, "jobs", "y")}, 0, batch{})
	_, next := h.newest(10, &filter{})
	h.add(nil, 0, batch{spans: []Span{{ID: 2, Unrouted: true}}})
	f, err := parseFilter(`kind:"no route"`)
	if err != nil {
		t.Fatal(err)
	}
	messages, _ := h.since(next, 10, f)
	if len(messages) != 1 || messages[0].ID != 2 || messages[0].Kind != "no route" {
		t.Errorf("%+v", messages)
	}
}
