package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
)

func TestAWorkerInAnotherProcessAnswers(t *testing.T) {
	const app = `
def request(message):
    n = state.incr("visits")
    message.reply_channel.send({"status": 200, "content": "visit %d, one" % n})

def connect(message):
    message.reply_channel.send({"accept": True})

def receive(message):
    message.channel_session["said"] = message.channel_session.get("said", []) + [message["text"]]
    message.reply_channel.send({"text": " ".join(message.channel_session["said"])})

channel_routing = {"http.request": request, "websocket.connect": connect, "websocket.receive": receive}
`
	p := start(t, app, "--no-workers")
	w := &program{TB: t, dir: p.dir, out: newTranscript()}
	ctx, cancel := context.WithCancel(t.Context())
	status := make(chan int)
	go func() {
		status <- run(ctx, []string{"worker", filepath.Join(p.dir, "app.star")}, strings.NewReader(""), w.out, w.out)
	}()
	w.saw("loaded app.star, generation 1")
	for _, want := range []string{"visit 1, one", "visit 2, one"} {
		if _, body := p.get("/"); body != want {
			t.Error(body)
		}
	}
	s := p.dial("/")
	if s.ask("a") != "a" || s.ask("b") != "a b" {
		t.Error("the session was forgotten")
	}
	p.save("app.star", strings.ReplaceAll(app, "one", "two"))
	w.saw(`reloaded app\.star, generation 2`)
	if _, body := p.get("/"); body != "visit 3, two" {
		t.Error(body)
	}
	cancel()
	if got := <-status; got != 0 {
		t.Errorf("exit status %d", got)
	}
}

func TestAWorkerWithoutAServerSaysSo(t *testing.T) {
	app := filepath.Join(dirWith(t, t.TempDir(), helloApp), "app.star")
	expectText(t, refused(t, "worker", app), "no server runs")
}
