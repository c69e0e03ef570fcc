package inspector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"asgibox/asgi"
	"asgibox/asgi/codec"
)

// line is one message of a recording.
func line(id int, channel string, fields ...asgi.Field) string {
	return fmt.Sprintf(`{"id": %d, "channel": %q, "kind": "taken", "sent": %d, "message": %s}`, id, channel, id, codec.AppendJSON(nil, asgi.MustMessage(fields...)))
}

func field(key string, value any) asgi.Field { return asgi.Field{Key: key, Value: value} }

// play plays a recording and answers what came of it.
func (b *bench) play(lines ...string) (v playbackView) {
	b.Helper()
	resp, err := http.Post(b.url+"/api/playback?speed=full", "application/x-ndjson", strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	for d := json.NewDecoder(resp.Body); d.More(); {
		v = playbackView{}
		if err := d.Decode(&v); err != nil {
			b.Fatal(err)
		}
	}
	return v
}

// answerAll is an application that answers each message with what reply says.
func (b *bench) answerAll(reply func(channel string, m asgi.Message) asgi.Message) {
	go func() {
		for {
			d, err := b.store.Receive(b.Context(), nil, "http.request", "websocket.connect", "websocket.receive", "websocket.disconnect")
			if err != nil {
				return
			}
			if m := reply(d.Channel, d.Message); m.Len() > 0 {
				_ = b.store.Send(b.Context(), nil, d.Message.Text("reply_channel"), m)
			}
		}
	}()
}

func TestAPlaybackDoesNotGoOnBeforeItIsAnsweredAsItWas(t *testing.T) {
	b := newBench(t, nil)
	var mu sync.Mutex // guards order
	var order []string
	b.answerAll(func(channel string, m asgi.Message) asgi.Message {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, m.Text("path")+channel)
		if channel == "websocket.disconnect" {
			return asgi.Message{}
		}
		return asgi.MustMessage(field("accept", true))
	})
	accepted := field("accept", true)
	v := b.play(
		line(1, "websocket.connect", field("reply_channel", "web!a"), field("path", "/a"), field("order", 0)),
		line(2, "web!a", accepted),
		line(3, "websocket.connect", field("reply_channel", "web!b"), field("path", "/b"), field("order", 0)),
		line(4, "web!b", accepted),
		line(5, "websocket.receive", field("reply_channel", "web!b"), field("path", "/b"), field("text", "x"), field("order", 1)),
		line(6, "web!b", accepted),
		line(7, "websocket.disconnect", field("reply_channel", "web!a"), field("path", "/a"), field("order", 1)),
		line(8, "websocket.disconnect", field("reply_channel", "web!b"), field("path", "/b"), field("order", 2)),
	)
	if !v.Finished || v.Same != 2 || v.Different != 0 || v.Done != 5 {
		t.Errorf("%+v", v)
	}
	mu.Lock()
	defer mu.Unlock()
	want := []string{"/awebsocket.connect", "/bwebsocket.connect", "/bwebsocket.receive"}
	if len(order) < 3 || !slices.Equal(order[:3], want) {
		t.Errorf("the application saw %q", order)
	}
}

func TestAPlaybackLeavesOutWhatWasRecordedInPart(t *testing.T) {
	b := newBench(t, nil)
	b.answerAll(func(string, asgi.Message) asgi.Message {
		return asgi.MustMessage(field("status", 200), field("content", "a"))
	})
	request := func(id int, reply string, more ...asgi.Field) string {
		return line(id, "http.request", append([]asgi.Field{field("reply_channel", reply), field("path", "/"), field("method", "GET")}, more...)...)
	}
	v := b.play(
		line(1, "websocket.receive", field("reply_channel", "web!before"), field("order", 4), field("text", "x")),
		line(2, "web!before", field("text", "y")),
		line(3, "websocket.connect", field("reply_channel", "web!gap"), field("order", 0)),
		line(4, "websocket.receive", field("reply_channel", "web!gap"), field("order", 2), field("text", "x")),
		request(5, "web!long", field("body_channel", "http.request.body?x")),
		request(6, "web!whole"),
		line(7, "web!whole", field("status", 200), field("content", "a")),
		line(8, "web!nobody", field("status", 200)),
	)
	if v.All != 1 || v.Done != 1 || v.Same != 1 || v.Skipped != 3 {
		t.Errorf("%+v", v)
	}
}

