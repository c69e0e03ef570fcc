package inspector

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"asgibox/inspector/api"
)

type fakeMachines struct{}

func (fakeMachines) Machines() []api.Machine {
	return []api.Machine{{Name: "one", PID: 7, Sockets: 3, Self: true}, {Name: "two", PID: 8}}
}

// TestALayerOfOthersIsShownButNotPaused checks a server whose layer is not the
// embedded one.
func TestALayerOfOthersIsShownButNotPaused(t *testing.T) {
	calls := NewLayerCalls()
	b := newBench(t, func(o *Options) {
		o.Contents, o.Store = o.Store, nil
		o.LayerName, o.Machines, o.Calls, o.Reconnects = "Redis, redis://localhost:6379/0", fakeMachines{}, calls, func() uint64 { return 5 }
	})
	if err := b.store.Send(t.Context(), nil, "jobs", text("a")); err != nil {
		t.Fatal(err)
	}
	_, body := b.get("/api/channels")
	expect := func(body []byte, texts ...string) {
		t.Helper()
		for _, want := range texts {
			if !bytes.Contains(body, []byte(want)) {
				t.Errorf("%s lacks %s", body, want)
			}
		}
	}
	expect(body, `"name":"jobs"`)
	_, body = b.get("/api/waiting?channel=jobs")
	expect(body, `"text":"a"`)
	_, body = b.get("/api/status")
	expect(body, `"layer":"Redis, redis://localhost:6379/0"`)
	var workers api.Workers
	_, body = b.get("/api/workers")
	if err := json.Unmarshal(body, &workers); err != nil || len(workers.Machines) != 2 || !workers.Machines[0].Self {
		t.Errorf("%s, %v", body, err)
	}
	for _, action := range []string{"pause", "resume", "step", "edit", "drop", "drain"} {
		var refusal struct{ Detail string }
		if status := b.call("/api/channel/"+action, object{"channel": "jobs"}, &refusal); status != 404 || !strings.Contains(refusal.Detail, "need the embedded layer") {
			t.Errorf("%s: %d %q", action, status, refusal.Detail)
		}
	}
	calls.Observe("send", time.Millisecond, nil)
	calls.Observe("send", time.Millisecond, errors.New("lost"))
	_, body = b.get("/metrics")
	expect(body, `asgibox_layer_call_duration_seconds_count{kind="send"} 2`, `asgibox_layer_call_errors_total{kind="send"} 1`, "asgibox_layer_reconnects_total 5")
}
