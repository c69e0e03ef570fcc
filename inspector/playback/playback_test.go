package playback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/inspector/api"
	"asgibox/store"
)

// line is one message of a recording.
func line(id int, channel string, fields ...asgi.Field) string {
	return fmt.Sprintf(`{"id": %d, "channel": %q, "kind": "taken", "sent": %d, "message": %s}`, id, channel, id, codec.AppendJSON(nil, asgi.MustMessage(fields...)))
}

func field(key string, value any) asgi.Field { return asgi.Field{Key: key, Value: value} }

// newStore returns a store in memory.
func newStore(t *testing.T) *store.Store {
	t.Helper()
	s := store.Memory(store.Options{})
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

// play plays a recording at full speed and returns its result.
func play(t *testing.T, layer asgi.Layer, lines ...string) (result api.Playback) {
	t.Helper()
	p, err := Read(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Play(t.Context(), layer, true, func(v api.Playback) { result = v }); err != nil {
		t.Fatal(err)
	}
	return result
}

// serve runs an application that replies to each message with the result of
// reply, unless that is empty.
func serve(t *testing.T, layer asgi.Layer, reply func(channel string, m asgi.Message) asgi.Message) {
	go func() {
		for {
			d, err := layer.Receive(t.Context(), nil, "http.request", "websocket.connect", "websocket.receive", "websocket.disconnect")
			if err != nil {
				return
			}
			if m := reply(d.Channel, d.Message); m.Len() > 0 {
				_ = layer.Send(t.Context(), nil, d.Message.Text("reply_channel"), m)
			}
		}
	}()
}

func TestAMessageIsSentAfterTheRepliesRecordedBeforeIt(t *testing.T) {
	layer := newStore(t)
	var mu sync.Mutex // guards order
	var order []string
	serve(t, layer, func(channel string, m asgi.Message) asgi.Message {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, m.Text("path")+channel)
		if channel == "websocket.disconnect" {
			return asgi.Message{}
		}
		return asgi.MustMessage(field("accept", true))
	})
	accepted := field("accept", true)
	v := play(t, layer,
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

func TestConnectionsRecordedInPartAreSkipped(t *testing.T) {
	layer := newStore(t)
	serve(t, layer, func(string, asgi.Message) asgi.Message {
		return asgi.MustMessage(field("status", 200), field("content", "a"))
	})
	request := func(id int, reply string, more ...asgi.Field) string {
		return line(id, "http.request", append([]asgi.Field{field("reply_channel", reply), field("path", "/"), field("method", "GET")}, more...)...)
	}
	v := play(t, layer,
		line(1, "websocket.receive", field("reply_channel", "web!before"), field("order", 4), field("text", "x")),
		line(2, "web!before", field("text", "y")),
		line(3, "websocket.connect", field("reply_channel", "web!gap"), field("order", 0)),
		line(4, "websocket.receive", field("reply_channel", "web!gap"), field("order", 2), field("text", "x")),
		request(5, "web!long", field("body_channel", "http.request.body?x")),
		request(6, "web!whole"),
		line(7, "web!whole", field("status", 200), field("content", "a")),
		line(8, "web!unknown", field("status", 200)),
	)
	if v.All != 1 || v.Done != 1 || v.Same != 1 || v.Skipped != 3 {
		t.Errorf("%+v", v)
	}
}

func TestAPlaybackEndsIfTheApplicationSendsNoReplies(t *testing.T) {
	layer := newStore(t)
	serve(t, layer, func(string, asgi.Message) asgi.Message { return asgi.Message{} })
	v := play(t, layer,
		line(1, "http.request", field("reply_channel", "web!a"), field("path", "/"), field("method", "GET")),
		line(2, "web!a", field("status", 200), field("content", "a")),
	)
	if !v.Finished || v.Different != 1 || !slices.Equal(v.Details[0].Diff, []string{"-200", "-a"}) || v.Details[0].What != "GET /" {
		t.Errorf("%+v", v)
	}
}

func TestTimesAndRandomNamesDoNotCount(t *testing.T) {
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
		"close 1011 failed at app.star:3":           "close 1011 failed at app.star:14",
	} {
		if d := compare([]string{want}, []string{got}, names); d != nil {
			t.Errorf("%q", d)
		}
	}
	for want, got := range map[string]string{"hello web!a": "hello web!b", "7 of 9": "8 of 9", "1234567890": "1234567891"} {
		if d := compare([]string{want}, []string{got}, names); !slices.Equal(d, []string{"-" + want, "+" + got}) {
			t.Errorf("%q", d)
		}
	}
}

func TestADifferenceIsShownWithTheLinesAroundIt(t *testing.T) {
	want := strings.Split("a b c d e f g h", " ")
	got := strings.Split("a b c d X f g h i", " ")
	d := compare(want, got, strings.NewReplacer())
	if all := strings.Join(d, ""); all != " c d-e+X f g h+i" {
		t.Errorf("%q", all)
	}
	if d := compare(make([]string, 10_000), append(make([]string, 10_000), "more"), strings.NewReplacer()); len(d) == 0 || len(d) > 10 {
		t.Errorf("of a long one: %d lines", len(d))
	}
}

func TestAResponseIsComparedByStatusHeadersAndContent(t *testing.T) {
	headers := []any{[]any{asgi.Bytes("Content-Type"), asgi.Bytes("text/plain")}, []any{asgi.Bytes("set-cookie"), asgi.Bytes("id=secret; Path=/")}, []any{asgi.Bytes("content-length"), asgi.Bytes("3")}}
	got := responseLines([]asgi.Message{
		asgi.MustMessage(field("status", 200), field("headers", headers), field("content", asgi.Bytes("on")), field("more_content", true)),
		asgi.MustMessage(field("content", asgi.Bytes("e\ntwo"))),
	})
	if want := []string{"200", "content-type: text/plain", "set-cookie: id=…", "one", "two"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if a, b := contentLines("\x00a"), contentLines("\x00b"); slices.Equal(a, b) {
		t.Errorf("bytes that differ are both shown as %q", a)
	}
	if got := frameLines([]asgi.Message{
		asgi.MustMessage(field("accept", true), field("text", "hi")), asgi.MustMessage(field("bytes", asgi.Bytes("b")), field("close", 4000)), asgi.MustMessage(field("text", "x"), field("close", false)),
	}); !slices.Equal(got, []string{"accept true", "text hi", "bytes b", "close 4000", "text x"}) {
		t.Errorf("%q", got)
	}
}

// TestAReplyWithoutAnEndEnds checks that the application learns that its client has
// left when it sends far more than was recorded, before and after the recorded
// disconnect, and that other connections are not affected.
func TestAReplyWithoutAnEndEnds(t *testing.T) {
	layer := newStore(t)
	piece := asgi.MustMessage(field("content", strings.Repeat("x", 100_000)), field("more_content", true))
	var streams sync.WaitGroup
	var mu sync.Mutex // guards sent
	sent := 0         // bytes of endless replies
	stream := func(channel string) {
		for n := 0; n < 1e9; n += 100_000 {
			if err := layer.Send(t.Context(), nil, channel, piece, asgi.ReportGone); err != nil {
				if !errors.Is(err, asgi.ErrGone) {
					t.Error(err)
				}
				return
			}
			mu.Lock()
			sent += 100_000
			mu.Unlock()
		}
	}
	serve(t, layer, func(channel string, m asgi.Message) asgi.Message {
		if m.Text("path") == "/short" {
			return asgi.MustMessage(field("status", 200), field("content", "a"))
		}
		if channel == "http.request" {
			streams.Go(func() { stream(m.Text("reply_channel")) })
		}
		return asgi.Message{}
	})
	const connections = 40
	var lines []string
	for i := range connections {
		reply := fmt.Sprintf("web!long%d", i)
		lines = append(lines, line(len(lines)+1, "http.request", field("reply_channel", reply), field("path", "/"), field("method", "GET")),
			line(len(lines)+2, reply, field("content", "x"), field("more_content", true)),
			line(len(lines)+3, "http.disconnect", field("reply_channel", reply), field("path", "/")))
	}
	lines = append(lines, line(len(lines)+1, "http.request", field("reply_channel", "web!short"), field("path", "/short"), field("method", "GET")),
		line(len(lines)+2, "web!short", field("status", 200), field("content", "a")))
	v := play(t, layer, lines...)
	streams.Wait()
	if !v.Finished || v.Same != 1 || v.Different != connections {
		t.Errorf("%+v", v)
	}
	mu.Lock()
	defer mu.Unlock()
	if sent == 0 || sent > spareBytes {
		t.Errorf("%d bytes were taken", sent)
	}
}
