package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSendAndReceiveCommands(t *testing.T) {
	p := start(t, chatApp, "--store", "memory")
	p.mustCommand("send", "jobs", `{"number": 7, "size": 1.0}`)
	if out := p.mustCommand("receive", "jobs"); out != `{"channel":"jobs","message":{"number":7,"size":1.0}}`+"\n" {
		t.Errorf("received %s", out)
	}
	p.mustCommand("send", "jobs", "-")
	if out := p.mustCommand("receive", "jobs", "other"); !strings.Contains(out, "from stdin") {
		t.Errorf("received %s", out)
	}
	p.mustCommand("send", "jobs", `{"text": "\u001b\u009b\u007fé"}`)
	if out := p.mustCommand("receive", "jobs"); out != `{"channel":"jobs","message":{"text":"\u001b\u009b\u007fé"}}`+"\n" {
		t.Errorf("control characters: received %q", out)
	}
	if status, out := p.command("send", "a b", "{}"); status != 1 || !strings.Contains(out, `invalid name "a b"`) {
		t.Errorf("a bad name: %d %s", status, out)
	}
	if status, out := p.command("send", "a", "{"); status != 1 || !strings.Contains(out, "not JSON") {
		t.Errorf("no JSON: %d %s", status, out)
	}
}

func TestPauseStepResumeAndFlushCommands(t *testing.T) {
	p := start(t, chatApp, "--store", "memory")
	p.mustCommand("pause", "jobs")
	p.mustCommand("send", "jobs", `{"n": 1}`)
	out := p.mustCommand("channels", "jo*")
	if !strings.Contains(out, "jobs") || !strings.Contains(out, "paused") || strings.Contains(out, "http.request") {
		t.Errorf("channels:\n%s", out)
	}
	p.mustCommand("step", "jobs")
	p.mustCommand("receive", "jobs")
	if status, out := p.command("step", "jobs"); status != 1 || !strings.Contains(out, "no message waits") {
		t.Errorf("step: status %d: %s", status, out)
	}
	if status, out := p.command("step", "--json", "jobs"); status != 1 || !strings.Contains(out, "false") {
		t.Errorf("step --json: status %d: %s", status, out)
	}
	p.mustCommand("resume", "jobs")
	var rows []struct {
		Depth  int
		Paused bool
	}
	if err := json.Unmarshal([]byte(p.mustCommand("channels", "jobs", "--json")), &rows); err != nil || len(rows) != 1 || rows[0].Paused {
		t.Errorf("as JSON: %+v, %v", rows, err)
	}
	p.mustCommand("send", "jobs", "{}")
	if status, _ := p.command("flush"); status != 1 {
		t.Error("flush asks for nothing")
	}
	if out := p.mustCommand("pause", "a!b"); !strings.Contains(out, "a!, that is every channel with this prefix, is paused") {
		t.Errorf("pause: %s", out)
	}
	if out := p.mustCommand("resume", "a!b"); !strings.Contains(out, "a!, that is every channel with this prefix, is no longer paused") {
		t.Errorf("resume: %s", out)
	}
	if out := p.mustCommand("resume", "jobs"); !strings.Contains(out, "jobs was not paused") {
		t.Errorf("resume: %s", out)
	}
	p.mustCommand("flush", "--yes")
	if err := json.Unmarshal([]byte(p.mustCommand("channels", "jobs", "--json")), &rows); err != nil || rows[0].Depth != 0 {
		t.Errorf("after the flush: %+v, %v", rows, err)
	}
}

func TestGroupPsStatsAndKillCommands(t *testing.T) {
	p := start(t, chatApp, "--store", "memory")
	s := p.dial("/chat")
	s.send("hello")
	if got := s.receive(); got != "hello" {
		t.Fatal(got)
	}
	p.mustCommand("group", "send", "room", `{"text": "from the terminal"}`)
	if got := s.receive(); got != "from the terminal" {
		t.Errorf("the socket got %q", got)
	}
	if out := p.mustCommand("group", "list"); !strings.Contains(out, "room   1") {
		t.Errorf("groups:\n%s", out)
	}
	p.mustCommand("group", "add", "room", "jobs")
	p.mustCommand("group", "discard", "room", "jobs")
	var members []struct{ Channel string }
	if err := json.Unmarshal([]byte(p.mustCommand("group", "list", "room", "--json")), &members); err != nil || len(members) != 1 {
		t.Fatalf("members: %+v, %v", members, err)
	}
	if out := p.mustCommand("ps"); !strings.Contains(out, "/chat") || !strings.Contains(out, "of 16 workers busy") {
		t.Errorf("ps:\n%s", out)
	}
	if out := p.mustCommand("stats"); !strings.Contains(out, "generation 1, routed") {
		t.Errorf("stats:\n%s", out)
	}
	p.mustCommand("kill", members[0].Channel[len(members[0].Channel)-6:], "--code", "4001")
	if end := s.waitClosed(); end.Code != 4001 {
		t.Errorf("the socket was closed with %v", end)
	}
	if status, out := p.command("kill", "nobody"); status != 1 || !strings.Contains(out, "no open WebSocket") {
		t.Errorf("kill: %d %s", status, out)
	}
}

