package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool"
)

// A forwarder is a routed application that runs every message in a process.
type forwarder struct{ *set }

var _ workerpool.Routed = forwarder{}

func forward(c *config) {
	c.build = func(g *set, _ ready) (workerpool.Application, error) { return forwarder{g}, nil }
}

func (forwarder) Channels() []string         { return []string{"http.request", "job"} }
func (forwarder) Clocks() []workerpool.Clock { return nil }
func (forwarder) Limits() []workerpool.Limit { return nil }

func (a forwarder) Route(asgi.Delivery) workerpool.Consumer { return a }
func (forwarder) Name() string                              { return "view" }
func (forwarder) Ordered() bool                             { return true }
func (forwarder) Limit() string                             { return "" }
func (forwarder) Explain(err error) error                   { return err }

func (a forwarder) Consume(ctx context.Context, j *workerpool.Job) error {
	return a.run(ctx, j, jobFrame{channel: j.Delivery.Channel, message: j.Delivery.Message, handler: "view"})
}

func threads(n int) func(*config) {
	return func(c *config) { forward(c); c.pool.Workers = n; c.options.Threads = n }
}

// one makes a generation have one process, whatever the number of workers.
func oneProcess(c *config) { c.options.Processes = 1 }

func TestJobs(t *testing.T) {
	r := newRig(t, program("routed", "o"), threads(1), oneProcess)
	r.mustLoad()
	r.send("http.request.body?a", "content", "part")
	for _, c := range []struct {
		path    string
		status  int64
		content string
	}{
		{"/reply", 200, "replied"},
		{"/send", 200, "sent"},
		{"/body", 200, "part"},
		{"/error", 500, "ValueError: broken"},
		{"/silent", 500, "without replying"},
		{"/exit", 500, "exit status 9"},
		{"/reply", 200, "replied"},
	} {
		r.get(c.path, c.status, c.content, "body_channel", "http.request.body?a")
	}
	r.request("/hold")
	r.until("the process is idle", func() bool { p := r.server.Processes(); return len(p) == 1 && p[0].Jobs == 0 })
}

func TestABadFrameOfAThread(t *testing.T) {
	r := newRig(t, program("routed", "oo"), threads(1), oneProcess)
	r.mustLoad()
	r.get("/garbage", 500, "bad frame")
	r.logged("a connection to the socket for workers was closed", "bad frame")
	r.get("/reply", 200, "replied")
	r.get("/garbage", 500, "bad frame")
	r.logged("a worker is replaced: it lost its last connection that runs jobs")
	r.get("/reply", 200, "replied")
}

func TestAnErrorOfAHandlerHasItsPlace(t *testing.T) {
	var got workerpool.Failure
	var once sync.Once
	seen := make(chan struct{})
	r := newRig(t, program("routed", "o"), threads(1), oneProcess, func(c *config) {
		c.pool.Report = func(f workerpool.Failure) { once.Do(func() { got = f; close(seen) }) }
	})
	r.mustLoad()
	r.get("/error", 500, "")
	<-seen
	var e *Error
	if !errors.As(got.Err, &e) || got.Consumer != "view" || e.Type != "ValueError" || e.Explanation().Frames[0].String() != "app.py:7" {
		t.Errorf("got %+v", got)
	}
}

func TestAProcessThatDiesInAJob(t *testing.T) {
	r := newRig(t, program("routed", "o"), threads(1), oneProcess)
	r.mustLoad()
	reply := r.request("/sleep")
	r.until("the job runs", func() bool { p := r.server.Processes(); return len(p) == 1 && p[0].Jobs == 1 && p[0].Handler == "view" })
	r.kill()
	if status, content := r.response(reply); status != 500 || !strings.Contains(content, "signal: killed") {
		t.Errorf("got %d %q", status, content)
	}
	r.get("/reply", 200, "replied")
}

