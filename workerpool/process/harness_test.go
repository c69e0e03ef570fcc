package process

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/store"
	"asgibox/workerpool"
)

// deadline is the time after which a test fails that waits for something.
const deadline = 20 * time.Second

// A rig is a server with a pool whose application is a child of the test.
type rig struct {
	t      testing.TB
	layer  *store.Store
	server *Server
	loader *Loader
	pool   *workerpool.Pool
	log    *logs
	loads  chan error

	mu      sync.Mutex // guards command
	command *Command
	next    int
}

// A config changes what newRig makes.
type config struct {
	options Options
	server  ServerOptions
	pool    workerpool.Options
	build   func(*set, ready) (workerpool.Application, error)
	store   store.Options
	ready   func(*rig) // is called before the pool runs
	durable string     // the file of the store; "" for one in memory
}

// program returns the command of a child of the test.
func program(role string, args ...string) *Command {
	return &Command{Path: os.Args[0], Args: args, Env: []string{"PROCESS_TEST_CHILD=" + role, "GORACE=atexit_sleep_ms=0"}}
}

// newRig runs a pool whose application is the command.
func newRig(t testing.TB, command *Command, change ...func(*config)) *rig {
	t.Helper()
	c := config{options: Options{Grace: 5 * time.Second, LoadTimeout: deadline, stuckAfter: time.Second, killAfter: 100 * time.Millisecond}, pool: workerpool.Options{Workers: 1, LoadTimeout: time.Hour}}
	for _, f := range change {
		f(&c)
	}
	r := &rig{t: t, command: command, log: &logs{t: t}, loads: make(chan error, 100)}
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c.store.Log = log
	var err error
	if c.durable != "" {
		if r.layer, err = store.Open(c.durable, c.store); err != nil {
			t.Fatal(err)
		}
	} else {
		r.layer = store.Memory(c.store)
	}
	c.server.Layer, c.server.Log, c.server.Version = r.layer, log, "test"
	if r.server, err = NewServer(c.server); err != nil {
		t.Fatal(err)
	}
	c.options.Log, c.options.Folder = log, t.TempDir()
	if c.options.Processes == 0 {
		c.options.Processes = c.pool.Workers
	}
	c.options.Command = func(context.Context, uint64) (*Command, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.command, nil
	}
	r.loader = NewLoader(r.server, c.options)
	if c.build != nil {
		r.loader.build = c.build
	}
	c.pool.Log = log
	c.pool.Loaded = func(_ workerpool.Generation, _ []string, err error) { r.loads <- err }
	if r.pool, err = workerpool.New(r.layer, r.loader, c.pool); err != nil {
		t.Fatal(err)
	}
	if c.ready != nil {
		c.ready(r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = r.pool.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		grace, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		r.server.Close(grace)
		_ = r.layer.Close(grace)
		if _, err := os.Stat(r.server.Address()); err == nil {
			t.Errorf("the socket %s is still there", r.server.Address())
		}
	})
	return r
}

// loaded waits for the outcome of the next load.
func (r *rig) loaded() error {
	r.t.Helper()
	select {
	case err := <-r.loads:
		return err
	case <-time.After(deadline):
		r.t.Fatalf("no load within %v\n%s", deadline, r.log.text())
		return nil
	}
}

// mustLoad fails the test if the next load fails.
func (r *rig) mustLoad() {
	r.t.Helper()
	if err := r.loaded(); err != nil {
		r.t.Fatalf("%v\n%s", err, r.log.text())
	}
}

// reload loads a command and fails the test if that fails.
func (r *rig) reload(command *Command) error {
	r.t.Helper()
	r.mu.Lock()
	r.command = command
	r.mu.Unlock()
	_, err := r.pool.Reload(r.t.Context())
	<-r.loads
	return err
}

// request sends a request and returns the channel of its reply.
func (r *rig) request(path string, more ...any) string {
	r.t.Helper()
	r.next++
	reply := fmt.Sprintf("front!%d", r.next)
	r.send("http.request", append([]any{"reply_channel", reply, "path", path}, more...)...)
	return reply
}

// send sends a volatile message, as a protocol server does.
func (r *rig) send(channel string, pairs ...any) {
	r.t.Helper()
	m, err := asgi.NewMessage(fields(pairs...)...)
	if err == nil {
		err = r.layer.Send(r.t.Context(), asgi.NewCause(asgi.NewTrace()), channel, m, asgi.Volatile)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// response waits for a reply and returns its status and content.
func (r *rig) response(reply string) (int64, string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), deadline)
	defer cancel()
	d, err := r.layer.Receive(ctx, nil, reply[:strings.Index(reply, "!")+1])
	if err != nil {
		r.t.Fatalf("no reply to %s: %v\n%s", reply, err, r.log.text())
	}
	if d.Channel != reply {
		r.t.Fatalf("a reply on %s, want one on %s: %v", d.Channel, reply, d.Message)
	}
	return d.Message.Int("status"), d.Message.Octets("content")
}

// get sends a request and checks the response.
func (r *rig) get(path string, status int64, content string, more ...any) {
	r.t.Helper()
	gotStatus, got := r.response(r.request(path, more...))
	if gotStatus != status || !strings.Contains(got, content) {
		r.t.Errorf("%s: got %d %q, want %d with %q", path, gotStatus, got, status, content)
	}
}

// until waits until ok returns true.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	end := time.Now().Add(deadline)
	for !ok() {
		if time.Now().After(end) {
			r.t.Fatalf("not within %v: %s\n%s", deadline, what, r.log.text())
		}
		time.Sleep(time.Millisecond)
	}
}

// logs collects the log.
type logs struct {
	t  testing.TB
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logs) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// has waits until a line of the log contains all texts, and fails the test otherwise.
func (r *rig) logged(texts ...string) {
	r.t.Helper()
	r.until("a line of the log with "+strings.Join(texts, ", "), func() bool { return r.log.count(texts...) > 0 })
}

// order fails the test unless the log has one text before another.
func (r *rig) order(first, second string) {
	r.t.Helper()
	log := r.log.text()
	if i, j := strings.Index(log, first), strings.Index(log, second); i < 0 || j < i {
		r.t.Errorf("want %q before %q:\n%s", first, second, log)
	}
}

// count returns the number of lines that contain all texts.
func (l *logs) count(texts ...string) (n int) {
next:
	for line := range strings.Lines(l.text()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue next
			}
		}
		n++
	}
	return n
}

func message(f asgi.Fields) asgi.Message { return asgi.MustMessage(f...) }
