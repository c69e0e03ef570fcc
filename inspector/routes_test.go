package inspector

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/inspector/api"
	"asgibox/store"
)

func TestASentMessageReachesItsChannelAndTheHistory(t *testing.T) {
	b := newBench(t, nil)
	var sent struct{ Trace string }
	b.mustCall("/api/send", object{"channel": "jobs", "message": object{"text": "hello", "raw": "\uffffAAE="}}, &sent)
	d, ok, err := b.store.Poll(t.Context(), nil, "jobs")
	if !ok || err != nil || d.Message.Text("text") != "hello" || d.Message.Bytes("raw") != "\x00\x01" {
		t.Fatalf("received %v, %v, %v", d.Message, ok, err)
	}
	b.eventually("the message and its taking are in the history", func() bool {
		_, body := b.get("/api/trace?id=" + sent.Trace)
		return bytes.Contains(body, []byte(`"kind":"taken"`)) && bytes.Contains(body, []byte(`"text":"hello"`))
	})
}

func TestBadCallsReturnTheirErrors(t *testing.T) {
	b := newBench(t, nil)
	for name, c := range map[string]struct {
		path   string
		args   any
		status int
		kind   string
	}{
		"a bad name":                  {"/api/send", object{"channel": "a b", "message": object{}}, 400, "InvalidName"},
		"no message":                  {"/api/send", object{"channel": "a"}, 400, "BadRequest"},
		"too large":                   {"/api/send", object{"channel": "a", "message": object{"x": strings.Repeat("x", 2<<20)}}, 413, "MessageTooLarge"},
		"body too large":              {"/api/send", object{"x": strings.Repeat("x", maxRequest)}, 413, "MessageTooLarge"},
		"no object":                   {"/api/send", 7, 400, "InvalidMessage"},
		"gone":                        {"/api/channel/drop", object{"channel": "a", "id": 99}, 404, "NotFound"},
		"unknown trace":               {"/api/replay", object{"trace": "00000000000000aa"}, 404, "NotFound"},
		"a bad trace":                 {"/api/replay", object{"trace": "x"}, 400, "BadRequest"},
		"a bad code":                  {"/api/connections/close", object{"channel": "a", "code": 12}, 400, "BadRequest"},
		"a code that may not be sent": {"/api/connections/close", object{"channel": "a", "code": 1006}, 400, "BadRequest"},
	} {
		var answer struct{ Error, Detail string }
		status := b.call(c.path, c.args, &answer)
		if status != c.status || answer.Error != c.kind || answer.Detail == "" || name == "body too large" && !strings.Contains(answer.Detail, "8 MiB") {
			t.Errorf("%s: %d %+v, want %d %s", name, status, answer, c.status, c.kind)
		}
	}
}

func TestAPausedChannelHoldsStepsIsEditedAndResumes(t *testing.T) {
	b := newBench(t, nil)
	b.mustCall("/api/channel/pause", object{"channel": "jobs"}, nil)
	for _, name := range []string{"a", "b", "c"} {
		b.mustCall("/api/send", object{"channel": "jobs", "message": object{"text": name}}, nil)
	}
	if _, ok, _ := b.store.Poll(t.Context(), nil, "jobs"); ok {
		t.Fatal("the paused channel delivered")
	}
	_, body := b.get("/api/waiting?channel=jobs")
	var peeked api.Queued
	if err := json.Unmarshal(body, &peeked); err != nil || len(peeked.Messages) != 3 {
		t.Fatalf("waiting: %s", body)
	}
	b.mustCall("/api/channel/drop", object{"channel": "jobs", "id": peeked.Messages[0].ID}, nil)
	b.mustCall("/api/channel/edit", object{"channel": "jobs", "id": peeked.Messages[1].ID, "message": object{"text": "B"}}, nil)
	var step struct{ Stepped bool }
	b.mustCall("/api/channel/step", object{"channel": "jobs"}, &step)
	first, ok, _ := b.store.Poll(t.Context(), nil, "jobs")
	if !step.Stepped || !ok || first.Message.Text("text") != "B" {
		t.Fatalf("after the step: %v, %v", first.Message, ok)
	}
	if _, ok, _ := b.store.Poll(t.Context(), nil, "jobs"); ok {
		t.Fatal("a step let two messages pass")
	}
	b.mustCall("/api/channel/resume", object{"channel": "jobs"}, nil)
	if last, ok, _ := b.store.Poll(t.Context(), nil, "jobs"); !ok || last.Message.Text("text") != "c" {
		t.Fatalf("after resuming: %v, %v", last.Message, ok)
	}
}

