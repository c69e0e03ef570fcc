package inspector

import (
	"context"
	"strings"
	"testing"
	"unsafe"

	"asgibox/asgi"
	"asgibox/inspector/api"
)

// TestLongMethodsAndPathsAreCut checks that the lists, which are longer than the
// history, hold and show only the beginning of a long method or path.
func TestLongMethodsAndPathsAreCut(t *testing.T) {
	b := newBench(t, nil)
	long := "/" + strings.Repeat("x", 60_000)
	b.front.open = []api.Connection{{Channel: "websocket.send.a!1", Path: long}}
	request := asgi.MustMessage(
		asgi.Field{Key: asgi.KeyReplyChannel, Value: "http.response.a!1"},
		asgi.Field{Key: asgi.KeyMethod, Value: long}, asgi.Field{Key: asgi.KeyPath, Value: long},
	)
	trace := asgi.NewTrace()
	if err := b.store.Send(context.Background(), asgi.NewCause(trace), asgi.HTTPRequest, request); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{visitHTTP, visitRefused} {
		b.server.Visited(Visit{Kind: kind, Trace: trace, Channel: "http.response.a!1", Method: long, Path: long}, func() string { return "" })
	}
	b.server.Visited(Visit{Kind: visitHTTP, Method: long, Path: long}, func() string { return "" }) // refused without a message
	for list, want := range map[string]int{"requests": 2, "messages": 1, "connections": 2} {
		_, body := b.get("/api/" + list)
		if got := strings.Count(string(body), "…\""); got < want || len(body) > 10_000 {
			t.Errorf("%s: %d bytes, %d texts are cut: %.300s", list, len(body), got, body)
		}
	}
	b.server.history.mu.Lock()
	defer b.server.history.mu.Unlock()
	for _, x := range b.server.history.exchanges.list {
		if n := len(x.method) + len(x.path) + len(x.visit.Method) + len(x.visit.Path); n > 3*maxShownPath {
			t.Errorf("a request holds %d bytes of names", n)
		}
	}
}

// TestCutTextsShareNoMemory checks that a short text keeps no head of a request.
func TestCutTextsShareNoMemory(t *testing.T) {
	head := strings.Repeat("x", 60_000)
	if path := cutPath(head[:10]); path != head[:10] || unsafe.StringData(path) == unsafe.StringData(head) {
		t.Errorf("%q shares the memory of the head", path)
	}
}
