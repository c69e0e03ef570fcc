package script_test

import (
	"strings"
	"testing"

	"asgibox/workerpool/script"
)

// groupSender is an application whose WebSockets are members of a group. Each
// frame sends a message to the group.
func groupSender(content string) string {
	return `
def connect(message):
    Group("g").add(message.reply_channel)
    message.reply({"accept": True})
def receive(message):
    ` + content + `
    Group("g").send({"text": "done"})
channel_routing = {"websocket.connect": connect, "websocket.receive": receive}
`
}

func TestAProblemOfAGroupMessageIsReportedOnceAtItsLine(t *testing.T) {
	for content, want := range map[string]string{
		`Group("g").send({"txt": "x"})`:                        `unknown key \"txt\"; did you mean \"text\"?`,
		`Group("g").send({"content": "x"})`:                    `unknown key \"content\"`,
		`layer.send_group("g", {"text": 5})`:                   `must be text, not an integer`,
		`[Group("g").send({"txt": "x"}) for i in range(3)]`:    `did you mean \"text\"?`,
		`Group("g").add("queue"); Group("g").send({"txt": 1})`: `did you mean \"text\"?`,
	} {
		s := serve(t, groupSender(content))
		a, b := s.dial("/"), s.dial("/")
		for range 2 {
			a.send("x")
			a.want("done")
			b.want("done")
		}
		if log := s.log.String(); strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, want) || !strings.Contains(log, "at=app.star:6") {
			t.Errorf("%s: the log is\n%s", content, log)
		}
	}
}

func TestAProblemOfAGroupMessageIsAnErrorInStrictMode(t *testing.T) {
	s := setup{script: script.Options{Strict: true}}.serve(t, groupSender(`Group("g").send({"txt": "x"})`))
	ws := s.dial("/")
	ws.send("x")
	ws.wantClosed(1011)
	s.log.has(`did you mean \"text\"?`)
}

func TestGroupMessagesThatMembersUnderstandLogNoWarning(t *testing.T) {
	strict := setup{script: script.Options{Strict: true}}
	s := strict.serve(t, groupSender(`Group("none").send({"txt": "x"}); Group("q").add("queue"); Group("q").send({"txt": "x"})`))
	ws := s.dial("/")
	ws.send("x")
	ws.want("done")
	s.log.lacks("level=WARN")

	s = strict.serve(t, `
def page(request):
    Group("held").add(request.reply_channel)
    Group("held").send({"status": 200, "content": "one ", "more_content": True})
    Group("held").send({"content": "two"})
channel_routing = [view("/", page)]
`)
	s.want("/", 200, "one two")
	s.log.lacks("level=WARN")
}

func TestAnUnknownKeyInAPartOfAResponseToAGroupIsReported(t *testing.T) {
	s := setup{script: script.Options{Strict: true}}.serve(t, `
def page(request):
    Group("held").add(request.reply_channel)
    Group("held").send({"status": 200, "contnt": "one", "more_content": True})
channel_routing = [view("/", page)]
`)
	if r := s.get("/", "accept", "text/html"); r.status != 500 || !strings.Contains(r.body, "did you mean &#34;content&#34;?") {
		t.Errorf("%v", r)
	}
}

func TestABadKeyInAReplyIsReportedOnce(t *testing.T) {
	s := serve(t, `
def page(message):
    message.reply({"status": 200, "content": "x", "extra": 1})
def receive(message):
    message.reply({"txt": "x"})
    message.reply({"text": "done"})
channel_routing = {"http.request": page, "websocket.receive": receive}
`)
	s.want("/", 200, "x")
	ws := s.dial("/")
	ws.send("x")
	ws.want("done")
	if strings.Count(s.log.String(), "level=WARN") != 2 {
		t.Errorf("%s", s.log)
	}
}
