// Package tour tests asgibox demo: the whole program, in a browser. It is a
// package of its own so that it runs at the same time as the other tests.
package tour

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
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	_ "asgibox/internal/cli" // so that go test runs the tests again when the program has changed
)

// patience is how long a test waits for an expected event.
const patience = time.Minute

// binary is the path of the program, which TestMain builds.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "asgibox-tour-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "asgibox.exe") // Windows requires the suffix
	if out, err := exec.Command("go", "build", "-o", binary, "asgibox").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build asgibox: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// process is the program, started by a test.
type process struct {
	testing.TB
	url   string // of the tour, without a slash at its end
	cmd   *exec.Cmd
	ended chan struct{} // closed when no process holds the output

	mu  sync.Mutex // guards the output
	out bytes.Buffer
}

// launch runs the program until the test ends.
func launch(t testing.TB, args ...string) *process {
	t.Helper()
	p := &process{TB: t, ended: make(chan struct{}), cmd: exec.Command(binary, args...)}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // the process may have ended
		<-p.ended
	})
	return p
}

// startTour runs the tour on free ports.
func startTour(t *testing.T, args ...string) *process {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the tour passes sockets to another process, which Windows cannot do")
	}
	p := launch(t, append([]string{"demo", "--port", "0", "--control", "127.0.0.1:0"}, args...)...)
	p.url = strings.TrimSuffix(p.waitFor(`tour +(http\S+)`)[1], "/")
	return p
}

// Write adds to the output.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// eventually waits until the condition holds.
func (p *process) eventually(what string, holds func() bool) {
	p.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.Fatalf("never: %s; the output:\n%s", what, p.output())
		}
	}
}

// waitFor waits until the output matches and returns the match and its groups.
func (p *process) waitFor(pattern string) (match []string) {
	p.Helper()
	find := regexp.MustCompile(pattern)
	p.eventually("output "+pattern, func() bool {
		match = find.FindStringSubmatch(p.output())
		return match != nil
	})
	return match
}

// get requests a URL and returns the body of a response with status 200.
func get(url string) (string, error) {
	r, err := http.Get(url)
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

// tab is a tab of a browser.
type tab struct {
	testing.TB
	ctx context.Context
}

// openBrowser starts Chromium. It sends requests only to the test's servers.
func openBrowser(t *testing.T) *tab {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("there is no Chromium on this machine")
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true), chromedp.WSURLReadTimeout(time.Minute))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return &tab{t, ctx}
}

// do runs the steps.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
		b.Fatalf("%v; the text of the page:\n%s", err, text)
	}
}

// run evaluates statements.
func (b *tab) run(statements string) {
	b.Helper()
	b.do(chromedp.Evaluate[chromedp.Void]("{" + statements + "}"))
}

// text returns the value of an expression.
func (b *tab) text(expression string) string {
	b.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		b.Fatal(err)
	}
	return v
}

func (b *tab) holds(condition string) bool {
	b.Helper()
	return b.text("Boolean("+condition+")") == "true"
}

// until waits until a condition holds on the page.
func (b *tab) until(condition string) {
	b.Helper()
	b.do(chromedp.Poll[chromedp.Void](condition, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience)))
}

// shows waits until an element that matches contains a text.
func (b *tab) shows(selector, text string) {
	b.Helper()
	b.until(fmt.Sprintf(`[...document.querySelectorAll(%q)].some((e) => e.innerText.includes(%s))`, selector, strconv.Quote(text)))
}

// press presses the first button with that text.
func (b *tab) press(text string) {
	b.Helper()
	find := `[...document.querySelectorAll("main button")].find((e) => e.textContent === ` + strconv.Quote(text) + `)`
	b.until(`Boolean(` + find + `)`)
	b.run(find + `.click()`)
}

// pressUntil presses a button again until the log of the page contains a text.
func (b *tab) pressUntil(button, text string) {
	b.Helper()
	for end := time.Now().Add(patience); !b.holds(`document.querySelector("#log").innerText.includes(` + strconv.Quote(text) + `)`); b.press(button) {
		if time.Now().After(end) {
			b.Fatalf("the log never contains %q", text)
		}
	}
}

// screenshot saves a picture of the page in the folder ASGIBOX_PICTURES.
func (b *tab) screenshot(name string) {
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(os.Getenv("ASGIBOX_PICTURES"), name+".png"), png, 0o644)
	}
	if err != nil {
		b.Fatal(err)
	}
}
