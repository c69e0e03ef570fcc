package process

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
)

// An endlessOutcome is that of a message that nobody handles.
type endlessOutcome struct{}

func (endlessOutcome) Wait(ctx context.Context, _ time.Duration) string {
	<-ctx.Done()
	return ""
}

func (endlessOutcome) Close() {}

// endless makes calls that wait for an outcome wait until they are ended.
func endless(c *config) {
	c.server.Outcome = func(asgi.TraceID, string, asgi.Message) (remote.Outcome, error) { return endlessOutcome{}, nil }
}

// waiting runs a loop whose call for a request waits. It returns the reply channel.
func waiting(t *testing.T, change ...func(*config)) (r *rig, reply string) {
	t.Helper()
	r = newRig(t, program("hello"), append(change, endless)...)
	r.mustLoad()
	sent := r.readJob()
	reply = r.request("/wait")
	r.must(<-sent)
	return r, reply
}

// readJob receives a message from jobs, and returns when it waits for it.
func (r *rig) readJob() (got chan error) {
	got = make(chan error, 1)
	go func() {
		_, err := r.layer.Receive(r.t.Context(), nil, "jobs")
		got <- err
	}()
	r.until("a reader of jobs", func() bool { return r.layer.HasReader("jobs") })
	return got
}

func TestACallThatWaitsDelaysNoEnd(t *testing.T) {
	r, reply := waiting(t)
	if p := r.server.Processes(); len(p) != 1 || p[0].Channel != "http.request" {
		t.Errorf("the processes are %+v", p)
	}
	r.kill()
	if status, content := r.response(reply); status != 500 || !strings.Contains(content, "killed") {
		t.Errorf("got %d %q", status, content)
	}
	r.get("/", 200, "Hello World!")
}

func TestACallThatWaitsDelaysNoCancel(t *testing.T) {
	r, reply := waiting(t, func(c *config) { c.pool.HandlerTimeout = 2 * time.Second })
	if status, content := r.response(reply); status != 500 || !strings.Contains(content, "--handler-timeout") {
		t.Errorf("got %d %q", status, content)
	}
	r.logged("it still runs 1s after its message was cancelled")
	r.get("/", 200, "Hello World!")
}

func TestACallThatWaitsDelaysNoOtherCall(t *testing.T) {
	r := newRig(t, program("hello"), endless)
	r.mustLoad()
	r.readJob()
	r.get("/wait-on", 200, "Hello World!")
}

func TestACallOfAProgramThatWaitsDelaysNoOtherCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o config
		endless(&o)
		s := newMemServer(t, 1<<20)
		s.calls = remote.NewHandler(s.layer, remote.Options{Outcome: o.server.Outcome})
		go s.layer.Receive(t.Context(), nil, "jobs")
		synctest.Wait()
		c := s.join()
		_ = c.write("id", 100, "call", "send", "channel", "jobs", "message", map[string]any{}, "wait", 10)
		if _, err := c.call("new_channel", "pattern", "x?"); err != nil {
			t.Error(err)
		}
	})
}
