package testfile

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"asgibox/asgi"
)

// recorder makes traffic for tests. Each input has a trace of its own.
type recorder struct {
	Traffic
	trace asgi.TraceID
	now   time.Time
}

func (r *recorder) add(channel string, fields ...asgi.Field) {
	r.Messages = append(r.Messages, Message{uint64(len(r.Messages) + 1), r.trace, channel, r.now, asgi.MustMessage(fields...)})
}

// input adds a message from the client of a reply channel.
func (r *recorder) input(channel, reply string, fields ...asgi.Field) {
	r.trace++
	r.add(channel, append([]asgi.Field{{Key: asgi.KeyReplyChannel, Value: reply}}, fields...)...)
}

func (r *recorder) get(reply, path string, headers ...any) {
	r.input(asgi.HTTPRequest, reply, field(asgi.KeyMethod, "GET"), field(asgi.KeyPath, path), field(asgi.KeyHeaders, headers))
}

// use adds a use of a value by the handler of the last input.
func (r *recorder) use(key string, before, after any) {
	r.Uses = append(r.Uses, Use{r.trace, key, before, after, true})
}

func field(key string, value any) asgi.Field { return asgi.Field{Key: key, Value: value} }

func (r *recorder) text(t *testing.T) string {
	t.Helper()
	f, err := Write(r.Traffic)
	if err != nil {
		t.Fatal(err)
	}
	return f.Text
}

func expect(t *testing.T, got, want string) {
	t.Helper()
	if _, got, _ = strings.Cut(got, "\n\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestConversationsAreSeparate(t *testing.T) {
	var r recorder
	r.get("web!a", "/a b", []any{"accept", "*/*"}, []any{"x-key", "1"})
	r.add("web!a", field("status", 200), field("content", "hello\nat 10:20"))
	r.get("web!b", "/a b", []any{"accept", "*/*"}, []any{"x-key", "1"})
	r.add("web!b", field("status", 200), field("content", "hello\nat 10:21"))
	r.get("web!c", "/old")
	r.add("web!c", field("status", 304))
	r.get("web!d", "/count")
	r.use("state/n", int64(4), int64(5))
	r.add("web!d", field("status", 200), field("content", `{"n":5}`), field("headers", []any{[]any{"content-type", "application/json"}}))
	r.get("web!e", "/count")
	r.use("state/n", int64(5), int64(6))
	r.add("web!e", field("status", 302), field("headers", []any{[]any{"location", "/x"}}))
	expect(t, r.text(t), `def test_get_a_b(client):
    response = client.get("/a%20b", headers={"x-key": "1"})
    assert_status(response, 200)
    assert_equal(response.text,
        "hello\n" +
        "at " + ANY)

def test_get_count(client):
    client.state.set("n", 4)
    response = client.get("/count")
    assert_status(response, 200)
    assert_equal(response.json(), {"n": 5})
    response = client.get("/count")
    assert_status(response, 302)
    assert_equal(response.headers["location"], "/x")
`)
}

// TestRepliesFollowTheirCause has two clients that write at the same time.
func TestRepliesFollowTheirCause(t *testing.T) {
	var r recorder
	for _, name := range []string{"a", "b"} {
		r.input(asgi.WebSocketConnect, "web!"+name, field(asgi.KeyPath, "/in/"+name))
		r.add("web!"+name, field("accept", true))
	}
	one := r.trace + 1
	r.input(asgi.WebSocketReceive, "web!a", field("text", "one"))
	r.input(asgi.WebSocketReceive, "web!b", field("text", "two"))
	two := r.trace
	for _, trace := range []asgi.TraceID{one, two} {
		r.trace = trace
		r.add("web!a", field("text", "said"), field("bytes", nil))
		r.add("web!b", field("text", "said"))
	}
	r.trace, r.now = one, r.now.Add(3*time.Second)
	r.add("web!a", field("text", "late"), field("close", true))
	r.trace = 1000 // unknown
	r.add("web!b", field("text", "from a timer"))
	f, err := Write(r.Traffic)
	if err != nil || len(f.Skipped) != 1 || !strings.Contains(f.Skipped[0], "1 reply is left out") {
		t.Errorf("%q, %v", f.Skipped, err)
	}
	expect(t, f.Text, `def test_in_a(client):
    a = client.websocket("/in/a")
    b = client.websocket("/in/b")
    a.send("one")
    for each in [a, b]:
        assert_equal(each.receive(), "said")
    b.send("two")
    for each in [a, b]:
        assert_equal(each.receive(), "said")
    assert_equal(a.receive(timeout=4), "late")
    assert_equal(a.closed_with, 1000)
`)
}

func TestBrowsersHaveTheirSessions(t *testing.T) {
	var r recorder
	session := asgi.MustMessage(field("user", "ann")).Dict
	r.get("web!a", "/who", []any{"cookie", "sessionid_1=S.mac; theme=dark"})
	r.use("session/S", session, session)
	r.use("state/x", asgi.Absent, int64(1))
	r.add("web!a", field("status", 200), field("content", asgi.Bytes("\x00\xff")))
	r.get("web!b", "/who")
	r.use("state/x", int64(1), int64(1))
	r.add("web!b", field("status", 403), field("content", "no"))
	expect(t, r.text(t), `def test_get_who(client):
    client.set_session({"user": "ann"})
    response = client.get("/who", headers={"cookie": "theme=dark"})
    assert_status(response, 200)
    assert_equal(response.body, b"\x00\xff")
    client_2 = client.browser()
    response = client_2.get("/who")
    assert_status(response, 403)
    assert_equal(response.text, "no")
`)
}

func TestUnfinishedTraffic(t *testing.T) {
	var r recorder
	r.get("web!a", "/never")
	r.input(asgi.WebSocketConnect, "web!b", field(asgi.KeyPath, "/silent"))
	r.input(asgi.WebSocketReceive, "web!old", field("text", "late"))
	r.get("web!c", "/stream")
	r.add("web!c", field("status", 200), field("content", "one "), field("more_content", true))
	r.add("web!c", field("content", "two"), field("more_content", true))
	r.now = r.now.Add(2 * time.Second)
	r.add("web!c", field("content", "three"), field("more_content", true))
	r.input(asgi.HTTPDisconnect, "web!c")
	r.input(asgi.HTTPRequest, "web!d", field(asgi.KeyMethod, "POST"), field(asgi.KeyPath, "/upload"), field(asgi.KeyBodyChannel, "body?1"))
	f, err := Write(r.Traffic)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, f.Text, `def test_get_never(client):
    stream = client.stream("/never")

def test_get_stream(client):
    stream = client.stream("/stream")
    assert_status(stream, 200)
    assert_equal(stream.receive(), "one two")
    assert_equal(stream.receive(timeout=3), "three")
    stream.close()
`)
	if got := strings.Join(f.Skipped, "\n"); got != "POST /upload is left out, because its body is longer than 4 KiB\n1 message is left out, because the WebSocket was opened before\nthe WebSocket /silent is left out, because its handshake got no reply" {
		t.Errorf("skipped %s", got)
	}
	if _, err := Write(Traffic{}); !errors.Is(err, ErrNothing) {
		t.Errorf("nothing: %v", err)
	}
}