func TestAPlaybackEndsWhereTheApplicationAnswersNothing(t *testing.T) {
	b := newBench(t, nil)
	b.answerAll(func(string, asgi.Message) asgi.Message { return asgi.Message{} })
	v := b.play(
		line(1, "http.request", field("reply_channel", "web!a"), field("path", "/"), field("method", "GET")),
		line(2, "web!a", field("status", 200), field("content", "a")),
	)
	if !v.Finished || v.Different != 1 || !slices.Equal(v.Details[0].Diff, []string{"-200", "-a"}) || v.Details[0].What != "GET /" {
		t.Errorf("%+v", v)
	}
}

func TestWhatIsDifferentEachTimeIsTheSame(t *testing.T) {
	names := strings.NewReplacer("web!a", "<1>", "play.x!a", "<1>")
	for want, got := range map[string]string{
		"hello web!a":                               "hello play.x!a",
		"at 2026-01-31T10:00:00Z":                   "at 2026-02-01T11:22:33.5Z",
		"at 2026-01-31 10:00:00.123 +0000 UTC":      "at 2026-02-01 11:22:33 +0000 UTC",
		"at Sat, 31 Jan 2026 10:00:00 GMT":          "at Sun, 01 Feb 2026 11:22:33 GMT",
		"10:00 x":                                   "11:22 x",
		`{"t":1769853600}`:                          `{"t":1769940000}`,
		`{"t":1769853600123}`:                       `{"t":1769940000456}`,
		"1769853600.25":                             "1769940000.5",
		"id 0190c2f0-1111-4abc-8def-000000000001 x": "id 0190c2f0-2222-4abc-8def-000000000002 x",
		"jobs?AQ5XUFVGNIR5DVTW":                     "jobs?BBBXUFVGNIR5DVTW",
	} {
		if d := compared([]string{want}, []string{got}, names); d != nil {
			t.Errorf("%q", d)
		}
	}
	for want, got := range map[string]string{"hello web!a": "hello web!b", "7 of 9": "8 of 9", "1234567890": "1234567891"} {
		if d := compared([]string{want}, []string{got}, names); !slices.Equal(d, []string{"-" + want, "+" + got}) {
			t.Errorf("%q", d)
		}
	}
}

func TestADifferenceIsShownWithWhatIsAroundIt(t *testing.T) {
	want := strings.Split("a b c d e f g h", " ")
	got := strings.Split("a b c d X f g h i", " ")
	d := compared(want, got, strings.NewReplacer())
	if all := strings.Join(d, ""); all != " c d-e+X f g h+i" {
		t.Errorf("%q", all)
	}
	if d := compared(make([]string, 10_000), append(make([]string, 10_000), "more"), strings.NewReplacer()); len(d) == 0 || len(d) > 10 {
		t.Errorf("of a long one: %d lines", len(d))
	}
}

func TestAResponseIsComparedByAllThatItsClientSees(t *testing.T) {
	headers := []any{[]any{asgi.Bytes("Content-Type"), asgi.Bytes("text/plain")}, []any{asgi.Bytes("set-cookie"), asgi.Bytes("id=secret; Path=/")}, []any{asgi.Bytes("content-length"), asgi.Bytes("3")}}
	got := respond([]asgi.Message{
		asgi.MustMessage(field("status", 200), field("headers", headers), field("content", asgi.Bytes("on")), field("more_content", true)),
		asgi.MustMessage(field("content", asgi.Bytes("e\ntwo"))),
	})
	if want := []string{"200", "content-type: text/plain", "set-cookie: id=…", "one", "two"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if a, b := readable("\x00a"), readable("\x00b"); slices.Equal(a, b) {
		t.Errorf("bytes that differ are both shown as %q", a)
	}
	if got := frames([]asgi.Message{
		asgi.MustMessage(field("accept", true), field("text", "hi")), asgi.MustMessage(field("bytes", asgi.Bytes("b")), field("close", 4000)), asgi.MustMessage(field("text", "x"), field("close", false)),
	}); !slices.Equal(got, []string{"accept true", "text hi", "bytes b", "close 4000", "text x"}) {
		t.Errorf("%q", got)
	}
}

func TestOnlyAWholePathIsIgnored(t *testing.T) {
	var ignored []string
	b := newBench(t, func(o *Options) { o.Ignore = func(file string) { ignored = append(ignored, file) } })
	if status := b.call("/api/ignore", object{"file": "traffic.rec"}, nil); status != 400 {
		t.Errorf("a relative one: %d", status)
	}
	b.mustCall("/api/ignore", object{"file": "/app/traffic.rec"}, nil)
	if !slices.Equal(ignored, []string{"/app/traffic.rec"}) {
		t.Errorf("%q", ignored)
	}
	if resp, err := http.Post(b.url+"/api/ignore", "application/json", bytes.NewReader([]byte("{"))); err != nil || resp.StatusCode != 400 {
		t.Errorf("no JSON: %v, %v", resp.Status, err)
	}
}
