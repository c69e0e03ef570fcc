package inspector

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/inspector/api"
	"asgibox/store"
)

// A record is a history that is filled with events at given milliseconds.
type record struct {
	*history
	ids uint64
}

func newRecord() *record { return &record{history: newHistory(1000, 1<<20)} }

func at(ms int) time.Time { return time.Unix(100, 0).Add(time.Duration(ms) * time.Millisecond) }

// sent adds a message and returns its number.
func (r *record) sent(ms int, trace asgi.TraceID, channel string, fields ...asgi.Field) uint64 {
	r.ids++
	r.add([]store.Event{{Kind: store.Sent, At: at(ms), ID: r.ids, Trace: trace, Channel: channel, Message: asgi.MustMessage(fields...)}}, 0, batch{})
	return r.ids
}

// request adds a request that is sent and returns the number of its message.
func (r *record) request(ms int, trace asgi.TraceID, reply, path string, more ...asgi.Field) uint64 {
	return r.sent(ms, trace, "http.request", append([]asgi.Field{
		{Key: "reply_channel", Value: reply}, {Key: "method", Value: "GET"}, {Key: "path", Value: path},
	}, more...)...)
}

func (r *record) handled(id uint64, began, ended int, handler string) {
	r.add(nil, 0, batch{spans: []Span{{ID: id, Worker: 2, Handler: handler, Began: at(began), Ended: at(ended)}}})
}

func (r *record) visited(v Visit) { r.add(nil, 0, batch{visits: []Visit{v}}) }

// only returns the only exchange.
func (r *record) only(t testing.TB) api.Request {
	t.Helper()
	list := r.requests(10, requestFilter{})
	if len(list) != 1 {
		t.Fatalf("%d requests, want 1: %+v", len(list), list)
	}
	return list[0]
}

var ok = []asgi.Field{{Key: "status", Value: 200}, {Key: "content", Value: "hello"}}

func TestARequestHasItsStates(t *testing.T) {
	r := newRecord()
	want := func(state string) {
		t.Helper()
		if got := r.only(t).State; got != state {
			t.Errorf("state %s, want %s", got, state)
		}
	}
	id := r.request(0, 1, "web!a", "/")
	want("waiting")
	r.add([]store.Event{{Kind: store.Taken, ID: id, Trace: 1, Channel: "http.request", At: at(1)}}, 0, batch{})
	want("running")
	r.handled(id, 1, 2, "page (app.star:1)")
	want("held")
	r.sent(3, 1, "web!a", asgi.Field{Key: "status", Value: 200}, asgi.Field{Key: "more_content", Value: true})
	want("streaming")
	r.visited(Visit{Kind: visitHTTP, Channel: "web!a", Trace: 1, Status: 200, At: at(5), Duration: 5 * time.Millisecond})
	want("done")
	r.visited(Visit{Kind: visitHTTP, Channel: "web!a", Trace: 1, At: at(5)})
	want("left")

	// A playback has no protocol server.
	r = newRecord()
	r.request(0, 1, "play!a", "/")
	r.sent(7, 1, "play!a", ok...)
	want("done")
	if got := r.only(t); got.DurationMS != 7 || got.Timing.WaitingMS != 7 {
		t.Errorf("%+v, %+v", got, got.Timing)
	}
}

func TestASocketHasItsStates(t *testing.T) {
	r := newRecord()
	r.sent(0, 1, "websocket.connect", asgi.Field{Key: "reply_channel", Value: "web!a"}, asgi.Field{Key: "path", Value: "/chat"})
	for _, step := range []struct {
		kind, state string
		status      int
	}{{visitConnecting, "connecting", 0}, {visitConnect, "open", 101}, {visitDisconnect, "closed", 1001}, {visitRefused, "refused", 403}} {
		r.visited(Visit{Kind: step.kind, Channel: "web!a", Trace: 1, Status: step.status, At: at(1)})
		if got := r.only(t); got.State != step.state || !got.Socket || got.Status != step.status {
			t.Errorf("after %s: %+v", step.kind, got)
		}
	}
	r.sent(1, 2, "websocket.receive", asgi.Field{Key: "reply_channel", Value: "web!a"}, asgi.Field{Key: "text", Value: "hi"})
	r.sent(2, 3, "web!a", asgi.Field{Key: "text", Value: "hello"})
	if got := r.only(t); got.FramesIn != 1 || got.Parts != 1 || got.BytesIn != 2 || got.BytesOut != 5 {
		t.Errorf("frames: %+v", got)
	}
	r.sent(3, 5, "websocket.connect", asgi.Field{Key: "reply_channel", Value: "play!a"}, asgi.Field{Key: "path", Value: "/played"})
	r.sent(4, 6, "websocket.receive", asgi.Field{Key: "reply_channel", Value: "play!a"}, asgi.Field{Key: "text", Value: "hi"})
	played := func() api.Request { return r.requests(1, requestFilter{})[0] }
	if got := played(); got.State != "open" {
		t.Errorf("a played socket: %+v", got)
	}
	r.sent(5, 7, "websocket.disconnect", asgi.Field{Key: "reply_channel", Value: "play!a"}, asgi.Field{Key: "code", Value: 1000})
	if got := played(); got.State != "closed" || got.Status != 1000 || got.DurationMS != 2 {
		t.Errorf("a played socket: %+v", got)
	}
	// A socket that the history does not know begins with its next frame.
	r.clear()
	r.sent(3, 4, "websocket.receive", asgi.Field{Key: "reply_channel", Value: "web!a"}, asgi.Field{Key: "path", Value: "/chat"}, asgi.Field{Key: "text", Value: "again"})
	if got := r.only(t); got.State != "open" || !got.Partial || got.Path != "/chat" {
		t.Errorf("after clear: %+v", got)
	}
}

