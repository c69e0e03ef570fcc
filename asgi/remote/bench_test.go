package remote_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/internal/guard"
	"asgibox/store"
)

// request is the message of a browser's request.
var request = asgi.MustMessage(
	asgi.Field{Key: "reply_channel", Value: "asgibox.response.kQzRtYpLmN!c1"},
	asgi.Field{Key: "http_version", Value: "1.1"},
	asgi.Field{Key: "method", Value: "GET"},
	asgi.Field{Key: "scheme", Value: "http"},
	asgi.Field{Key: "path", Value: "/rooms/kitchen/"},
	asgi.Field{Key: "query_string", Value: asgi.Bytes("page=2")},
	asgi.Field{Key: "root_path", Value: ""},
	asgi.Field{Key: "headers", Value: []any{
		[]any{asgi.Bytes("host"), asgi.Bytes("127.0.0.1:8000")},
		[]any{asgi.Bytes("user-agent"), asgi.Bytes("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")},
		[]any{asgi.Bytes("accept"), asgi.Bytes("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")},
		[]any{asgi.Bytes("accept-encoding"), asgi.Bytes("gzip, deflate")},
	}},
	asgi.Field{Key: "body", Value: asgi.Bytes("")},
	asgi.Field{Key: "body_channel", Value: nil},
	asgi.Field{Key: "client", Value: []any{"127.0.0.1", 50000}},
	asgi.Field{Key: "server", Value: []any{"127.0.0.1", 8000}},
)

var response = asgi.MustMessage(asgi.Field{Key: "content", Value: "Hello World!"}, asgi.Field{Key: "status", Value: 200})

// A bench is one operation over HTTP that a benchmark repeats.
type bench struct {
	name string
	once func(testing.TB)
}

// transports returns calls of the layer in both forms and, for comparison, a
// POST to a plain handler that reads and writes a body of the same length with
// encoding/json. All use the same client.
func transports(tb testing.TB) []bench {
	layer := memory(tb, store.Options{})
	s := serve(tb, layer, guard.Options{})
	c, err := remote.Dial(tb.Context(), s.URL, remote.ClientOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{})
	}))
	tb.Cleanup(plain.Close)
	body, err := json.Marshal(map[string]any{"channel": "asgibox.response.kQzRtYpLmN!c1", "message": map[string]any{"content": "Hello World!", "status": 200}})
	if err != nil {
		tb.Fatal(err)
	}
	ask := func(tb testing.TB, client *http.Client, url string) {
		res, err := client.Post(url, "application/json", bytes.NewReader(body))
		if err != nil {
			tb.Fatal(err)
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
			tb.Fatal(res.Status, err)
		}
	}
	ctx := context.Background()
	drain := func(tb testing.TB) {
		if _, ok, err := layer.Poll(ctx, nil, "asgibox.response.kQzRtYpLmN!"); err != nil || !ok {
			tb.Fatal("nothing was sent", err)
		}
	}
	must := func(tb testing.TB, err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	return []bench{
		{"plain POST", func(tb testing.TB) { ask(tb, plain.Client(), plain.URL) }},
		{"send, JSON", func(tb testing.TB) {
			ask(tb, s.Client(), s.URL+"/layer/send")
			drain(tb)
		}},
		{"send, MessagePack", func(tb testing.TB) {
			must(tb, c.Send(ctx, nil, "asgibox.response.kQzRtYpLmN!c1", response))
			drain(tb)
		}},
		{"receive, MessagePack", func(tb testing.TB) {
			must(tb, layer.Send(ctx, nil, "http.request", request))
			_, err := c.Receive(ctx, nil, "http.request")
			must(tb, err)
		}},
	}
}

// BenchmarkCall measures calls over a real connection. Both ends are in this
// process.
func BenchmarkCall(b *testing.B) {
	for _, t := range transports(b) {
		b.Run(t.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				t.once(b)
			}
		})
	}
}

// BenchmarkCallComparedWithPlainPost measures all transports in turns, so that
// other load on the machine affects all of them equally. It reports the ratio
// of the fastest turn of each to the fastest turn of the plain POST.
func BenchmarkCallComparedWithPlainPost(b *testing.B) {
	all := transports(b)
	quickest := make([]time.Duration, len(all))
	for b.Loop() {
		for i, t := range all {
			start := time.Now()
			for range 50 {
				t.once(b)
			}
			if took := time.Since(start); quickest[i] == 0 || took < quickest[i] {
				quickest[i] = took
			}
		}
	}
	for i, t := range all {
		unit := strings.NewReplacer(" ", "-", ",", "").Replace(t.name) + "/plain"
		b.ReportMetric(float64(quickest[i])/float64(quickest[0]), unit)
	}
	b.ReportMetric(0, "ns/op") // hides the time of all together
}

// discard is a response writer that discards the body.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkHandler measures a call without its connection.
func BenchmarkHandler(b *testing.B) {
	layer := memory(b, store.Options{})
	h := remote.NewHandler(layer, remote.Options{})
	defer h.Close()
	body := []byte(`{"channel":"asgibox.response.kQzRtYpLmN!c1","message":{"content":"Hello World!","status":200}}`)
	reader := bytes.NewReader(body)
	r := httptest.NewRequest(http.MethodPost, "/layer/send", io.NopCloser(reader))
	r.Header.Set("Content-Type", "application/json")
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		h.ServeHTTP(w, r)
		if _, ok, _ := layer.Poll(b.Context(), nil, "asgibox.response.kQzRtYpLmN!"); !ok {
			b.Fatal("nothing was sent")
		}
	}
}
