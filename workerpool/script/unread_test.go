package script_test

import (
	"strings"
	"testing"

	"asgibox/workerpool/script"
)

// senderOf is an application that sends to a channel and reads jobs.send.
func senderOf(send string) string {
	return `
def index(request):
    ` + send + `
    return "sent"
def job(message): pass
channel_routing = [view("/", index), route("jobs.send", job), route("websocket.receive", job)]
`
}

func TestASendToAChannelWithoutReaderLogsAWarningAtOnce(t *testing.T) {
	for _, send := range []string{
		`Channel("job.send").send({})`, `layer.send("job.send", {})`, `Channel("job.send").send_later(60, {})`,
	} {
		s := serve(t, senderOf(send))
		s.want("/", 200, "sent")
		s.want("/", 200, "sent")
		const want = `no route or reader receives from \"job.send\"; did you mean \"jobs.send\"?`
		if log := s.log.String(); strings.Count(log, want) != 1 || !strings.Contains(log, "at=app.star:3") {
			t.Errorf("%s: the log is\n%s", send, log)
		}
	}
	s := serve(t, senderOf(`Channel("mail").send({})`))
	s.want("/", 200, "sent")
	s.log.has(`no route or reader receives from \"mail\" (add a route for it`)
}

func TestASendToAMisspeltChannelFailsInStrictMode(t *testing.T) {
	strict := setup{script: script.Options{Strict: true}}
	r := strict.serve(t, senderOf(`Channel("job.send").send({})`)).get("/", "accept", "text/html")
	if r.status != 500 || !strings.Contains(r.body, "did you mean &#34;jobs.send&#34;?") || !strings.Contains(r.body, "app.star:3") {
		t.Errorf("%v", r)
	}
	// Another program may start to read a channel whose name resembles none.
	strict.serve(t, senderOf(`Channel("mail").send({})`)).want("/", 200, "sent")
}

func TestASendToAChannelWithAReaderLogsNoWarning(t *testing.T) {
	for _, send := range []string{
		`Channel("jobs.send").send({})`,
		`Channel("http.disconnect").send({"reply_channel": "x!y", "path": "/"})`,
		`layer.receive("job.send"); Channel("job.send").send({})`,
		`Channel(layer.new_channel("job.send?")).send({})`,
	} {
		s := serve(t, senderOf(send))
		s.want("/", 200, "sent")
		s.log.lacks("level=WARN")
	}
	s := setup{script: script.Options{NoCheck: true}}.serve(t, senderOf(`Channel("job.send").send({})`))
	s.want("/", 200, "sent")
	s.log.lacks("level=WARN")
}

func TestALoopIsWarnedOfAMisspeltChannel(t *testing.T) {
	s := serve(t, `
while True:
    channel, m = layer.receive_many(["http.request", "jobs.send"], block=True)
    if channel == "http.request":
        layer.send("jobs.send", {})
        layer.send("audit", {})
        layer.send("job.send", {})
        layer.send(m["reply_channel"], {"status": 200, "content": "sent"})
`)
	s.want("/", 200, "sent")
	s.log.has(`no route or reader receives from \"job.send\"; did you mean \"jobs.send\"?`)
	if strings.Count(s.log.String(), "level=WARN") != 1 {
		t.Errorf("%s", s.log)
	}
}
