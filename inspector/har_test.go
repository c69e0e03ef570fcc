package inspector

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"asgibox/asgi"
)

func pair(name, value string) asgi.List { return mustList(asgi.Bytes(name), asgi.Bytes(value)) }

func TestAnArchiveHasRequestAndResponse(t *testing.T) {
	r := newRecord()
	id := r.request(10, 1, "web!a", "/a b", asgi.Field{Key: "query_string", Value: asgi.Bytes("x=1+2&y=%41&x=3")},
		asgi.Field{Key: "scheme", Value: "http"}, asgi.Field{Key: "http_version", Value: "2"}, asgi.Field{Key: "body", Value: asgi.Bytes("first,")}, asgi.Field{Key: "body_channel", Value: "http.request.body?x"},
		asgi.Field{Key: "headers", Value: mustList(pair("host", "example.test:8000"), pair("cookie", "a=1; b=2"), pair("content-type", "text/plain"))})
	r.sent(11, 2, "http.request.body?x", asgi.Field{Key: "content", Value: asgi.Bytes("second")})
	r.handled(id, 20, 30, "page (app.star:1)")
	r.sent(29, 1, "web!a", asgi.Field{Key: "status", Value: 302}, asgi.Field{Key: "content", Value: asgi.Bytes("\xff\x00")}, asgi.Field{Key: "more_content", Value: true},
		asgi.Field{Key: "headers", Value: mustList(pair("Location", "/b"), pair("Content-Type", "image/png"), pair("Set-Cookie", "c=3; Path=/"))})
	r.sent(30, 1, "web!a", asgi.Field{Key: "content", Value: asgi.Bytes("\x01")})
	r.visited(Visit{Kind: visitHTTP, Channel: "web!a", Trace: 1, Status: 302, Bytes: 3, At: at(50), Duration: 50 * time.Millisecond})
	e := r.firstEntry()
	if e.Request.URL != "http://example.test:8000/a%20b?x=1+2&y=%41&x=3" || e.Request.Version != "HTTP/2" || e.Request.Body.Text != "first,second" || e.Request.Body.Media != "text/plain" {
		t.Errorf("request: %+v %+v", e.Request, e.Request.Body)
	}
	if want := []harPair{{"x", "1 2"}, {"y", "A"}, {"x", "3"}}; !reflect.DeepEqual(e.Request.Query, want) {
		t.Errorf("query: %v", e.Request.Query)
	}
	if want := []harPair{{"a", "1"}, {"b", "2"}}; !reflect.DeepEqual(e.Request.Cookies, want) {
		t.Errorf("cookies: %v", e.Request.Cookies)
	}
	if p := e.Response; p.Status != 302 || p.Text != "Found" || p.Redirect != "/b" || p.Content != (harContent{3, "image/png", harText{"/wAB", "base64"}}) || len(p.Cookies) != 1 {
		t.Errorf("response: %+v", p)
	}
	if e.Time != 50 || math.Abs(e.Timings.Send+e.Timings.Wait+e.Timings.Receive-e.Time) > 1e-6 {
		t.Errorf("times do not add up: %v, %+v", e.Time, e.Timings)
	}
	if began, err := time.Parse(time.RFC3339, e.Started); err != nil || !began.Equal(at(0)) {
		t.Errorf("started %s: %v", e.Started, err)
	}
	// The keys that the format requires are there although they are empty.
	var got map[string]map[string]any
	text, _ := json.Marshal(map[string]any{"request": e.Request, "response": newRecord().emptyEntry().Response})
	if err := json.Unmarshal(text, &got); err != nil || got["response"]["headers"] == nil || got["response"]["cookies"] == nil || got["response"]["redirectURL"] == nil {
		t.Errorf("%s", text)
	}
}

// firstEntry returns the entry of the first exchange.
func (r *record) firstEntry() harEntry {
	list, _ := r.recordings(func(*exchange) bool { return true })
	return r.read(list[0]).har("http://127.0.0.1:8000")
}

// emptyEntry returns the entry of a request that the server refused at once.
func (r *record) emptyEntry() harEntry {
	r.visited(Visit{Kind: visitHTTP, Method: "GET", Path: "/", Status: 400})
	return r.firstEntry()
}

func TestAnArchiveHasFrames(t *testing.T) {
	r := newRecord()
	r.sent(0, 1, "websocket.connect", asgi.Field{Key: "reply_channel", Value: "web!a"}, asgi.Field{Key: "path", Value: "/chat"}, asgi.Field{Key: "scheme", Value: "ws"},
		asgi.Field{Key: "headers", Value: mustList()})
	r.sent(1, 1, "web!a", asgi.Field{Key: "accept", Value: true})
	r.sent(3, 2, "web!a", asgi.Field{Key: "bytes", Value: asgi.Bytes("\xff")}) // recorded before the message that caused it
	r.sent(2, 2, "websocket.receive", asgi.Field{Key: "reply_channel", Value: "web!a"}, asgi.Field{Key: "path", Value: "/chat"}, asgi.Field{Key: "text", Value: "hi"})
	e := r.firstEntry()
	if e.Request.URL != "ws://127.0.0.1:8000/chat" || e.Kind != "websocket" || e.Response.Status != 101 {
		t.Errorf("%+v", e)
	}
	if want := []harFrame{{"send", 100.002, 1, "hi"}, {"receive", 100.003, 2, "/w=="}}; !reflect.DeepEqual(e.Frames, want) {
		t.Errorf("frames: %+v", e.Frames)
	}
}

func TestAnArchiveIsServed(t *testing.T) {
	b := newBench(t, nil)
	b.server.Visited(Visit{Kind: visitHTTP, Method: "GET", Path: "/a", Status: 400}, func() string { return "" })
	b.server.Visited(Visit{Kind: visitHTTP, Method: "GET", Path: "/b", Status: 414}, func() string { return "" })
	for query, want := range map[string]int{"": 2, "?filter=path:/a": 1, "?id=2": 1, "?id=9": 0} {
		var got struct {
			Log struct {
				Version string
				Entries []harEntry
			}
		}
		if status, body := b.get("/api/har" + query); status != 200 || json.Unmarshal(body, &got) != nil || got.Log.Version != "1.2" || len(got.Log.Entries) != want {
			t.Errorf("%q: %d, %d entries, want %d: %s", query, status, len(got.Log.Entries), want, body)
		}
	}
	for _, query := range []string{"?id=x", "?filter=kind:sent"} {
		if status, _ := b.get("/api/har" + query); status != 400 {
			t.Errorf("%s: status %d", query, status)
		}
	}
}
