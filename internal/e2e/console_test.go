package e2e

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"asgibox/internal/cli"
)

const consoleApp = `
rooms = ["red", "blue"]

def index(request):
    return "hello " + rooms[0]

def divide(a, b):
    return a // b

channel_routing = [view("/", index)]
`

// pipe runs the console with a text as standard input.
func pipe(t *testing.T, input string, args ...string) (status int, out, errOut string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var o, e bytes.Buffer
	status = cli.Run(ctx, append([]string{"console"}, args...), strings.NewReader(input), &o, &e)
	return status, o.String(), e.String()
}

func TestConsoleEvaluatesAPipe(t *testing.T) {
	p := start(t, consoleApp)
	status, out, errOut := pipe(t, `
# Statements without and with a body.
def double(x):

    y = [x,
x]
# a comment
    return y
double(4)
for i in range(3):
    if i == 1:
        print(i)
    else:
        state.incr("others")
state.get("others")
layer.send("jobs", {"number": 7, "data": b"\x00"})
layer.receive_many(["jobs"])`, "--control", p.controlURL())
	want := "[4, 4]\n1\n2\n(\"jobs\", {\"number\": 7, \"data\": b\"\\x00\"})\n"
	if status != 0 || out != want || errOut != "" {
		t.Errorf("status %d\n%s\nwant\n%s\n%s", status, out, want, errOut)
	}
	if got := p.mustCommand("channels"); !strings.Contains(got, "jobs") {
		t.Error(got)
	}
}

func TestConsoleEndsAtTheFirstError(t *testing.T) {
	dir := filepath.Dir(writeApp(t, consoleApp))
	status, out, errOut := pipe(t, "rooms\n\ndivide(1,\n  0)\nprint('never')\n", filepath.Join(dir, "app.star"))
	if status != 1 || out != "[\"red\", \"blue\"]\n" {
		t.Errorf("status %d, %q", status, out)
	}
	for _, want := range []string{"app.star:8:14: floored division by zero", "<stdin>:3:7", "return a // b"} {
		expectText(t, errOut, want)
	}
	status, _, errOut = pipe(t, "x = (\n", filepath.Join(dir, "app.star"))
	if status != 1 || !strings.HasPrefix(errOut, "<stdin>:") {
		t.Errorf("status %d, %s", status, errOut)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the application: %v, %v", entries, err)
	}
}

func TestConsoleServesTheApplication(t *testing.T) {
	app := writeApp(t, `
def index(request):
    return "%s %d" % (settings["greeting"], state.get("n", 0))

channel_routing = [view("/", index)]
`)
	status, out, errOut := pipe(t, "state.set('n', 5)\nsettings['greeting']\n", app, "--set", "greeting=hi")
	if status != 0 || out != "5\n\"hi\"\n" || errOut != "" {
		t.Errorf("status %d, %q, %s", status, out, errOut)
	}
}

func TestConsoleIsInterruptedWhileItWaitsForInput(t *testing.T) {
	app := writeApp(t, consoleApp)
	input, typed := io.Pipe()
	defer typed.Close()
	out := newTranscript()
	ctx, cancel := context.WithCancel(t.Context())
	status := make(chan int, 1)
	go func() { status <- cli.Run(ctx, []string{"console", app}, input, out, out) }()
	if _, err := io.WriteString(typed, "rooms\n"); err != nil {
		t.Fatal(err)
	}
	if out.wait(regexp.MustCompile(`"red", "blue"`)) == nil {
		t.Fatal(out)
	}
	cancel()
	if got := <-status; got != 130 {
		t.Errorf("status %d", got)
	}
}

func TestConsoleReportsBadInput(t *testing.T) {
	broken := writeApp(t, "def index(request):\n    retrun 1\n")
	status, out, errOut := pipe(t, "1\n", broken)
	if status != 1 || out != "" || !strings.HasPrefix(errOut, broken+":2:") {
		t.Errorf("status %d, %q, %s", status, out, errOut)
	}
	expectText(t, mustFail(t, "console", filepath.Join(t.TempDir(), "none.star")), "none.star: there is no such file")
	expectText(t, mustFail(t, "console", broken, "--control", "127.0.0.1:1"), "give an application or a running server")
	expectText(t, mustFail(t, "console", "--set", "a=b"), "--set needs an application")
	expectText(t, mustFail(t, "console", "--control", "127.0.0.1:1"), "connect to the layer at http://127.0.0.1:1")
	expectText(t, mustFail(t, "console", "a", "b"), "console takes [APP], but got 2 arguments")
}
