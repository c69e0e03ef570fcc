package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"asgibox/internal/cli"
)

func TestAccessLogFlag(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	p := start(t, helloApp, "--access-log", path, "--log-format", "text")
	p.get("/x?y=1")
	p.stop()
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), `"GET /x?y=1" 200 5`) {
		t.Errorf("%v %s", err, b)
	}
}

func TestJSONLogHasAnObjectInEachLine(t *testing.T) {
	app := writeApp(t, helloApp)
	p := launch(t, filepath.Dir(app), "run", app, "-p", "0", "--log-format", "json")
	p.url = p.waitFor(`"urls":\["(http[^"]*[0-9])/"`)[1]
	p.get("/")
	p.waitFor(`"msg":"HTTP".*"status":200`)
	p.stop()
	for _, line := range strings.Split(strings.TrimSpace(p.out.String()), "\n") {
		if !strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "}") {
			t.Errorf("%q", line)
		}
	}
}

// A stuckOutput is an output that is not read after a while.
type stuckOutput struct {
	*transcript
	stuck atomic.Bool
	end   chan struct{} // closed: writes fail
}

func (o *stuckOutput) Write(b []byte) (int, error) {
	if o.stuck.Load() {
		<-o.end
		return 0, os.ErrClosed
	}
	return o.transcript.Write(b)
}

// TestAServerWorksAndStopsWhenNobodyReadsItsOutput checks that handlers that log or
// fail, the access log and the end of the server do not wait for the reader.
func TestAServerWorksAndStopsWhenNobodyReadsItsOutput(t *testing.T) {
	app := writeApp(t, `
def view(message):
    log.info("logged")
    if message["path"] == "/fail":
        fail("failed")
    message.reply_channel.send({"status": 200, "content": "hello"})

channel_routing = {"http.request": view}
`)
	out := &stuckOutput{transcript: newTranscript(), end: make(chan struct{})}
	defer close(out.end)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	status := make(chan int, 1)
	go func() {
		status <- cli.Run(ctx, []string{"run", app, "--port", "0", "--store", "memory", "--workers", "2", "--access-log", "-"}, strings.NewReader(""), out, out)
	}()
	p := &program{TB: t, dir: filepath.Dir(app), out: out.transcript}
	p.url = p.appURL()
	out.stuck.Store(true)
	for range 3 {
		if status, body := p.get("/"); status != 200 || body != "hello" {
			t.Errorf("%d %s", status, body)
		}
		if status, _ := p.get("/fail"); status != 500 {
			t.Errorf("a handler that fails: %d", status)
		}
	}
	cancel()
	select {
	case s := <-status:
		if s != 0 {
			t.Errorf("exit status %d", s)
		}
	case <-time.After(patience):
		t.Error("the server does not stop")
	}
}
