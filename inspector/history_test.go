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

func TestHistoryIsBoundedByCount(t *testing.T) {
	h := newHistory(3, 1<<20)
	for id := uint64(1); id <= 10; id++ {
		h.add([]store.Event{sentEvent(id, asgi.TraceID(id), "jobs", "x")}, 0, sightings{})
	}
	if n, _, _ := h.counts(); n != 3 || len(h.byID) != 3 || len(h.chains) != 3 {
		t.Fatalf("%d messages, %d ids, %d chains, want 3 each", n, len(h.byID), len(h.chains))
	}
	if _, ok := h.message(7); ok {
		t.Fatal("an old one is still there")
	}
}

func TestHistoryIsBoundedByBytes(t *testing.T) {
	h := newHistory(1000, 64<<10)
	for id := uint64(1); id <= 10; id++ {
		h.add([]store.Event{sentEvent(id, 1, "jobs", strings.Repeat("x", 20<<10))}, 0, sightings{})
	}
	n, bytes, _ := h.counts()
	if n != 3 || bytes > 64<<10 {
		t.Fatalf("%d messages with %d bytes", n, bytes)
	}
	if v, ok := h.chain(1); !ok || len(v.Entries) != 3 {
		t.Fatal("the chain holds more than the history")
	}
}

func TestAChainTellsTheWholeWay(t *testing.T) {
	h := newHistory(100, 1<<20)
	request := store.Event{
		Kind: store.Sent, ID: 1, Trace: 5, Channel: "http.request", At: time.Unix(0, 0),
		Message: asgi.MustMessage(asgi.Field{Key: "path", Value: "/a"}, asgi.Field{Key: "reply_channel", Value: "web!x"}),
	}
	taken := request
	taken.Kind, taken.Waited, taken.Generation, taken.At = store.Taken, 20*time.Millisecond, 3, time.Unix(0, 2e7)
	reply := sentEvent(2, 5, "web!x", "")
	reply.Generation, reply.Place = 3, "app.star:4"
	h.add([]store.Event{request, taken, reply}, 0, sightings{
		visits: []Visit{{Kind: visitHTTP, Trace: 5, Status: 200, Duration: 30 * time.Millisecond}},
		spans:  []Span{{ID: 1, Worker: 4, Handler: "page (app.star:2)", Began: time.Unix(0, 2e7), Ended: time.Unix(0, 25e6)}},
	})
	v, ok := h.chain(5)
	if !ok || v.Path != "/a" || v.Reply != "web!x" || len(v.Entries) != 2 || v.Visit == nil || v.Visit.Status != 200 {
		t.Fatalf("chain: %+v", v)
	}
	if first := v.Entries[0]; first.Kind != "taken" || first.WaitedMS != 20 || first.Taker != 3 {
		t.Errorf("request: %+v", first)
	}
	if first := v.Entries[0]; first.Worker != 4 || first.Handler != "page (app.star:2)" || first.HandledMS != 5 {
		t.Errorf("its handling: %+v", first)
	}
	if second := v.Entries[1]; second.Place != "app.star:4" || second.Generation != 3 || second.Path != "/a" {
		t.Errorf("reply: %+v", second)
	}
}

func TestHeavyTrafficThatNobodyLooksAtIsRememberedLess(t *testing.T) {
	s := newBench(t, func(o *Options) { o.HistoryMessages = 400 }).server
	if err := s.Shutdown(t.Context()); err != nil { // its own collector would tune too
		t.Fatal(err)
	}
	c, now := &collector{s: s}, time.Unix(100, 0)
	tune := func(sent uint64) (share float64, kept int) {
		now = now.Add(time.Second)
		c.tune(c.sent+sent, now)
		return s.share(), s.history.maxCount
	}
	if share, kept := tune(10); share != 1 || kept != 400 {
		t.Errorf("of little traffic a share of %v is recorded and %d messages are kept, want all", share, kept)
	}
	if share, kept := tune(50_000); share > 2.0*idleEvents/100_000 || kept != 100 {
		t.Errorf("of heavy traffic a share of %v is recorded and %d messages are kept", share, kept)
	}
	if err := s.viewers.enter(); err != nil {
		t.Fatal(err)
	}
	if share, kept := tune(50_000); share < 0.9*lookedEvents/100_000 || kept != 400 {
		t.Errorf("while somebody looks a share of %v is recorded and %d messages are kept", share, kept)
	}
}

func TestViewersGetEachChangeOnce(t *testing.T) {
	h := newHistory(100, 1<<20)
	all := &filter{}
	h.add([]store.Event{sentEvent(1, 1, "a", "x")}, 0, sightings{})
	views, next := h.newest(10, all)
	if len(views) != 1 {
		t.Fatalf("first: %+v", views)
	}
	h.add([]store.Event{sentEvent(2, 2, "a", "x"), sentEvent(3, 3, "a", "x")}, 0, sightings{})
	views, next = h.since(next, 10, all)
	if len(views) != 2 || views[0].ID != 2 {
		t.Fatalf("then: %+v", views)
	}
	if views, _ = h.since(next, 10, all); len(views) != 0 {
		t.Fatalf("again: %+v", views)
	}
}

func TestPercentilesAreWithinAQuarter(t *testing.T) {
	v := newVisits()
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

func TestRefusedMessagesAreToldApart(t *testing.T) {
	h := newHistory(100, 1<<20)
	for _, word := range []string{"one", "two"} {
		h.add([]store.Event{{Kind: store.Refused, Channel: "jobs", Message: text(word), Reason: "the channel is full"}}, 0, sightings{})
	}
	views, _ := h.newest(10, &filter{})
	if len(views) != 2 || views[0].ID == views[1].ID {
		t.Fatalf("seen: %+v", views)
	}
	for i, want := range []string{"one", "two"} {
		if full, ok := h.message(views[i].ID); !ok || full.Preview != want || full.Reason == "" {
			t.Errorf("message %d is %+v", views[i].ID, full)
		}
	}
}
