package remote_test

import (
	"errors"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/store"
)

// A fullAnswer is a response for which there is no memory.
type fullAnswer struct{ *httptest.ResponseRecorder }

func (fullAnswer) HoldAnswer(int64) error { return errors.New("no memory") }

func TestARefusedAnswerTakesNoMemory(t *testing.T) {
	layer := memory(t, store.Options{StateMemory: 32 << 20, MaxMessage: 16 << 20})
	const size = 10 << 20
	key := asgi.StatePrefix + "long"
	if err := layer.Set(t.Context(), nil, key, strings.Repeat("x", size), 0); err != nil {
		t.Fatal(err)
	}
	h := remote.NewHandler(layer, remote.Options{Version: "test"})
	defer h.Close()
	r := httptest.NewRequest("POST", "/layer/kv/get", strings.NewReader(`{"key": "`+key+`"}`))
	w := fullAnswer{httptest.NewRecorder()}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h.ServeHTTP(w, r)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; w.Code != 500 || took > size/2 {
		t.Errorf("got %d, %s, after %d bytes", w.Code, w.Body, took)
	}
}
