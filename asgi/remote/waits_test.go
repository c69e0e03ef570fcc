package remote_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/store"
)

// do makes a call in JSON without a connection.
func do(t testing.TB, h *remote.Handler, call, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, remote.Prefix+call, strings.NewReader(body)))
	return w
}

func TestReceivesThatWaitOverHTTPAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		layer := store.Memory(store.Options{})
		defer layer.Close(t.Context())
		h := remote.NewHandler(layer, remote.Options{})
		const receive = `{"channels": "c", "block": true, "timeout": 300}`
		for range 2000 {
			go do(t, h, "receive", receive)
		}
		synctest.Wait()
		if w := do(t, h, "receive", receive); w.Code != 503 || !strings.Contains(w.Body.String(), remote.TooManyConnections) {
			t.Errorf("one more receive: %d %s", w.Code, w.Body)
		}
		if w := do(t, h, "receive", `{"channels": "c"}`); w.Code != 200 {
			t.Errorf("a receive that does not wait: %d %s", w.Code, w.Body)
		}
		h.Close()
		synctest.Wait()
	})
}

func TestALongIDIsRefused(t *testing.T) {
	layer := store.Memory(store.Options{})
	defer layer.Close(t.Context())
	h := remote.NewHandler(layer, remote.Options{})
	for n, want := range map[int]int{100: 200, 101: 400} {
		if w := do(t, h, "receive", `{"channels": "c", "block": true, "timeout": 0, "id": "`+strings.Repeat("x", n)+`"}`); w.Code != want {
			t.Errorf("%d bytes: %d %s", n, w.Code, w.Body)
		}
	}
}

// TestAMessageWhoseOutcomeCannotBeAwaitedIsNotSent also checks a server that knows no
// outcomes.
func TestAMessageWhoseOutcomeCannotBeAwaitedIsNotSent(t *testing.T) {
	layer := store.Memory(store.Options{})
	defer layer.Close(t.Context())
	var err error
	h := remote.NewHandler(layer, remote.Options{
		Outcome: func(asgi.TraceID, string, asgi.Message) (remote.Outcome, error) { return nil, err },
	})
	const send, receive = `{"channel": "c", "message": {}, "wait": 1}`, `{"channels": "c"}`
	if w := do(t, h, "send", send); w.Code != 200 {
		t.Errorf("without outcomes: %d %s", w.Code, w.Body)
	}
	if w := do(t, h, "receive", receive); !strings.Contains(w.Body.String(), `"message":{}`) {
		t.Errorf("it was not sent: %s", w.Body)
	}
	err = remote.Errorf(remote.TooManyBodies, "too many")
	if w := do(t, h, "send", send); w.Code != 503 {
		t.Errorf("too many wait: %d %s", w.Code, w.Body)
	}
	if w := do(t, h, "receive", receive); !strings.Contains(w.Body.String(), `"message":null`) {
		t.Errorf("it was sent: %s", w.Body)
	}
}