func TestTheTimeOfARequestIsDivided(t *testing.T) {
	r := newRecord()
	id := r.request(10, 1, "web!a", "/")
	r.sent(50, 1, "web!a", ok...)
	r.handled(id, 20, 40, "page (app.star:1)")
	r.visited(Visit{Kind: visitHTTP, Channel: "web!a", Trace: 1, Status: 200, Bytes: 5, At: at(100), Duration: 100 * time.Millisecond, Disk: 30 * time.Millisecond})
	got := r.only(t)
	if want := (api.Timing{ReceivingMS: 10, WaitingMS: 10, HandlerMS: 20, HeldMS: 10, DiskMS: 30, WritingMS: 20}); *got.Timing != want {
		t.Errorf("%+v, want %+v", *got.Timing, want)
	}
	if got.DurationMS != 100 || got.Handler != "page (app.star:1)" || got.Worker != 2 {
		t.Errorf("%+v", got)
	}

	// The handler continues after the response.
	r = newRecord()
	id = r.request(0, 1, "web!a", "/")
	r.sent(30, 1, "web!a", ok...)
	r.visited(Visit{Kind: visitHTTP, Channel: "web!a", Trace: 1, Status: 200, At: at(40), Duration: 40 * time.Millisecond})
	r.handled(id, 20, 500, "page")
	if got, want := *r.only(t).Timing, (api.Timing{WaitingMS: 20, HandlerMS: 10, WritingMS: 10}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}

	// The request waits until the server refuses it.
	r = newRecord()
	r.request(0, 1, "web!a", "/")
	r.visited(Visit{Kind: visitHTTP, Channel: "web!a", Trace: 1, Status: 503, At: at(70), Duration: 70 * time.Millisecond})
	if got := r.only(t); *got.Timing != (api.Timing{WaitingMS: 70}) || !got.Server || got.Status != 503 {
		t.Errorf("%+v, %+v", got, *got.Timing)
	}
}

func TestRefusedRequestsAreListed(t *testing.T) {
	b := newBench(t, nil)
	for range 2 * maxUnsent {
		b.server.Visited(Visit{Kind: visitHTTP, Method: "GET", Path: "/<bad>", Status: 400}, func() string { return "127.0.0.1:1" })
	}
	b.server.Visited(Visit{Kind: visitHTTP, Method: "GET", Path: "/unrecorded", Trace: 5, Status: 200}, func() string { return "" })
	var list api.Requests
	if status, body := b.get("/api/requests?limit=1000"); status != 200 || json.Unmarshal(body, &list) != nil {
		t.Fatalf("%d: %s", status, body)
	}
	if n := len(list.Requests); n == 0 || n > 2*maxUnsent {
		t.Fatalf("%d requests", n)
	}
	if got := list.Requests[0]; got.State != "done" || got.Status != 400 || !got.Server || got.Client != "127.0.0.1:1" || got.Timing != nil {
		t.Errorf("%+v", got)
	}
}

