package e2e

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"asgibox/internal/cli"
)

func TestFourLinesServeRequests(t *testing.T) {
	p := startIn(t, copyDir(t, "../../examples"), "hello.star", "--store", "memory")
	r, err := http.Get(p.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if _, body := p.get("/"); r.StatusCode != 200 || body != "Hello World!" {
		t.Errorf("%d %q", r.StatusCode, body)
	}
	p.waitFor(`GET / 200 `)
}

func TestCtrlCClosesSocketsAndExitsWithZero(t *testing.T) {
	p := start(t, echoApp("one"))
	s := p.dial("/")
	if got := s.exchange("a"); got != "one a" {
		t.Fatal(got)
	}
	closed := make(chan websocket.CloseError)
	go func() { closed <- s.waitClosed() }()
	if status := p.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if end := <-closed; end.Code != websocket.StatusGoingAway {
		t.Errorf("the socket was closed with %v", end)
	}
}

func TestCtrlCDuringStartExitsWithZero(t *testing.T) {
	app := writeApp(t, helloApp)
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		out := newTranscript()
		if status := cli.Run(ctx, []string{"run", app, "--port", "0", "--store", "memory"}, strings.NewReader(""), out, out); status != 0 {
			t.Errorf("exit status %d: %s", status, out)
		}
	}
}

// TestSignalsAreReceivedBeforeOtherPackagesStart checks the order in which the
// packages are initialized, because a signal before that kills the process.
func TestSignalsAreReceivedBeforeOtherPackagesStart(t *testing.T) {
	cmd := exec.Command(binary(t), "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	trace, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(trace), "init asgibox/internal/stopsignal ")
	if !found || strings.Contains(before, "init asgibox/") || strings.Contains(before, "init github.com/") || strings.Contains(before, "init net/http ") {
		t.Errorf("packages in the order of their initialization:\n%s", trace)
	}
}

func TestCtrlCFinishesRunningRequests(t *testing.T) {
	p := start(t, `
def slow(message):
    log.info("started")
    sleep(0.2)
    message.reply_channel.send({"status": 200, "content": "finished"})

channel_routing = {"http.request": slow}
`)
	reply := make(chan string)
	go func() {
		body, err := getBody(http.DefaultClient, p.url)
		if err != nil {
			body = err.Error()
		}
		reply <- body
	}()
	p.waitFor("started")
	p.stop()
	if body := <-reply; body != "finished" {
		t.Error(body)
	}
}

func TestStoreIsNextToTheApplication(t *testing.T) {
	p := start(t, helloApp)
	p.stop()
	for _, name := range []string{"channels.db", ".gitignore"} {
		if _, err := os.Stat(filepath.Join(p.dir, ".asgibox", name)); err != nil {
			t.Error(err)
		}
	}
}

// TestTheServerOutlivesTheReaderOfItsLog ends the reader, as Ctrl-C does in
// asgibox run 2>&1 | tee log.
func TestTheServerOutlivesTheReaderOfItsLog(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	cmd := exec.Command(binary(t), "run", writeApp(t, helloApp), "--port", "0", "--store", "memory")
	cmd.Stdout, cmd.Stderr = write, write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+/`)
	url, lines := "", bufio.NewScanner(read)
	for url == "" && lines.Scan() {
		url = address.FindString(lines.Text())
	}
	read.Close()
	for range 3 {
		r, err := http.Get(url)
		if err != nil {
			t.Fatal(err, cmd.Wait())
		}
		r.Body.Close()
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		_ = cmd.Process.Kill()
	} else if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestSecondCtrlCEndsTheProcessImmediately(t *testing.T) {
	app := writeApp(t, `
def hang(message):
    log.info("hanging")
    layer.receive(["nothing"], block=True)

channel_routing = {"http.request": hang}
`)
	p := startProcess(t, app, "--grace", "10m", "--handler-timeout", "-1")
	requested := make(chan struct{})
	go func() {
		defer close(requested)
		if r, err := http.Get(p.url); err == nil {
			r.Body.Close()
		}
	}()
	p.waitFor("hanging")
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Skip("this system cannot interrupt a process:", err)
	}
	p.waitFor("stopping")
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
		if status := p.cmd.ProcessState.ExitCode(); status != 130 {
			t.Errorf("exit status %d", status)
		}
	case <-time.After(patience):
		t.Error("the process does not end")
		p.kill()
	}
	<-requested
}
