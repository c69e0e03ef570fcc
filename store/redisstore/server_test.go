package redisstore

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// A server is a redis-server that the tests have started.
type server struct {
	program string
	dir     string
	args    []string
	socket  string
	cmd     *exec.Cmd
}

// startServer starts a redis-server of the test, on a socket.
func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	s, err := newServer(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.remove)
	return s
}

func newServer(args ...string) (*server, error) {
	dir, err := os.MkdirTemp("", "redis") // t.TempDir may be too long for a socket
	if err != nil {
		return nil, err
	}
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, err
	}
	s := &server{program: program, dir: dir, args: args, socket: filepath.Join(dir, "s")}
	return s, s.start()
}

func (s *server) start() error {
	args := append([]string{"--port", "0", "--unixsocket", s.socket, "--dir", s.dir, "--save", "", "--appendonly", "no"}, s.args...)
	s.cmd = exec.Command(s.program, args...)
	var out bytes.Buffer
	s.cmd.Stdout, s.cmd.Stderr = &out, &out
	if err := s.cmd.Start(); err != nil {
		return err
	}
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: s.socket, MaxRetries: -1})
	defer c.Close()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := c.Ping(context.Background()).Err()
		if err == nil || isReply(err) && strings.HasPrefix(err.Error(), "NOAUTH") {
			return nil
		}
		if time.Now().After(deadline) {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
			return fmt.Errorf("redis-server does not start: %w\n%s", err, out.String())
		}
	}
}

// kill ends the server without a chance to write anything.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *server) remove() {
	s.kill()
	_ = os.RemoveAll(s.dir)
}

func (s *server) host() Host { return Host{Network: "unix", Address: s.socket} }

// client returns a client that is independent of the layer.
func (s *server) client(t testing.TB) *redis.Client {
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: s.socket, Protocol: 2, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// shared is the server of the tests that do not stop theirs.
var shared struct {
	once   sync.Once
	server *server
	err    error
}

// sharedServer returns the server that most tests share. Each test has a prefix of
// its own. A test is skipped if redis-server is not installed.
func sharedServer(t testing.TB) *server {
	t.Helper()
	needServer(t)
	shared.once.Do(func() { shared.server, shared.err = newServer() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

func needServer(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
}

func stopShared() {
	if shared.server != nil {
		shared.server.remove()
	}
}

var prefixes atomic.Int64

// newPrefix returns a prefix that no other test uses.
func newPrefix() string { return "t" + strconv.FormatInt(prefixes.Add(1), 10) + ":" }

// open opens a layer on a server. Options without hosts and prefixes get them.
func open(t testing.TB, s *server, o Options) *Layer {
	t.Helper()
	if len(o.Hosts) == 0 {
		o.Hosts = []Host{s.host()}
	}
	if o.Prefix == "" {
		o.Prefix = newPrefix()
		o.StatsPrefix = "meta-" + o.Prefix
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(testLog{t}, nil))
	}
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

type testLog struct{ t testing.TB }

func (w testLog) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// lines is a log whose lines can be counted.
type lines struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (w *lines) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func (w *lines) count(part string) int { return strings.Count(w.String(), part) }

func (w *lines) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}
