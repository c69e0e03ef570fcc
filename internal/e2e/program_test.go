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
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"asgibox/internal/cli"
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

// command runs a command against the program, named by its control server.
func (p *program) command(args ...string) (status int, out string) {
	p.Helper()
	control := p.saw(`inspector +(http\S+)`)[1]
	return controlled(p, append(args, "--control", control)...)
}

func controlled(t testing.TB, args ...string) (status int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var b bytes.Buffer
	status = cli.Run(ctx, args, strings.NewReader(`{"text": "from stdin"}`), &b, &b)
	return status, b.String()
}

func (p *program) mustCommand(args ...string) string {
	p.Helper()
	status, out := p.command(args...)
	if status != 0 {
		p.Fatalf("%q: status %d: %s", args, status, out)
	}
	return out
}

// eventually tries until it holds.
func (p *program) eventually(what string, holds func() bool) {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			p.Fatal("never: " + what)
		}
	}
}

// refused runs a command line that cannot work and answers its one line.
func refused(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out bytes.Buffer
	if status := cli.Run(ctx, args, strings.NewReader(""), &out, &out); status != 1 {
		t.Fatalf("exit status %d, having said:\n%s", status, &out)
	}
	line := strings.TrimSuffix(out.String(), "\n")
	if strings.Contains(line, "\n") {
		t.Fatalf("more than one line:\n%s", line)
	}
	return line
}

func expectText(t testing.TB, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%q does not say %q", got, want)
	}
}

// command runs a command line and answers its status and all it says.
func command(t *testing.T, args ...string) (status int, output string) {
	t.Helper()
	var out bytes.Buffer
	status = cli.Run(t.Context(), args, strings.NewReader(""), &out, &out)
	return status, out.String()
}

func itoa(n int) string { return strconv.Itoa(n) }

// loadAgain asks the control server to load the application again.
func (p *program) loadAgain() {
	p.Helper()
	r, err := http.Post(p.saw(`inspector +(http\S+)`)[1]+"api/reload", "application/json", strings.NewReader("{}"))
	if err != nil {
		p.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusOK {
		p.Fatal(r.Status)
	}
}

// inBackground runs a command until stop is called, which answers its status.
func (p *program) inBackground(args ...string) (out *transcript, stop func() int) {
	p.Helper()
	control := p.saw(`inspector +(http\S+)`)[1]
	ctx, cancel := context.WithCancel(context.Background())
	out = newTranscript()
	status := make(chan int, 1)
	go func() { status <- cli.Run(ctx, append(args, "--control", control), strings.NewReader(""), out, out) }()
	p.Cleanup(cancel)
	return out, func() int {
		cancel()
		return <-status
	}
}

// worker runs an application for a server until stop is called.
func (p *program) worker(args ...string) (w *program, stop func() int) {
	p.Helper()
	w = &program{TB: p.TB, dir: p.dir, out: newTranscript()}
	ctx, cancel := context.WithCancel(context.Background())
	status := make(chan int, 1)
	go func() {
		status <- cli.Run(ctx, append([]string{"worker", filepath.Join(p.dir, "app.star")}, args...), strings.NewReader(""), w.out, w.out)
	}()
	stop = sync.OnceValue(func() int {
		cancel()
		return <-status
	})
	p.Cleanup(func() { stop() })
	w.saw("loaded app.star, generation 1")
	return w, stop
}
