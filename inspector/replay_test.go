package inspector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"asgibox/asgi"
	"asgibox/inspector/api"
)

func TestARecordingIsPlayedOverHTTP(t *testing.T) {
	b := newBench(t, nil)
	go func() {
		for {
			d, err := b.store.Receive(t.Context(), nil, "http.request")
			if err != nil {
				return
			}
			_ = b.store.Send(t.Context(), nil, d.Message.Text("reply_channel"), asgi.MustMessage(asgi.Field{Key: "status", Value: 200}))
		}
	}()
	var lines []string
	for i, status := range []int{200, 404} {
		lines = append(lines, fmt.Sprintf(`{"id": %d, "channel": "http.request", "message": {"method": "GET", "path": "/%d", "reply_channel": "web!%d"}}`, 2*i+1, i, i),
			fmt.Sprintf(`{"id": %d, "channel": "web!%d", "message": {"status": %d}}`, 2*i+2, i, status))
	}
	resp, err := http.Post(b.url+"/api/playback?speed=full", "application/x-ndjson", strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var progress []api.Playback
	for d := json.NewDecoder(resp.Body); d.More(); {
		var p api.Playback
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		progress = append(progress, p)
	}
	first, last := progress[0], progress[len(progress)-1]
	if first.Done != 0 || first.All != 2 || !last.Finished || last.Done != 2 || last.Same != 1 || last.Different != 1 || last.Details[0].What != "GET /1" {
		t.Errorf("from %+v to %+v", first, last)
	}
	if resp, err := http.Post(b.url+"/api/playback", "application/x-ndjson", strings.NewReader("{")); err != nil || resp.StatusCode != 400 {
		t.Errorf("a recording that is not JSON: %v, %v", resp.Status, err)
	}
}

func TestAnIgnoredFileNeedsAnAbsolutePath(t *testing.T) {
	var ignored []string
	b := newBench(t, func(o *Options) { o.Ignore = func(file string) { ignored = append(ignored, file) } })
	if status := b.call("/api/ignore", object{"file": "traffic.rec"}, nil); status != 400 {
		t.Errorf("a relative path: %d", status)
	}
	b.mustCall("/api/ignore", object{"file": "/app/traffic.rec"}, nil)
	if !slices.Equal(ignored, []string{"/app/traffic.rec"}) {
		t.Errorf("%q", ignored)
	}
	if resp, err := http.Post(b.url+"/api/ignore", "application/json", bytes.NewReader([]byte("{"))); err != nil || resp.StatusCode != 400 {
		t.Errorf("not JSON: %v, %v", resp.Status, err)
	}
}