func TestReplaySendsARequestThatTailPrinted(t *testing.T) {
	p := start(t, chatApp, "--store", "memory")
	out := p.inBackground("tail", "channel:http.request").out
	p.eventually("tail shows a request", func() bool {
		p.get("/")
		return strings.Contains(out.String(), "GET /")
	})
	trace := strings.Fields(out.String())[1]
	if got := p.mustCommand("replay", trace); !strings.HasPrefix(got, "200\n") || !strings.Contains(got, "page of GET") {
		t.Errorf("replayed: %s", got)
	}
}

func TestWrongArgumentsAreErrors(t *testing.T) {
	for line, want := range map[string]string{
		"send jobs":        "asgibox send takes CHANNEL JSON, but got 1 argument; see asgibox send --help",
		"receive":          "takes CHANNEL…, but got 0 arguments",
		"pause a b":        "takes CHANNEL, but got 2 arguments",
		"group add a":      "asgibox group add takes GROUP CHANNEL, but got 1 argument",
		"group remove a b": `group has no command "remove"`,
		"stats now":        "asgibox stats takes no arguments, but got 1 argument",
		"stts":             `unknown command "stts"`,
		"stats --jsn":      "did you mean --json?",
		"completion nosh":  `unknown command "nosh" for "asgibox completion"`,
		"help stts":        `unknown command "stts"`,
		"help group stts":  `unknown command "stts" for "asgibox group"`,
	} {
		if status, out := runCommand(t, strings.Fields(line)...); status != 1 || !strings.Contains(out, want) {
			t.Errorf("%s: %d %s", line, status, out)
		}
	}
	for want, args := range map[string][]string{
		"the name of the folder is empty":          {"man", ""},
		"--compare: there is no file":              {"bench", "http://127.0.0.1:1/", "--compare", "missing.json"},
		"cannot write --junit: there is no folder": {"test", "--junit", "missing/report.xml"},
		"cannot write --cover: there is no folder": {"test", "--cover=missing/cover.json"},
	} {
		if status, out := runCommand(t, args...); status != 1 || !strings.Contains(out, want) {
			t.Errorf("%q: %d %s", args, status, out)
		}
	}
	for _, line := range []string{"help", "help group", "help group send", "completion", "completion bash"} {
		if status, out := runCommand(t, strings.Fields(line)...); status != 0 || out == "" {
			t.Errorf("%s: %d %s", line, status, out)
		}
	}
}

func TestStatsWatchPrintsUntilCtrlC(t *testing.T) {
	p := start(t, chatApp, "--store", "memory", "--no-workers")
	c := p.inBackground("stats", "--watch")
	p.eventually("two tables", func() bool { return strings.Count(c.out.String(), "WHAT") >= 2 })
	if status := c.stop(); status != 0 || !strings.Contains(c.out.String(), "no workers here") {
		t.Errorf("status %d: %s", status, c.out)
	}
	c = p.inBackground("stats", "--watch", "--json")
	p.eventually("two lines", func() bool { return strings.Count(c.out.String(), "\n") >= 2 })
	if status := c.stop(); status != 0 {
		t.Errorf("status %d", status)
	}
	for line := range strings.Lines(c.out.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

func TestReceiveFollowContinuesAfterServerRestart(t *testing.T) {
	p := start(t, chatApp, "--control", "127.0.0.1:0")
	c := p.inBackground("receive", "jobs", "other", "--follow")
	p.mustCommand("send", "jobs", `{"n": 1.0}`)
	c.waitFor(`\{"channel":"jobs","message":\{"n":1\.0\}\}`)
	control := p.controlAddress()
	if status := p.stop(); status != 0 {
		t.Errorf("the server ended with %d", status)
	}
	p = startIn(t, p.dir, "app.star", "--control", control)
	p.mustCommand("send", "other", `{"n": 2}`)
	c.waitFor(`"other"`)
	if status := c.stop(); status != 0 {
		t.Errorf("status %d", status)
	}
}