func TestGroupsAreChangedAndSentTo(t *testing.T) {
	b := newBench(t, nil)
	b.mustCall("/api/group/add", object{"group": "room", "channel": "a"}, nil)
	b.mustCall("/api/group/add", object{"group": "room", "channel": "b"}, nil)
	b.mustCall("/api/group/discard", object{"group": "room", "channel": "b"}, nil)
	b.mustCall("/api/group/send", object{"group": "room", "message": object{"text": "hi"}}, nil)
	if d, ok, _ := b.store.Poll(t.Context(), nil, "a", "b"); !ok || d.Channel != "a" {
		t.Fatalf("received %v on %q", ok, d.Channel)
	}
	_, body := b.get("/api/groups?name=room")
	if !bytes.Contains(body, []byte(`"channel":"a"`)) || bytes.Contains(body, []byte(`"channel":"b"`)) {
		t.Fatalf("members: %s", body)
	}
}

func TestStateIsReadSetAndDeleted(t *testing.T) {
	b := newBench(t, nil)
	b.mustCall("/api/state/set", object{"key": "rooms", "value": []any{"a", 1}}, nil)
	_, body := b.get("/api/state")
	if !bytes.Contains(body, []byte(`{"key":"rooms","value":["a",1]}`)) {
		t.Fatalf("state: %s", body)
	}
	b.mustCall("/api/state/delete", object{"key": "rooms"}, nil)
	if _, ok, _ := b.store.Get(t.Context(), nil, "state/rooms"); ok {
		t.Fatal("it is still there")
	}
}

func TestFlushEmptiesAll(t *testing.T) {
	b := newBench(t, nil)
	b.mustCall("/api/send", object{"channel": "jobs", "message": object{}}, nil)
	b.mustCall("/api/flush", object{}, nil)
	if _, ok, _ := b.store.Poll(t.Context(), nil, "jobs"); ok {
		t.Fatal("a message is left")
	}
}

func TestReplaySendsTheRequestAgain(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(418)
		_, _ = w.Write([]byte(r.Method + " " + r.RequestURI + " " + r.Header.Get("X-Name")))
	}))
	defer app.Close()
	b := newBench(t, func(o *Options) { o.App = app.URL })
	c := asgi.NewCause(0x77)
	m := asgi.MustMessage(
		asgi.Field{Key: "method", Value: "PUT"}, asgi.Field{Key: "path", Value: "/a b"},
		asgi.Field{Key: "query_string", Value: asgi.Bytes("q=1")}, asgi.Field{Key: "body", Value: asgi.Bytes("x")},
		asgi.Field{Key: "headers", Value: []any{[]any{asgi.Bytes("x-name"), asgi.Bytes("v")}}},
	)
	if err := b.store.Send(t.Context(), c, "http.request", m, asgi.Volatile); err != nil {
		t.Fatal(err)
	}
	var answer api.Response
	b.eventually("the request can be replayed", func() bool {
		return b.call("/api/replay", object{"trace": "0000000000000077"}, &answer) == 200
	})
	if answer.Status != 418 || answer.Body != "PUT /a%20b?q=1 v" {
		t.Fatalf("response %+v", answer)
	}
}

func TestReplaySendsOtherMessagesToTheirChannel(t *testing.T) {
	b := newBench(t, nil)
	var sent struct{ Trace string }
	b.mustCall("/api/send", object{"channel": "jobs", "message": object{"text": "again"}}, &sent)
	_, _, _ = b.store.Poll(t.Context(), nil, "jobs")
	b.eventually("it can be replayed", func() bool { return b.call("/api/replay", object{"trace": sent.Trace}, nil) == 200 })
	if d, ok, _ := b.store.Poll(t.Context(), nil, "jobs"); !ok || d.Message.Text("text") != "again" {
		t.Fatal("the message was not sent again")
	}
}

func TestARequestIsSentToTheApplication(t *testing.T) {
	var target string
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target = r.RequestURI
		_, _ = w.Write([]byte{0xff, 0x00})
	}))
	defer app.Close()
	b := newBench(t, func(o *Options) { o.App = app.URL })
	var answer api.Response
	b.mustCall("/api/play", object{"method": "GET", "path": "/a b?ü=%20", "headers": []any{}}, &answer)
	if answer.Status != 200 || !answer.Binary || answer.Body != "/wA=" || target != "/a%20b?%C3%BC=%20" {
		t.Fatalf("asked for %s, response %+v", target, answer)
	}
	if status := b.call("/api/play", object{"method": "GET", "path": "http://elsewhere/"}, nil); status != 400 {
		t.Fatalf("another server's address: %d", status)
	}
}