func TestOneConnectionPerThread(t *testing.T) {
	const n = 4
	r := newRig(t, program("routed", strings.Repeat("o", n)), threads(n), oneProcess)
	r.mustLoad()
	var replies []string
	for range n {
		replies = append(replies, r.request("/sleep"))
	}
	r.until("all threads have a job", func() bool { p := r.server.Processes(); return len(p) == 1 && p[0].Jobs == n })
	r.kill()
	for range replies {
		d, err := r.layer.Receive(t.Context(), nil, "front!")
		if err != nil || d.Message.Int("status") != 500 {
			t.Errorf("got %v, %v", d.Message, err)
		}
	}
}

func TestACancelledHandlerStops(t *testing.T) {
	r := newRig(t, program("routed", "o"), threads(1), oneProcess, func(c *config) { c.pool.HandlerTimeout = 2 * time.Second })
	r.mustLoad()
	pid := r.server.Processes()[0].PID
	r.get("/sleep", 500, "--handler-timeout")
	r.logged("a handler failed", "--handler-timeout")
	r.get("/reply", 200, "replied")
	if p := r.server.Processes(); len(p) != 1 || p[0].PID != pid {
		t.Errorf("the processes are %+v", p)
	}
}

func TestAHandlerThatDoesNotStop(t *testing.T) {
	r := newRig(t, program("routed", "ss"), threads(2), oneProcess, func(c *config) { c.pool.HandlerTimeout = 2 * time.Second })
	r.mustLoad()
	pid := r.server.Processes()[0].PID
	r.get("/sleep", 500, "--handler-timeout")
	r.get("/reply", 200, "replied") // the other thread
	r.logged("a worker is replaced: view still runs 1s after it was cancelled")
	r.order("a handler failed", "a worker is replaced") // the client has not waited for that
	r.until("another process", func() bool { p := r.server.Processes(); return len(p) == 1 && p[0].PID != pid })
	r.get("/reply", 200, "replied")
}

func TestAHandlerThatMakesCallsForAClientThatHasLeft(t *testing.T) {
	for _, how := range []string{"wait", "quiet", "receive"} {
		t.Run(how, func(t *testing.T) {
			r := newRig(t, program("routed", "o"), threads(1), oneProcess, func(c *config) {
				c.options.HandlerTimeout = time.Hour
				c.options.stuckAfter = 100 * time.Millisecond
			})
			r.mustLoad()
			unbind, err := r.layer.Bind("gone!", func(asgi.Delivery) error { return asgi.ErrGone })
			r.must(err)
			defer unbind()
			r.send("http.request", "reply_channel", "gone!1", "path", "/deaf", "how", how)
			r.logged("a worker is replaced: view still makes calls 100ms after they began to fail (the client has left")
			r.get("/reply", 200, "replied")
		})
	}
}

func TestJobsAvoidAProcessWhoseHandlerDoesNotStop(t *testing.T) {
	r := newRig(t, program("routed", "ssss"), threads(8), func(c *config) {
		c.options.Processes = 2
		c.options.stuckAfter = deadline
		c.pool.HandlerTimeout = 2 * time.Second
	})
	r.mustLoad()
	r.get("/sleep", 500, "--handler-timeout")
	for _, c := range r.server.all() {
		if c.lingering.Load() > 0 {
			continue
		}
		for range 3 {
			r.get("/pid", 200, fmt.Sprint(c.cmd.Process.Pid))
		}
		return
	}
	t.Error("every process has a handler that does not stop")
}

func TestAProcessThatIsNotReadyGetsNoJob(t *testing.T) {
	r := newRig(t, program("early"), threads(1), oneProcess)
	r.mustLoad()
	r.kill()
	r.logged("a worker has ended; it is started again")
	r.get("/reply", 200, "replied")
	if r.log.count("a handler failed") > 0 {
		t.Error(r.log.text())
	}
}

func TestJobsFailIfNoProcessCanStart(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken")
	r := newRig(t, program("breaks", broken), threads(1), oneProcess)
	r.mustLoad()
	r.must(os.WriteFile(broken, nil, 0o600))
	r.kill()
	r.logged("a worker has ended; it is started again")
	r.get("/reply", 500, "SyntaxError: invalid syntax")
	r.get("/reply", 500, "SyntaxError: invalid syntax")
	r.must(os.Remove(broken))
	r.until("a process runs the job", func() bool {
		status, _ := r.response(r.request("/reply"))
		return status == 200
	})
}

