package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"asgibox/internal/cli"

	"github.com/coder/websocket"
)

// builtProgram is the path of the program's binary, once it is built.
var builtProgram string

// buildProgram builds the binary once, in a folder that TestMain removes.
var buildProgram = sync.OnceValue(func() error {
	args := []string{"build", "-o", builtProgram}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "asgibox")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build asgibox: %w\n%s", err, out)
	}
	return nil
})

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "asgibox-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	builtProgram = filepath.Join(dir, "asgibox.exe") // Windows needs the ending
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// binary returns the path of the program's binary, for tests that need a
// process of its own.
func binary(t testing.TB) string {
	t.Helper()
	if err := buildProgram(); err != nil {
		t.Fatal(err)
	}
	return builtProgram
}

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// program is a server started by a test, with all that it says.
type program struct {
	testing.TB
	dir  string // of app.star
	url  string
	out  *transcript
	stop func() int // as Ctrl-C does; answers the exit status
}

// start runs the whole program on app.star with that content, on a free port.
func start(t testing.TB, app string, args ...string) *program {
	t.Helper()
	dir := t.TempDir()
	p := &program{TB: t, dir: dir}
	p.save("app.star", app)
	return startIn(t, dir, "app.star", args...)
}

// startIn runs the whole program on an application that is there.
func startIn(t testing.TB, dir, app string, args ...string) *program {
	t.Helper()
	p := &program{TB: t, dir: dir, out: newTranscript()}
	args = append([]string{"run", filepath.Join(dir, app), "--port", "0"}, args...)
	ctx, cancel := context.WithCancel(context.Background())
	status := make(chan int, 1)
	go func() { status <- cli.Run(ctx, args, strings.NewReader(""), p.out, p.out) }()
	p.stop = sync.OnceValue(func() int {
		cancel()
		select {
		case s := <-status:
			return s
		case <-time.After(patience):
			t.Errorf("the program does not end; it said:\n%s", p.out)
			return -1
		}
	})
	t.Cleanup(func() { p.stop() })
	p.url = strings.TrimSuffix(p.saw(`open +(http\S+)`)[1], "/")
	return p
}

// save writes a file of the application.
func (p *program) save(name, content string) {
	p.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o644); err != nil {
		p.Fatal(err)
	}
}

// saw waits until the program has said something that fits.
func (p *program) saw(pattern string) []string {
	p.Helper()
	found := p.out.wait(regexp.MustCompile(pattern))
	if found == nil {
		p.Fatalf("the program did not say %q but:\n%s", pattern, p.out)
	}
	return found
}

// get asks for a path and answers what came.
func (p *program) get(path string) (status int, body string) {
	p.Helper()
	r, err := http.Get(p.url + path)
	if err != nil {
		p.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		p.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// dial opens a WebSocket.
func (p *program) dial(path string) *socket {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(p.url, "http")+path, nil)
	if err != nil {
		p.Fatalf("dial %s: %v; the program said:\n%s", path, err, p.out)
	}
	p.Cleanup(func() { c.CloseNow() })
	return &socket{p, c}
}

// socket is a test's end of a WebSocket.
type socket struct {
	p *program
	c *websocket.Conn
}

func (s *socket) send(text string) {
	s.p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		s.p.Fatal(err)
	}
}

func (s *socket) receive() string {
	s.p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, b, err := s.c.Read(ctx)
	if err != nil {
		s.p.Fatalf("%v; the program said:\n%s", err, s.p.out)
	}
	return string(b)
}

// ask sends and answers what comes back.
func (s *socket) ask(text string) string {
	s.p.Helper()
	s.send(text)
	return s.receive()
}

// closed waits for the socket's end and answers its code.
func (s *socket) closed() websocket.StatusCode {
	s.p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if _, _, err := s.c.Read(ctx); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}

// transcript is what a program says, for tests that wait for a word.
type transcript struct {
	mu   sync.Mutex // guards the rest
	text bytes.Buffer
	more chan struct{} // closed when text has grown
}

func newTranscript() *transcript { return &transcript{more: make(chan struct{})} }

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.more)
	t.more = make(chan struct{})
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

func (t *transcript) wait(pattern *regexp.Regexp) []string {
	deadline := time.After(patience)
	for {
		t.mu.Lock()
		found, more := pattern.FindStringSubmatch(t.text.String()), t.more
		t.mu.Unlock()
		if found != nil {
			return found
		}
		select {
		case <-more:
		case <-deadline:
			return nil
		}
	}
}
