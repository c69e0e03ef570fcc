package e2e

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
)

func TestCapacityFlags(t *testing.T) {
	p := start(t, chatApp, "--store", "memory", "--channel-capacity", "jobs=2", "--channel-capacity", "job*=9", "--capacity", "1")
	for channel, room := range map[string]int{"jobs": 2, "other": 1} {
		for range room {
			p.mustCommand("send", channel, "{}")
		}
		if status, out := p.command("send", channel, "{}"); status != 1 || !strings.Contains(out, "full") {
			t.Errorf("one more on %s: %d %s", channel, status, out)
		}
	}
}

func TestChaosRequiresItsFlag(t *testing.T) {
	const poll = `
def send(request):
    Channel("jobs").send({})
    Channel("safe").send({})
    return str(layer.receive(["jobs"])[0]) + " " + str(layer.receive(["safe"])[0])

channel_routing = [view("/", send)]
`
	if _, body := start(t, poll, "--store", "memory", "--chaos", "job*:drop=100%").get("/"); body != "None safe" {
		t.Errorf("with chaos: %s", body)
	}
	if _, body := start(t, poll, "--store", "memory").get("/"); body != "jobs safe" {
		t.Errorf("without: %s", body)
	}
}

func TestChaosRulesChangeAtRunTime(t *testing.T) {
	p := start(t, chatApp, "--store", "memory")
	control := p.controlURL()
	ask := func(rules string) (int, string) {
		t.Helper()
		resp, err := http.Post(control+"api/chaos", "application/json", strings.NewReader(`{"rules": `+rules+`}`))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var b bytes.Buffer
		_, _ = b.ReadFrom(resp.Body)
		return resp.StatusCode, b.String()
	}
	if status, out := ask(`["jobs:drop=often"]`); status != 400 {
		t.Errorf("a bad rule: %d %s", status, out)
	}
	if status, out := ask(`["jobs:drop=100%"]`); status != 200 {
		t.Errorf("a rule: %d %s", status, out)
	}
	p.mustCommand("send", "jobs", `{"n": 0}`)
	if status, out := ask(`[]`); status != 200 || out != `{"rules":[]}`+"\n" {
		t.Errorf("no rules: %d %s", status, out)
	}
	p.mustCommand("send", "jobs", `{"n": 1}`)
	if out := p.mustCommand("receive", "jobs"); !strings.Contains(out, `"n":1`) {
		t.Errorf("received %s", out)
	}
}

func TestUnknownFlagErrorSuggestsAFlag(t *testing.T) {
	expectText(t, mustFail(t, "run", "--prot", "1"), "unknown flag: --prot; did you mean --port?")
	expectText(t, mustFail(t, "run", "--http_timeuot", "1"), "did you mean --http-timeout?")
	expectText(t, mustFail(t, "run", "--zzzzzzzzz"), "--help lists the flags")
}

func TestInvalidFlagValueIsAnError(t *testing.T) {
	expectText(t, mustFail(t, "run", "--http-timeout", "soon"), `"soon" is not a duration like 90, 90s or 1m30s`)
	expectText(t, mustFail(t, "run", "--sync", "some"), "full, none")
	t.Setenv("ASGIBOX_MAX_BODY", "much")
	expectText(t, mustFail(t, "run"), "ASGIBOX_MAX_BODY")
}

func TestFlagsAreReadFromTheEnvironment(t *testing.T) {
	t.Setenv("ASGIBOX_STORE", "memory")
	t.Setenv("ASGIBOX_SET", "word=from the environment,other=x")
	p := start(t, `
def request(message):
    message.reply_channel.send({"status": 200, "content": settings["word"]})

channel_routing = {"http.request": request}
`)
	if _, body := p.get("/"); body != "from the environment" {
		t.Error(body)
	}
	p.waitFor(`nothing is saved \(--store memory\)`)
}

func TestFlagsMayBeSpelledWithUnderscores(t *testing.T) {
	start(t, helloApp, "--http_timeout", "60", "--websocket_connect_timeout", "1m30s", "--root_path", "/x", "--proxy_headers")
}

func TestSessionCookieFlag(t *testing.T) {
	p := start(t, countingApp, "--store", "memory", "--session-cookie", "who")
	r, err := http.Get(p.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if cookie := r.Header.Get("Set-Cookie"); !strings.HasPrefix(cookie, "who=") {
		t.Errorf("the cookie is %q", cookie)
	}
	expectText(t, mustFail(t, "run", "--session-cookie", "a b"), `--session-cookie "a b": a cookie cannot have this name`)
}
