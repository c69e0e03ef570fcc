package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestSendPrintsTheOutcomeOfItsMessage(t *testing.T) {
	p := start(t, `
def connect(message): message.reply({"accept": True})
def receive(message): pass
def job(message): pass
def broken(message): fail("no")
channel_routing = [
    route("websocket.connect", connect, path=r"^/live$"),
    route("websocket.receive", receive, path=r"^/live$"),
    route("jobs", job),
    route("broken", broken),
]
`, "--store", "memory")
	p.waitFor("loaded app.star")
	send := func(body string) string {
		t.Helper()
		res, err := http.Post(p.controlURL()+"layer/send", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	tail := p.inBackground("tail", "kind:no*").out
	for _, c := range []struct{ channel, want string }{
		{"websocket.receive", ": no route\n"},
		{"jobs", ": handled by job (app.star:4)\n"},
		{"broken", ": failed in broken (app.star:5)\n"},
		{"job", ": nothing reads this channel yet\n"},
	} {
		if out := p.mustCommand("send", c.channel, `{"x": 1, "path": "/lvie"}`); !strings.HasSuffix(out, c.want) {
			t.Errorf("%s: %q, want %q", c.channel, out, c.want)
		}
		want := `{"outcome":"` + strings.TrimSpace(c.want[1:]) + `"}`
		if out := send(`{"channel": "` + c.channel + `", "message": {"path": "/lvie"}, "wait": 10}`); out != want {
			t.Errorf("%s: /layer/send returns %s, want %s", c.channel, out, want)
		}
	}
	if out := send(`{"channel": "jobs", "message": {}}`); out != "{}" {
		t.Errorf("without waiting: %s", out)
	}
	if out := send(`{"channel": "job", "message": {}, "delay": 1, "wait": 1}`); !strings.Contains(out, "cannot wait for the outcome") {
		t.Errorf("with a delay: %s", out)
	}
	p.eventually("tail shows the message without a route", func() bool {
		p.command("send", "websocket.receive", "{}")
		return strings.Contains(tail.String(), "no route websocket.receive")
	})
}
