package e2e

import (
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
	}
	p.eventually("tail shows the message without a route", func() bool {
		p.command("send", "websocket.receive", "{}")
		return strings.Contains(tail.String(), "no route websocket.receive")
	})
}