func TestConnectionsAreListedAndClosed(t *testing.T) {
	b := newBench(t, nil)
	b.front.open = []api.Connection{{Channel: "web!x", Path: "/chat", FramesIn: 3}}
	_ = b.store.GroupAdd(t.Context(), nil, "room", "web!x")
	b.server.Visited(Visit{Kind: visitDisconnect, Path: "/old", Status: 1013}, func() string { return "1.2.3.4:5" })
	_, body := b.get("/api/connections")
	for _, part := range []string{`"path":"/chat"`, `"groups":["room"]`, `"framesIn":3`, `too busy`} {
		if !bytes.Contains(body, []byte(part)) {
			t.Errorf("%s is missing in %s", part, body)
		}
	}
	b.mustCall("/api/connections/close", object{"channel": "web!x", "code": 4000, "reason": "bye"}, nil)
	if b.front.closed["web!x"] != 4000 {
		t.Fatalf("closed %v", b.front.closed)
	}
}

func TestReloadLoadsTheApplication(t *testing.T) {
	b := newBench(t, nil)
	b.mustCall("/api/reload", object{}, nil)
	if b.pool.reloads != 1 {
		t.Fatal("the application was not loaded")
	}
}

func TestMetricsAreServed(t *testing.T) {
	b := newBench(t, nil)
	b.mustCall("/api/send", object{"channel": "jobs", "message": object{}}, nil)
	b.server.Visited(Visit{Kind: visitHTTP, Status: 204, Duration: 3_000_000}, func() string { return "" })
	status, body := b.get("/metrics")
	if status != 200 {
		t.Fatalf("status %d: %s", status, body)
	}
	for _, line := range []string{
		"asgibox_messages_sent_total 1\n", `asgibox_channel_depth{channel="jobs"} 1` + "\n", "asgibox_workers_busy 1\n",
		`asgibox_http_requests_total{status="2xx"} 1` + "\n", `asgibox_http_request_duration_seconds_bucket{le="0.005"} 1` + "\n",
		"asgibox_generation 3\n", "go_goroutines ",
	} {
		if !bytes.Contains(body, []byte(line)) {
			t.Errorf("%q is missing", line)
		}
	}
}

func TestMetricsFollowPrometheusRules(t *testing.T) {
	b := newBench(t, nil)
	for i := range 2 * maxMetricChannels {
		b.mustCall("/api/send", object{"channel": fmt.Sprintf("jobs.%d", i), "message": object{}}, nil)
	}
	channel, err := b.store.NewChannel(t.Context(), "reply?")
	if err != nil {
		t.Fatal(err)
	}
	b.mustCall("/api/send", object{"channel": channel, "message": object{}}, nil)
	status, body := b.get("/metrics")
	if status != 200 {
		t.Fatalf("status %d: %s", status, body)
	}
	problems, err := promlint.New(bytes.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for line := range strings.Lines(string(body)) {
		if name, _, _ := strings.Cut(strings.TrimPrefix(line, "# HELP "), " "); strings.HasPrefix(line, "# HELP asgibox_") && !strings.Contains(string(body), "# TYPE "+name+" ") {
			t.Errorf("%s has no type", name)
		}
	}
	if n := bytes.Count(body, []byte("asgibox_channel_depth{")); n > maxMetricChannels {
		t.Errorf("%d channels have metrics of their own", n)
	}
	if bytes.Contains(body, []byte("reply?")) {
		t.Error("a single-reader channel has metrics of its own")
	}
}

func TestHealthAndProfilesAreServed(t *testing.T) {
	b := newBench(t, nil)
	if status, body := b.get("/healthz"); status != 200 || string(body) != "ok\n" {
		t.Errorf("healthz: %d %q", status, body)
	}
	if status, _ := b.get("/debug/pprof/goroutine?debug=1"); status != 200 {
		t.Errorf("profiles: %d", status)
	}
	if status, _ := b.get("/nothing"); status != 404 {
		t.Errorf("an unknown path: %d", status)
	}
}

func TestTheLiveStreamHasMatchingMessages(t *testing.T) {
	b := newBench(t, nil)
	resp, err := http.Get(b.url + "/api/live?view=messages&filter=channel:jobs")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b.mustCall("/api/send", object{"channel": "other", "message": object{"text": "no"}}, nil)
	b.mustCall("/api/send", object{"channel": "jobs", "message": object{"text": "yes"}}, nil)
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.Contains(lines.Text(), `"preview":"no"`) {
			t.Fatal("a message that does not match the filter was sent")
		}
		if strings.Contains(lines.Text(), `"preview":"yes"`) {
			return
		}
	}
	t.Fatal("the stream ended:", lines.Err())
}

