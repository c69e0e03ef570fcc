package process

import (
	"errors"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"asgibox/asgi/remote"
)

func TestLoopAnswersRequests(t *testing.T) {
	r := newRig(t, program("hello"))
	r.mustLoad()
	for range 3 {
		r.get("/", 200, "Hello World!")
	}
	if p := r.server.Processes(); len(p) != 1 || p[0].Kind != "loop" || p[0].PID == 0 || p[0].Generation != 1 || !p[0].Ready {
		t.Errorf("the processes are %+v", p)
	}
}

func TestLoopReadsABody(t *testing.T) {
	r := newRig(t, program("hello"))
	r.mustLoad()
	r.send("http.request.body?a", "content", "part")
	r.get("/body", 200, "part", "body_channel", "http.request.body?a")
	r.get("/", 200, "Hello World!")
}

func TestReloadEndsTheOldProcess(t *testing.T) {
	r := newRig(t, program("hello"))
	r.mustLoad()
	old := r.server.Processes()[0].PID
	for range 3 {
		if err := r.reload(program("hello")); err != nil {
			t.Fatal(err)
		}
		r.get("/", 200, "Hello World!")
	}
	r.until("one process", func() bool { p := r.server.Processes(); return len(p) == 1 && p[0].PID != old })
	if r.log.count("SIGTERM") > 0 {
		t.Error(r.log.text())
	}
}

func TestSeveralReloads(t *testing.T) {
	r := newRig(t, program("hello"), func(c *config) { c.pool.Workers = 2 })
	r.mustLoad()
	for range 5 {
		if err := r.reload(program("hello")); err != nil {
			t.Fatal(err)
		}
		r.get("/", 200, "Hello World!")
	}
}

func TestAFailedLoadKeepsTheOldProcess(t *testing.T) {
	r := newRig(t, program("hello"))
	r.mustLoad()
	err := r.reload(program("refuses"))
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	if x := e.Explanation(); x.Message != "SyntaxError: invalid syntax" || x.Hint != "write it well" || len(x.Frames) != 1 || x.Frames[0].Line != 3 || len(x.Frames[0].Lines) != 1 {
		t.Errorf("the explanation is %+v", x)
	}
	if !r.loader.Uses("app.py") {
		t.Error("a change of the file with the error does not load the application again")
	}
	r.get("/", 200, "Hello World!")
	err = r.reload(program("exit"))
	var exit *ExitError
	if !errors.As(err, &exit) || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(exit.Explanation().Message, "first line\nlast line") {
		t.Errorf("got %v", err)
	}
	r.get("/", 200, "Hello World!")
	r.until("one process", func() bool { return len(r.server.Processes()) == 1 })
}

func TestAChildThatNeverConnects(t *testing.T) {
	r := newRig(t, program("silent"), func(c *config) { c.options.LoadTimeout = 100 * time.Millisecond })
	err := r.loaded()
	if err == nil || !strings.Contains(err.Error(), "did not connect") || !strings.Contains(err.Error(), "--load-timeout") {
		t.Errorf("got %v", err)
	}
	r.until("no process", func() bool { return len(r.server.Processes()) == 0 })
}

func TestALoadWithoutATimeLimit(t *testing.T) {
	r := newRig(t, program("hello"), func(c *config) { c.options.LoadTimeout = -1 })
	r.mustLoad()
	r.get("/", 200, "Hello World!")
}

func TestAProcessThatDiesWithAMessage(t *testing.T) {
	r := newRig(t, program("hello"))
	r.mustLoad()
	r.get("/exit", 500, "exit status 7")
	r.logged("a worker has ended; it is started again", "exit status 7")
	r.get("/", 200, "Hello World!")
	reply := r.request("/die")
	r.logged("I die")
	r.kill()
	if status, content := r.response(reply); status != 500 || !strings.Contains(content, "killed") || !strings.Contains(content, "I die") {
		t.Errorf("got %d %q", status, content)
	}
	r.get("/", 200, "Hello World!")
	if p := r.server.Processes(); p[0].Restarts != 2 {
		t.Errorf("the processes are %+v", p)
	}
}

func TestAProcessThatDiesWithoutAMessage(t *testing.T) {
	r := newRig(t, program("hello"))
	r.mustLoad()
	r.get("/", 200, "Hello World!")
	r.kill()
	r.logged("it is started again")
	r.get("/", 200, "Hello World!")
	if r.log.count("a handler failed") > 0 {
		t.Error(r.log.text())
	}
}

