package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"asgibox/internal/cli"

	"github.com/coder/websocket"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestTheFourLinesAnswer(t *testing.T) {
	p := startIn(t, copyOf(t, "../../examples"), "hello.star", "--store", "memory")
	r, err := http.Get(p.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if _, body := p.get("/"); r.StatusCode != 200 || body != "Hello World!" {
		t.Errorf("%d %q", r.StatusCode, body)
	}
	p.saw(`GET / 200 `)
}

func TestCtrlCDrainsAndExitsZero(t *testing.T) {
	p := start(t, echoApp("one"))
	s := p.dial("/")
	if got := s.ask("a"); got != "one a" {
		t.Fatal(got)
	}
	closed := make(chan websocket.StatusCode)
	go func() { closed <- s.closed() }()
	if status := p.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if code := <-closed; code != websocket.StatusGoingAway {
		t.Errorf("the socket was closed with %d", code)
	}
}

func TestCtrlCAtOnceExitsZeroToo(t *testing.T) {
	app := filepath.Join(dirWith(t, t.TempDir(), helloApp), "app.star")
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		out := newTranscript()
		if status := cli.Run(ctx, []string{"run", app, "--port", "0", "--store", "memory"}, strings.NewReader(""), out, out); status != 0 {
			t.Errorf("exit status %d: %s", status, out)
		}
	}
}

func TestCtrlCFinishesRequestsThatRun(t *testing.T) {
	p := start(t, `
def slow(message):
    log.info("begun")
    sleep(0.2)
    message.reply_channel.send({"status": 200, "content": "finished"})

channel_routing = {"http.request": slow}
`)
	answered := make(chan string)
	go func() {
		body, err := ask(http.DefaultClient, p.url)
		if err != nil {
			body = err.Error()
		}
		answered <- body
	}()
	p.saw("begun")
	p.stop()
	if body := <-answered; body != "finished" {
		t.Error(body)
	}
}

func TestTheStoreIsKeptBesideTheApplication(t *testing.T) {
	p := start(t, helloApp)
	p.stop()
	for _, name := range []string{"channels.db", ".gitignore"} {
		if _, err := os.Stat(filepath.Join(p.dir, ".asgibox", name)); err != nil {
			t.Error(err)
		}
	}
}

// echoApp is an application whose answers say which version gave them.
func echoApp(version string) string {
	return fmt.Sprintf(`
def connect(message):
    message.reply_channel.send({"accept": True})

def receive(message):
    message.reply_channel.send({"text": %q + message["text"]})

def request(message):
    message.reply_channel.send({"status": 200, "content": %q})

channel_routing = {"websocket.connect": connect, "websocket.receive": receive, "http.request": request}
`, version+" ", version)
}

func TestASaveReplacesTheApplicationAndKeepsItsSockets(t *testing.T) {
	p := start(t, echoApp("one"))
	a, b := p.dial("/a"), p.dial("/b")
	if got := a.ask("x"); got != "one x" {
		t.Fatal(got)
	}
	p.save("app.star", echoApp("two"))
	p.saw(`reloaded app\.star, generation 2, [^,]+, 2 sockets kept`)
	for _, s := range []*socket{a, b} {
		if got := s.ask("x"); got != "two x" {
			t.Error(got)
		}
	}
	p.save("app.star", "def broken(:\n")
	p.saw(`reload of app\.star failed; generation 2 continues: app\.star:1:`)
	if got := a.ask("x"); got != "two x" {
		t.Error(got)
	}
}

func TestAFileThatTheApplicationLoadsIsWatched(t *testing.T) {
	dir := t.TempDir()
	p := &program{TB: t, dir: dir}
	p.save("lib.star", `word = "one"`)
	p.save("app.star", `
load("lib.star", "word")

def request(message):
    message.reply_channel.send({"status": 200, "content": word})

channel_routing = {"http.request": request}
`)
	p = startIn(t, dir, "app.star")
	p.saw("loaded app")
	p.save("lib.star", `word = "two"`)
	p.saw(`reloaded lib\.star, generation 2, `)
	if _, body := p.get("/"); body != "two" {
		t.Error(body)
	}
}

// The file is hidden, so only following it notices a change.
func TestAHiddenFileIsWatchedAfterEveryKindOfLoad(t *testing.T) {
	dir := t.TempDir()
	p := &program{TB: t, dir: dir}
	p.save(".lib.star", "word =")
	p.save("app.star", `
load(".lib.star", "word")

def request(message):
    message.reply_channel.send({"status": 200, "content": word})

channel_routing = {"http.request": request}
`)
	p = startIn(t, dir, "app.star", "--store", "memory")
	p.saw("app.star does not load")
	p.save(".lib.star", `word = "after the first load failed"`)
	p.saw(`reloaded \.lib\.star, generation 1, `)
	p.save(".lib.star", "word =")
	p.saw(`reload of \.lib\.star failed; generation 1 continues`)
	p.save(".lib.star", `word = "after a failed load"`)
	p.saw(`reloaded \.lib\.star, generation 2, `)
	p.loadAgain()
	p.saw(`reloaded app\.star, generation 3, `)
	p.save(".lib.star", `word = "after a load on request"`)
	p.saw(`reloaded \.lib\.star, generation 4, `)
	if _, body := p.get("/"); body != "after a load on request" {
		t.Error(body)
	}
}

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

// A second program watches the same files. When it has reloaded them twice, the
// first one would have too.
func TestNoReloadLeavesTheApplicationAsItIs(t *testing.T) {
	p := start(t, echoApp("one"), "--no-reload", "--store", "memory")
	witness := startIn(t, p.dir, "app.star", "--store", "memory")
	p.saw("loaded")
	witness.saw("loaded")
	for generation, content := range []string{"two", "three"} {
		p.save("app.star", echoApp(content))
		witness.saw(fmt.Sprintf(`reloaded app\.star, generation %d, `, generation+2))
	}
	if _, body := p.get("/"); body != "one" {
		t.Error(body)
	}
	p.loadAgain()
	p.saw(`reloaded app\.star, generation 2, `)
}

// A thousand requests are on their way all the time while the file is saved
// ten times.
func TestNoRequestFailsWhileTheApplicationIsSaved(t *testing.T) {
	const clients, saves = 1000, 10
	p := start(t, echoApp("0"))
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}

	var (
		done     = make(chan struct{})
		answered atomic.Int64
		running  sync.WaitGroup
		begun    sync.WaitGroup
	)
	newest := make(chan string, 1) // the version that was answered last
	begun.Add(clients)
	for range clients {
		running.Go(func() {
			for first := true; ; first = false {
				version, err := ask(client, p.url)
				if err != nil {
					t.Errorf("a request failed: %v", err)
				}
				answered.Add(1)
				if first {
					begun.Done()
				}
				select {
				case newest <- version:
				case <-done:
					return
				default:
				}
				if t.Failed() {
					return
				}
			}
		})
	}
	begun.Wait()
	for i := 1; i <= saves && !t.Failed(); i++ {
		version := itoa(i)
		p.save("app.star", echoApp(version))
		for <-newest != version && !t.Failed() {
		}
	}
	close(done)
	running.Wait()
	t.Logf("%d requests were answered", answered.Load())
}

// ask answers the body of a response, or how the request failed.
func ask(client *http.Client, url string) (string, error) {
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

// copyOf copies a folder of the repository, so that tests may change it.
func copyOf(t testing.TB, folder string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, ".asgibox")); err != nil {
		t.Fatal(err)
	}
	return dir
}