func TestABadFilterIsExplained(t *testing.T) {
	b := newBench(t, nil)
	if status, body := b.get("/api/messages?filter=chanel:x"); status != 400 || !bytes.Contains(body, []byte("unknown key chanel:")) {
		t.Fatalf("%d %s", status, body)
	}
}

func TestAReboundHostNameIsRefused(t *testing.T) {
	b := newBench(t, nil)
	r, err := http.NewRequest("GET", b.url+"/api/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "rebound.example"
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Fatalf("status %d, want 403", resp.StatusCode)
	}
}

func TestTheSizeOfAResponseIsLimited(t *testing.T) {
	b := newBench(t, nil)
	for range 20 {
		if err := b.store.Send(t.Context(), nil, "jobs", text(strings.Repeat("x", 1<<20)), asgi.Volatile); err != nil {
			t.Fatal(err)
		}
	}
	_, body := b.get("/api/waiting?channel=jobs")
	if len(body) > 2*maxResponse {
		t.Fatalf("the response has %d bytes", len(body))
	}
	var peeked api.Queued
	if err := json.Unmarshal(body, &peeked); err != nil || len(peeked.Messages) < 4 {
		t.Fatalf("%d messages, %v", len(peeked.Messages), err)
	}
}

func TestTheDeepestMessageCanBeSent(t *testing.T) {
	b := newBench(t, nil)
	deep := any(1)
	for range asgi.MaxDepth - 1 {
		deep = []any{deep}
	}
	b.mustCall("/api/send", object{"channel": "jobs", "message": object{"deep": deep}}, nil)
	if status := b.call("/api/send", object{"channel": "jobs", "message": object{"deep": []any{deep}}}, nil); status != 400 {
		t.Fatalf("one deeper: %d", status)
	}
}

func TestTooManyPagesAreRefused(t *testing.T) {
	b := newBench(t, nil)
	b.server.viewers.count.Add(maxViewers)
	if status, body := b.get("/api/live?view=flow"); status != 503 || !bytes.Contains(body, []byte("16 pages are open already")) {
		t.Fatalf("%d %s", status, body)
	}
}

func TestTheNumberOfWorkersIsChanged(t *testing.T) {
	b := newBench(t, nil)
	b.mustCall("/api/workers", object{"workers": 7}, nil)
	if b.pool.workers != 7 {
		t.Errorf("the pool was asked for %d", b.pool.workers)
	}
	if status := b.call("/api/workers", object{"workers": 0}, nil); status != 400 {
		t.Errorf("none: status %d", status)
	}
	alone := newBench(t, func(o *Options) { o.Pool = nil })
	if status := alone.call("/api/workers", object{"workers": 7}, nil); status != 404 {
		t.Errorf("without a pool: status %d", status)
	}
}

func TestAMissingPartIsNotFoundOnEveryPath(t *testing.T) {
	plain := struct{ asgi.Layer }{store.Memory(store.Options{})} // a layer without extensions
	b := newBench(t, func(o *Options) {
		*o = Options{Layer: plain, Remote: remote.NewHandler(plain, remote.Options{})}
	})
	for _, path := range []string{
		"/api/group/send", "/api/group/add", "/api/group/discard", "/api/flush", "/api/state/set", "/api/state/delete", "/api/channel/pause",
		"/api/reload", "/api/workers", "/api/chaos", "/api/connections/close", "/layer/flush",
	} {
		var e remote.Error
		if status := b.call(path, object{}, &e); status != 404 || e.Kind != remote.NotFound || e.Detail == "" {
			t.Errorf("%s: %d %+v", path, status, e)
		}
	}
	for _, path := range []string{"/api/state", "/api/waiting", "/api/chaos"} {
		if status, body := b.get(path); status != 404 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}