// kill kills the first process with SIGKILL.
func (r *rig) kill() {
	r.t.Helper()
	kill(r.server.all()[0].cmd)
}

// all returns all children.
func (s *Server) all() (all []*child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.children {
		all = append(all, c)
	}
	return all
}

func TestAMessageThatTakesTooLong(t *testing.T) {
	r := newRig(t, program("hello"), func(c *config) { c.pool.HandlerTimeout = 2 * time.Second })
	r.mustLoad()
	r.get("/slow", 500, "--handler-timeout")
	r.logged("it still runs 1s after its message was cancelled")
	r.order("a handler failed", "a worker is replaced")
	r.get("/", 200, "Hello World!")
}

func TestAProcessThatDoesNotReadIsReplaced(t *testing.T) {
	r := newRig(t, program("hello"), func(c *config) { c.pool.HandlerTimeout = 2 * time.Second })
	r.mustLoad()
	r.get("/flood", 500, "--handler-timeout")
	r.logged("it still runs 1s after its message was cancelled")
	r.get("/", 200, "Hello World!")
}

func TestAProcessThatDoesNotReadItsMessageIsReplaced(t *testing.T) {
	r := newRig(t, program("hello"), func(c *config) { c.pool.HandlerTimeout = 2 * time.Second })
	r.mustLoad()
	r.request("/flood-receive")
	r.logged("flooded")
	r.get("/", 500, "--handler-timeout")
	r.logged("it still runs 1s after its message was cancelled")
	r.get("/", 200, "Hello World!")
}

func TestAProcessThatDoesNotReadIsKilled(t *testing.T) {
	for _, path := range []string{"/flood", "/flood-receive"} {
		t.Run(path, func(t *testing.T) {
			r := newRig(t, program("hello"), func(c *config) {
				c.options.Grace = 100 * time.Millisecond
				c.pool.Grace = 100 * time.Millisecond
			})
			r.mustLoad()
			r.request(path)
			r.logged("flooded")
			r.must(r.reload(program("hello")))
			r.logged("a worker did not end within 100ms (--grace); it gets SIGTERM")
			r.until("one process", func() bool { return len(r.server.Processes()) == 1 })
		})
	}
}

func TestCallsWhileLoadingWaitUntilTheGenerationIsLive(t *testing.T) {
	got := make(chan string, 1)
	r := newRig(t, program("sends"), endless, func(c *config) {
		c.ready = func(r *rig) {
			go func() {
				d, _ := r.layer.Receive(t.Context(), nil, "greeting")
				got <- d.Message.Text("text")
			}()
		}
	})
	r.mustLoad() // although the call asks to wait for an outcome
	if text := <-got; text != "hello" {
		t.Errorf("got %q", text)
	}
}

func TestSeveralMessagesAtOnce(t *testing.T) {
	r := newRig(t, program("concurrent"))
	r.mustLoad()
	first, second := r.request("/"), r.request("/")
	if status, _ := r.response(second); status != 200 {
		t.Error(status)
	}
	if status, _ := r.response(first); status != 200 {
		t.Error(status)
	}
	third := r.request("/")
	fourth := r.request("/exit")
	got := map[string]bool{}
	for range 2 {
		d, err := r.layer.Receive(t.Context(), nil, "front!")
		if err != nil || d.Message.Int("status") != 500 {
			t.Fatalf("got %v, %v", d, err)
		}
		got[d.Channel] = true
	}
	if !got[third] || !got[fourth] {
		t.Errorf("got %v", got)
	}
}

func TestManyReceivesOfALoop(t *testing.T) {
	for arg, want := range map[string][]string{
		"names":  {"1 TooManyNames the receives of the process that wait may name 10000 channels together", "2 InvalidName"},
		"number": {"1000 BadRequest 1000 receives of the process wait already"},
	} {
		t.Run(arg, func(t *testing.T) {
			r := newRig(t, program("many", arg))
			r.mustLoad()
			for _, text := range want {
				r.logged(text)
			}
			r.send("c")
			r.logged("got c")
			if n := r.log.count("TooManyNames") + r.log.count("InvalidName") + r.log.count("BadRequest"); n != len(want) {
				t.Errorf("%d receives failed\n%s", n, r.log.text())
			}
		})
	}
}