// TestNewObjectsAreFoundByTheirID has a client that uses a UUID of the application,
// and one of its own.
func TestNewObjectsAreFoundByTheirID(t *testing.T) {
	const id, own = "3d1b4a52-7a1c-4a0e-9d0e-0123456789ab", "00000000-7a1c-4a0e-9d0e-0123456789ab"
	json := field("headers", []any{[]any{"content-type", "application/json"}})
	var r recorder
	r.input(asgi.HTTPRequest, "web!a", field(asgi.KeyMethod, "POST"), field(asgi.KeyPath, "/notes"), field(asgi.KeyBody, own))
	r.use("state/note/"+id, asgi.Absent, "x")
	r.add("web!a", field("status", 201), field("content", `[{"id":"`+id+`","own":"`+own+`"}]`), json)
	r.get("web!b", "/notes/"+id)
	r.use("state/note/"+id, "x", "x")
	r.add("web!b", field("status", 200), field("content", `{"id":"`+id+`"}`), json)
	expect(t, r.text(t), `def test_post_notes(client):
    response = client.post("/notes", body="00000000-7a1c-4a0e-9d0e-0123456789ab")
    assert_status(response, 201)
    assert_equal(response.json(), [{"id": ANY, "own": "00000000-7a1c-4a0e-9d0e-0123456789ab"}])
    id = response.json()[0]["id"]
    response = client.get("/notes/" + id)
    assert_status(response, 200)
    assert_equal(response.json(), {"id": id})
`)
}

// requests adds requests with a host each, and their responses.
func (r *recorder) requests(n int, host func(int) string) {
	for i := range n {
		name := fmt.Sprintf("asgibox.response.kQzRtYpLmN!c%d", i)
		r.get(name, fmt.Sprintf("/%d", i), []any{"host", host(i)})
		r.add(name, field("status", 200), field("content", "hello"))
	}
}

// allocated returns the bytes that are allocated while a file is written.
func (r *recorder) allocated(t *testing.T) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r.text(t)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestLargeRecordingsTakeMemoryInProportion compares a recording with one of half its size.
func TestLargeRecordingsTakeMemoryInProportion(t *testing.T) {
	for name, add := range map[string]func(r *recorder, n int){
		"requests": func(r *recorder, n int) { r.requests(n, func(int) string { return "localhost:8000" }) },
		"pieces of a stream": func(r *recorder, n int) {
			r.get("web!a", "/")
			for i := range n {
				r.add("web!a", field("status", 200), field("content", strings.Repeat("x", 1000)), field("more_content", i < n-1))
			}
		},
		"WebSockets": func(r *recorder, n int) {
			for i := range n {
				name := fmt.Sprintf("web!%d", i)
				r.input(asgi.WebSocketConnect, name, field(asgi.KeyPath, "/"))
				r.add(name, field("accept", true))
				r.add("web!0", field("text", "another one"))
			}
		},
		"states that handlers read": func(r *recorder, n int) {
			r.input(asgi.WebSocketConnect, "web!a", field(asgi.KeyPath, "/"))
			r.add("web!a", field("accept", true))
			for i := range n {
				r.input(asgi.WebSocketReceive, "web!a", field("text", "x"))
				r.use(fmt.Sprintf("state/%d", i), strings.Repeat("x", 1000), asgi.Absent)
			}
		},
	} {
		var half, whole recorder
		add(&half, 1000)
		add(&whole, 2000)
		if half, whole := half.allocated(t), whole.allocated(t); whole > 3*half {
			t.Errorf("%s: %d MiB were allocated, and %d MiB for half of them", name, whole>>20, half>>20)
		}
	}
}

func TestHostsThatClientsInvent(t *testing.T) {
	var r recorder
	r.requests(4000, func(i int) string { return fmt.Sprintf("%s%d:80", strings.Repeat("h", 1000), i) })
	r.text(t)
}

func TestANameThatBeginsWithAnother(t *testing.T) {
	var r recorder
	r.get("web!c1", "/1")
	r.add("web!c1", field("status", 200), field("content", "web!c1"))
	r.get("web!c12", "/2")
	r.add("web!c12", field("status", 200), field("content", "web!c12"))
	if text := r.text(t); strings.Contains(text, `"2"`) {
		t.Errorf("a part of a name is in the test:\n%s", text)
	}
}
