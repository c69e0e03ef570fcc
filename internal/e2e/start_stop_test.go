package e2e

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"asgibox/internal/cli"
)

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

func TestASecondCtrlCEndsTheProcessAtOnce(t *testing.T) {
	dir := dirWith(t, t.TempDir(), `
def hang(message):
    log.info("hanging")
    layer.receive(["nothing"], block=True)

channel_routing = {"http.request": hang}
`)
	p := spawn(t, dir, "--grace", "10m", "--handler-timeout", "-1")
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if r, err := http.Get(p.url); err == nil {
			r.Body.Close()
		}
	}()
	p.saw("hanging")
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Skip("this system cannot interrupt a process:", err)
	}
	p.saw("stopping")
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
		if status := p.cmd.ProcessState.ExitCode(); status != 130 {
			t.Errorf("exit status %d", status)
		}
	case <-time.After(patience):
		t.Error("it does not end")
		p.kill()
	}
	<-asked
}