func TestWorkersOfALoopAreProcesses(t *testing.T) {
	r := newRig(t, program("hello"), func(c *config) { c.pool.Workers = 2 })
	r.mustLoad()
	pids := func() int { return len(r.server.Processes()) }
	if pids() != 2 {
		t.Fatalf("%d processes", pids())
	}
	if err := r.pool.SetWorkers(3); err != nil {
		t.Fatal(err)
	}
	r.until("three processes", func() bool { return pids() == 3 })
	if err := r.pool.SetWorkers(1); err != nil {
		t.Fatal(err)
	}
	r.until("one process", func() bool { return pids() == 1 })
	r.get("/", 200, "Hello World!")
}

func TestAStubbornProcessIsKilled(t *testing.T) {
	r := newRig(t, program("stubborn"), func(c *config) {
		c.options.Grace = 100 * time.Millisecond
		c.pool.Grace = 100 * time.Millisecond
	})
	r.mustLoad()
	if err := r.reload(program("hello")); err != nil {
		t.Fatal(err)
	}
	r.logged("a worker did not end within 100ms (--grace); it gets SIGTERM")
	r.logged("a worker ignored SIGTERM; it was killed")
	r.until("one process", func() bool { return len(r.server.Processes()) == 1 })
}

func TestAtMostThreeGenerationsHaveProcesses(t *testing.T) {
	r := newRig(t, program("stubborn"), func(c *config) { c.options.Grace = 300 * time.Millisecond })
	r.mustLoad()
	most := 0
	for range 5 {
		if err := r.reload(program("stubborn")); err != nil {
			t.Fatal(err)
		}
		generations := map[uint64]bool{}
		for _, p := range r.server.Processes() {
			generations[p.Generation] = true
		}
		most = max(most, len(generations))
	}
	if most != maxGenerations {
		t.Errorf("%d generations had processes", most)
	}
}

func TestOutputBecomesLogLines(t *testing.T) {
	r := newRig(t, program("output"))
	if err := r.loaded(); err == nil {
		t.Error("the load did not fail")
	}
	for _, text := range []string{`msg=plain worker=1`, `31mred`, `… (11809 more bytes)`, `msg="no end of line"`, `msg="to stderr"`} {
		r.logged(text)
	}
	if strings.Contains(r.log.text(), "\x1b") || strings.Contains(r.log.text(), `\x1b`) || strings.Contains(r.log.text(), `\xff`) {
		t.Errorf("the log has control characters or bytes:\n%q", r.log.text())
	}
}

func TestChildrenThatBreakTheRules(t *testing.T) {
	for _, c := range []struct {
		role, arg string
		want      []string
	}{
		{"bad", "frame", []string{"a connection to the socket for workers was closed", "bad frame", "worker=1"}},
		{"bad", "long", []string{"a connection to the socket for workers was closed", "bytes long, the limit is"}},
		{"bad", "stdout", []string{"a worker has closed its stdout"}},
		{"twice", "", []string{"second: Forbidden: process"}},
	} {
		t.Run(c.role+c.arg, func(t *testing.T) {
			r := newRig(t, program(c.role, c.arg))
			r.mustLoad()
			r.logged(c.want...)
			if c.role == "bad" {
				r.get("/", 200, "Hello World!")
			}
		})
	}
}

func TestProcessesThatAWorkerLeavesBehind(t *testing.T) {
	r := newRig(t, program("leaves", "600"))
	r.mustLoad()
	r.get("/", 500, "exit status 2")
	r.logged("a worker has ended but left processes behind; they were killed")
}

func TestADurableMessageIsNotHandledTwice(t *testing.T) {
	r := newRig(t, program("hello"), func(c *config) { c.durable = t.TempDir() + "/store.db" })
	r.mustLoad()
	for i := range 3 {
		m := fields("name", "number "+strconv.Itoa(i))
		r.must(r.layer.Send(t.Context(), nil, "job", message(m)))
	}
	for i := range 3 {
		r.logged("job number " + strconv.Itoa(i))
	}
}

func TestAProgramOverHTTP(t *testing.T) {
	var server atomic.Pointer[httptest.Server]
	r := newRig(t, program("http"), func(c *config) {
		c.options.URL = func() string { return server.Load().URL }
		c.ready = func(r *rig) {
			h := remote.NewHandler(r.layer, remote.Options{Program: r.server.Program})
			s := httptest.NewServer(h)
			server.Store(s)
			t.Cleanup(func() { h.Close(); s.Close() })
		}
	})
	r.mustLoad()
	r.get("/", 200, "over HTTP")
	r.get("/exit", 500, "exit status 6")
	r.get("/", 200, "over HTTP")
	r.must(r.reload(program("hello")))
	r.logged("retired: Retired")
	r.get("/", 200, "Hello World!")
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}
