package remote_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/store"
)

func TestReadersAreThoseThatReceiveOverHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		layer := store.Memory(store.DefaultOptions())
		defer layer.Close(t.Context())
		h := remote.NewHandler(layer, remote.Options{})
		receive := func(from, agent, body string) {
			r := httptest.NewRequest(http.MethodPost, "/layer/receive", strings.NewReader(body))
			r.RemoteAddr = from
			r.Header.Set("User-Agent", agent)
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
		if all := h.Readers(); len(all) != 0 {
			t.Errorf("before any call: %+v", all)
		}
		if err := layer.Send(t.Context(), nil, "jobs", asgi.MustMessage(asgi.Field{Key: "n", Value: 1})); err != nil {
			t.Fatal(err)
		}
		receive("10.0.0.2:4000", "a worker", `{"channels": ["jobs", "mail"]}`)
		took := time.Now()
		go receive("10.0.0.2:4001", "a worker", `{"channels": ["jobs", "mail"], "block": true, "timeout": 30}`)
		receive("10.0.0.1:4002", "another", `{"channels": "jobs"}`)
		synctest.Wait()
		all := h.Readers()
		if len(all) != 2 {
			t.Fatalf("%+v", all)
		}
		other, worker := all[0], all[1]
		if other.Host != "10.0.0.1" || other.Agent != "another" || other.Waiting != 0 || other.Received != 0 || other.Channel != "" {
			t.Errorf("the program that has polled: %+v", other)
		}
		if worker.Host != "10.0.0.2" || worker.Waiting != 1 || worker.Received != 1 || worker.Channel != "jobs" || !worker.At.Equal(took) ||
			!slices.Equal(worker.Channels, []string{"jobs", "mail"}) {
			t.Errorf("the worker: %+v", worker)
		}
		receive("10.0.0.1:4002", "another", `{"channels": ["`+strings.Repeat("x", 101)+`"]}`)
		if other = h.Readers()[0]; other.Agent != "another" || !slices.Equal(other.Channels, []string{"jobs"}) {
			t.Errorf("after a receive with a bad name: %+v", other)
		}
		time.Sleep(61 * time.Second)
		if all := h.Readers(); len(all) != 1 || all[0].Agent != "a worker" || all[0].Waiting != 0 { // its receive ended after 30 s
			t.Errorf("after a minute: %+v", all)
		}
		time.Sleep(30 * time.Second)
		if all := h.Readers(); len(all) != 0 {
			t.Errorf("in the end: %+v", all)
		}
	})
}