func TestReloadDuringJobs(t *testing.T) {
	r := newRig(t, program("routed", "oo"), threads(2), oneProcess)
	r.mustLoad()
	reply := r.request("/sleep")
	r.until("the job runs", func() bool { p := r.server.Processes(); return len(p) == 1 && p[0].Jobs == 1 })
	r.must(r.reload(program("routed", "oo")))
	r.get("/reply", 200, "replied")
	if n := len(r.server.Processes()); n != 2 {
		t.Errorf("%d processes", n)
	}
	r.kill2(1)
	if status, _ := r.response(reply); status != 500 {
		t.Error(status)
	}
	r.until("one process", func() bool { return len(r.server.Processes()) == 1 })
}

// kill2 kills the processes of a generation.
func (r *rig) kill2(generation uint64) {
	for _, p := range r.server.Processes() {
		if p.Generation == generation {
			r.must(killProcess(p.PID))
		}
	}
}

func TestTheGraceOfAProcessCountsFromItsReplacement(t *testing.T) {
	g := &set{opts: &Options{Grace: 10 * time.Second, killAfter: 2 * time.Second}}
	if left := g.grace(); left != 10*time.Second {
		t.Errorf("%v before the replacement", left)
	}
	for ago, want := range map[time.Duration]time.Duration{4 * time.Second: 6 * time.Second, time.Minute: 2 * time.Second} {
		at := time.Now().Add(-ago)
		g.replaced.Store(&at)
		if left := g.grace(); left > want || left < want-time.Second {
			t.Errorf("%v after %v, want %v", left, ago, want)
		}
	}
}

func TestHooks(t *testing.T) {
	var g *set
	r := newRig(t, program("routed", "o"), threads(1), oneProcess, func(c *config) {
		c.build = func(s *set, _ ready) (workerpool.Application, error) { g = s; return forwarder{s}, nil }
	})
	r.mustLoad()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	if err := g.hook(ctx, "on_start"); err != nil {
		t.Error(err)
	}
	if err := g.hook(ctx, "on_broken"); err == nil || !strings.Contains(err.Error(), "no such hook") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkJob(b *testing.B) {
	for _, n := range []int{1, 8} {
		b.Run(fmt.Sprintf("threads=%d", n), func(b *testing.B) {
			r := newRig(b, program("routed", strings.Repeat("o", n)), threads(n), oneProcess)
			r.mustLoad()
			r.bench(b, n, "/reply")
		})
	}
}

func BenchmarkLoop(b *testing.B) {
	for _, n := range []int{1, 8} {
		b.Run(fmt.Sprintf("senders=%d", n), func(b *testing.B) {
			r := newRig(b, program("hello"))
			r.mustLoad()
			r.bench(b, n, "/")
		})
	}
}

// bench sends requests from n goroutines and waits for their responses.
func (r *rig) bench(b *testing.B, n int, path string) {
	replies := make([]chan struct{}, n)
	for i := range replies {
		replies[i] = make(chan struct{}, 1)
	}
	unbind, err := r.layer.Bind("bench!", func(d asgi.Delivery) error {
		if !d.Probe {
			replies[d.Channel[len("bench!")]-'0'] <- struct{}{}
		}
		return nil
	})
	r.must(err)
	defer unbind()
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			m := asgi.MustMessage(
				asgi.Field{Key: "reply_channel", Value: fmt.Sprintf("bench!%d", i)},
				asgi.Field{Key: "path", Value: path},
				asgi.Field{Key: "headers", Value: []any{[]any{asgi.Bytes("host"), asgi.Bytes("127.0.0.1:8000")}}})
			for range b.N / n {
				if err := r.layer.Send(context.Background(), asgi.NewCause(1), "http.request", m, asgi.Volatile); err != nil {
					b.Error(err)
				}
				<-replies[i]
			}
		})
	}
	wg.Wait()
}
