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
)

// builtProgram is the path of the binary that buildProgram makes.
var builtProgram string

// buildProgram builds the binary once. TestMain removes it.
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
	builtProgram = filepath.Join(dir, "asgibox.exe") // Windows requires the suffix
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// binary returns the path of the binary, for tests that need a separate process.
func binary(t testing.TB) string {
	t.Helper()
	if err := buildProgram(); err != nil {
		t.Fatal(err)
	}
	return builtProgram
}

// patience is how long a test waits for an expected event.
const patience = 30 * time.Second

// program is the program, started by a test within the test's process.
type program struct {
	testing.TB
	dir  string // of the application
	url  string // of a server
	out  *transcript
	stop func() int // stops the program as Ctrl-C does and returns the exit status
}

// start runs a server with the application on a free port.
func start(t testing.TB, app string, args ...string) *program {
	t.Helper()
	return startIn(t, filepath.Dir(writeApp(t, app)), "app.star", args...)
}

// startIn runs a server with an application that exists, on a free port.
func startIn(t testing.TB, dir, app string, args ...string) *program {
	t.Helper()
	p := launch(t, dir, append([]string{"run", filepath.Join(dir, app), "--port", "0"}, args...)...)
	p.url = p.appURL()
	return p
}

// launch runs any command until stop is called or the test ends.
func launch(t testing.TB, dir string, args ...string) *program {
	t.Helper()
	p := &program{TB: t, dir: dir, out: newTranscript()}
	ctx, cancel := context.WithCancel(context.Background())
	status := make(chan int, 1)
	go func() { status <- cli.Run(ctx, args, strings.NewReader(""), p.out, p.out) }()
	p.stop = sync.OnceValue(func() int {
		cancel()
		select {
		case s := <-status:
			return s
		case <-time.After(patience):
			t.Errorf("the program does not end; its output:\n%s", p.out)
			return -1
		}
	})
	t.Cleanup(func() { p.stop() })
	return p
}

// inBackground runs a command against the server.
func (p *program) inBackground(args ...string) *program {
	p.Helper()
	return launch(p.TB, p.dir, append(args, "--control", p.controlURL())...)
}

// worker runs the application as a worker of a server.
func (p *program) worker(args ...string) *program {
	p.Helper()
	w := launch(p.TB, p.dir, append([]string{"worker", filepath.Join(p.dir, "app.star")}, args...)...)
	w.waitFor("loaded app.star, generation 1")
	return w
}

// appURL waits for the URL of the application, without a slash at its end.
func (p *program) appURL() string {
	p.Helper()
	return strings.TrimSuffix(p.waitFor(`open +(http\S+)`)[1], "/")
}

// controlURL waits for the URL of the control server, with its token.
func (p *program) controlURL() string {
	p.Helper()
	return p.waitFor(`inspector +(http\S+)`)[1]
}

// controlAddress returns the host and port of a control server without a token.
func (p *program) controlAddress() string {
	p.Helper()
	return strings.Trim(strings.TrimPrefix(p.controlURL(), "http:"), "/")
}

// save writes a file of the application.
func (p *program) save(name, content string) {
	p.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o644); err != nil {
		p.Fatal(err)
	}
}

// waitFor waits until the output matches and returns the match and its groups.
func (p *program) waitFor(pattern string) []string {
	p.Helper()
	match := p.out.wait(regexp.MustCompile(pattern))
	if match == nil {
		p.Fatalf("the output does not match %q:\n%s", pattern, p.out)
	}
	return match
}

// eventually waits until the condition holds.
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

// get requests a path and returns the response.
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

// getBody requests a URL and returns the body of a response with status 200.
func getBody(client *http.Client, url string) (string, error) {
	r, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", r.Status, body)
	}
	return string(body), err
}

// requestReload makes the control server load the application again.
func (p *program) requestReload() {
	p.Helper()
	r, err := http.Post(p.controlURL()+"api/reload", "application/json", strings.NewReader("{}"))
	if err != nil {
		p.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusOK {
		p.Fatal(r.Status)
	}
}

// command runs a command against the server until it ends.
func (p *program) command(args ...string) (status int, out string) {
	p.Helper()
	return runCommand(p, append(args, "--control", p.controlURL())...)
}

// mustCommand runs a command that must succeed and returns its output.
func (p *program) mustCommand(args ...string) string {
	p.Helper()
	status, out := p.command(args...)
	if status != 0 {
		p.Fatalf("%q: status %d: %s", args, status, out)
	}
	return out
}

// runCommand runs a command until it ends and returns its status and output.
func runCommand(t testing.TB, args ...string) (status int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var b bytes.Buffer
	status = cli.Run(ctx, args, strings.NewReader(`{"text": "from stdin"}`), &b, &b)
	return status, b.String()
}

// mustFail runs a command that must fail and returns its output of one line.
func mustFail(t *testing.T, args ...string) string {
	t.Helper()
	status, out := runCommand(t, args...)
	if status != 1 {
		t.Fatalf("exit status %d, output:\n%s", status, out)
	}
	line := strings.TrimSuffix(out, "\n")
	if strings.Contains(line, "\n") {
		t.Fatalf("more than one line:\n%s", line)
	}
	return line
}

// expectText fails unless got contains want.
func expectText(t testing.TB, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%q does not contain %q", got, want)
	}
}