func TestOwnPathsAreNotListed(t *testing.T) {
	r := newRecord()
	r.request(0, 1, "web!a", "/__asgibox__/generation")
	r.sent(1, 1, "web!a", ok...)
	r.visited(Visit{Kind: visitHTTP, Path: "/__asgibox__/x", Status: 400})
	if list := r.requests(10, requestFilter{}); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestTheListOfRequestsIsLimited(t *testing.T) {
	r := newRecord()
	r.sent(0, 1, "websocket.connect", asgi.Field{Key: "reply_channel", Value: "web!open"}, asgi.Field{Key: "path", Value: "/open"})
	for i := range 3 * maxExchanges {
		reply := fmt.Sprintf("web!%d", i)
		r.request(i, asgi.TraceID(i+2), reply, "/", asgi.Field{Key: "body_channel", Value: "http.request.body?" + reply})
		r.visited(Visit{Kind: visitHTTP, Channel: reply, Status: 200})
	}
	list := r.requests(10*maxExchanges, requestFilter{})
	if n := len(list); n < maxExchanges || n > maxExchanges+spareExchanges || len(r.exchanges.byChannel) > 2*n {
		t.Fatalf("%d requests, %d channels", n, len(r.exchanges.byChannel))
	}
	if list[0].Path != "/open" {
		t.Error("an open socket is missing, although requests after it have ended")
	}
	for i := range 3 * maxExchanges { // none of them ends
		r.request(i, 1, fmt.Sprintf("web!more%d", i), "/")
	}
	if n := len(r.exchanges.list); n > maxExchanges+spareExchanges {
		t.Fatalf("%d requests are listed", n)
	}
}

func TestRequestFiltersSelectRequests(t *testing.T) {
	r := newRecord()
	id := r.request(0, 0xab, "web!a", "/a", asgi.Field{Key: "query_string", Value: asgi.Bytes("x=1")})
	r.handled(id, 0, 1, "page (app.star:1)")
	r.sent(1, 1, "web!a", asgi.Field{Key: "status", Value: 404},
		asgi.Field{Key: "headers", Value: mustList(mustList(asgi.Bytes("Content-Type"), asgi.Bytes("application/JSON; charset=utf-8")))})
	r.visited(Visit{Kind: visitHTTP, Channel: "web!a", Status: 404, Client: "10.0.0.1:5", At: at(500), Duration: 500 * time.Millisecond})
	r.sent(0, 2, "websocket.connect", asgi.Field{Key: "reply_channel", Value: "web!b"}, asgi.Field{Key: "path", Value: "/b"})
	r.visited(Visit{Kind: visitConnect, Channel: "web!b", Status: 101})
	for text, want := range map[string]string{
		"": "/a?x=1 /b", "method:get path:/a": "/a?x=1", "status:404": "/a?x=1", "status:4xx": "/a?x=1", "-status:4*": "/b", "is:error": "/a?x=1",
		"is:socket": "/b", "is:http": "/a?x=1", "state:open,held": "/b", "state:done": "/a?x=1", "type:*json": "/a?x=1", "handler:PAGE": "/a?x=1",
		"client:10.0": "/a?x=1", "slower:499 is:http": "/a?x=1", "slower:500 is:http": "", "trace:00000000000000AB": "/a?x=1", "x=1": "/a?x=1", "nothing": "",
	} {
		f, err := parseRequestFilter(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var got []string
		for _, x := range r.requests(10, f) {
			got = append(got, x.Path)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q selects %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"kind:sent": "unknown key kind:; use method", "state:gone": "unknown state gone; use waiting", "is:x": "unknown is:x", "slower:fast": "must be a number", "trace:xyz": "hexadecimal",
	} {
		if _, err := parseRequestFilter(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func mustList(items ...any) asgi.List {
	list, err := asgi.NewList(items...)
	if err != nil {
		panic(err)
	}
	return list
}

func TestViewersGetChangedRequestsOnce(t *testing.T) {
	r := newRecord()
	f, err := parseRequestFilter("state:waiting,held")
	if err != nil {
		t.Fatal(err)
	}
	id := r.request(0, 1, "web!a", "/a")
	r.request(0, 2, "web!b", "/b")
	changed, others, next := r.requestsSince(0, f)
	if len(changed) != 2 || len(others) != 0 {
		t.Fatalf("first: %+v, %v", changed, others)
	}
	if changed, others, _ = r.requestsSince(next, f); len(changed)+len(others) != 0 {
		t.Fatalf("again: %+v, %v", changed, others)
	}
	r.handled(id, 0, 1, "page")
	if changed, _, next = r.requestsSince(next, f); len(changed) != 1 || changed[0].State != "held" {
		t.Fatalf("held: %+v", changed)
	}
	r.visited(Visit{Kind: visitHTTP, Channel: "web!a", Status: 200})
	if changed, others, _ = r.requestsSince(next, f); len(changed) != 0 || !slices.Equal(others, []int{1}) {
		t.Fatalf("done: %+v, %v", changed, others)
	}
}

func TestALongExchangeHasItsFirstAndNewestMessages(t *testing.T) {
	r := newRecord()
	r.request(0, 1, "web!a", "/", asgi.Field{Key: "body_channel", Value: "http.request.body?x"})
	r.sent(1, 2, "http.request.body?x", asgi.Field{Key: "content", Value: asgi.Bytes("rest")})
	for i := range maxParts {
		r.sent(2, 1, "web!a", asgi.Field{Key: "status", Value: 200}, asgi.Field{Key: "content", Value: fmt.Sprint(i)}, asgi.Field{Key: "more_content", Value: true})
	}
	full, ok := r.history.request(1)
	if !ok || len(full.Messages) != maxParts || full.Left != 2 || full.BytesIn != 4 {
		t.Fatalf("%d messages, %d left, %d bytes", len(full.Messages), full.Left, full.BytesIn)
	}
	if first, last := full.Messages[1], full.Messages[maxParts-1]; first.Channel != "http.request.body?x" || !strings.Contains(last.Preview, fmt.Sprint(maxParts-1)) {
		t.Errorf("%+v ... %+v", first, last)
	}
	if id := r.requestWith(2); id != 1 {
		t.Errorf("the request with a trace of its body: %d", id)
	}
	if id := r.requestWith(77); id != 0 {
		t.Errorf("the request with an unknown trace: %d", id)
	}
	if _, ok := r.history.request(2); ok {
		t.Error("found a request that does not exist")
	}
}
