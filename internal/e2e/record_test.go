package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// varyingApp sends a different time, name or cookie in each reply.
const varyingApp = `
def page(request):
    request.session["seen"] = True
    return "page\nat %s\nof %s" % (time.now(), request.message.reply_channel.name)

def connect(message):
    Group("room").add(message.reply_channel)
    message.reply_channel.send({"accept": True, "text": "you are " + message.reply_channel.name})

def receive(message):
    Group("room").send({"text": "%s, said at %d" % (message["text"], time.now().unix)})

def leave(message):
    Group("room").send({"text": "somebody left"})

channel_routing = [
    view("/page", page),
    route("websocket.connect", connect),
    route("websocket.receive", receive),
    route("websocket.disconnect", leave),
]
`

// waitForRecorded waits until a file contains a text that many times.
func (p *program) waitForRecorded(file, text string, times int) {
	p.Helper()
	p.eventually(text+" is recorded", func() bool {
		b, _ := os.ReadFile(file)
		return strings.Count(string(b), text) >= times
	})
}

// recordChat records a page and two sockets that exchange messages.
func (p *program) recordChat(file string) {
	p.Helper()
	c := p.inBackground("record", file)
	p.eventually("a request is recorded", func() bool {
		p.get("/page")
		b, _ := os.ReadFile(file)
		return strings.Contains(string(b), `"path":"/page"`)
	})
	one, other := p.dial("/chat"), p.dial("/chat")
	one.receive()
	other.receive()
	for _, text := range []string{"hello", "anybody"} {
		one.send(text)
		one.receive()
		other.receive()
	}
	one.c.CloseNow()
	other.receive()
	other.c.CloseNow()
	p.waitForRecorded(file, `"channel":"websocket.disconnect"`, 2)
	if status := c.stop(); status != 0 {
		p.Errorf("record ended with %d", status)
	}
}

func TestPlayComparesReplies(t *testing.T) {
	p := start(t, varyingApp, "--store", "memory")
	file := filepath.Join(t.TempDir(), "traffic")
	p.recordChat(file)
	for _, speed := range [][]string{nil, {"--full-speed"}} {
		if out := p.mustCommand(append([]string{"play", file}, speed...)...); !strings.Contains(out, " 0 did not") {
			t.Errorf("played %q: %s", speed, out)
		}
	}
	p.save("app.star", strings.NewReplacer(`"page\n`, `"another page\n`, ", said at", ", written at").Replace(varyingApp))
	p.waitFor("reloaded app.star")
	status, out := p.command("play", file, "--full-speed")
	if status != 1 {
		t.Errorf("after the change: status %d", status)
	}
	for _, want := range []string{
		"GET /page\n", "  - page\n  + another page\n    at ", "WebSocket /chat\n", "  - text hello, said at ", "  + text hello, written at ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the output has no %q: %s", want, out)
		}
	}
	status, out = p.command("play", file, "--full-speed", "--json")
	var result struct {
		Different int
		Finished  bool
		Details   []any
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || status != 1 || !result.Finished || result.Different < 3 || len(result.Details) < 3 {
		t.Errorf("as JSON: %d %+v, %v", status, result, err)
	}
}

func TestErrorPagesAreTheSameAfterAnEdit(t *testing.T) {
	const app = `
def page(request):
    fail("no")

def receive(message):
    fail("no")

channel_routing = [view("/fails", page), route("websocket.receive", receive)]
`
	p := start(t, app, "--store", "memory")
	file := filepath.Join(t.TempDir(), "traffic")
	c := p.inBackground("record", file)
	p.eventually("a request is recorded", func() bool {
		p.get("/none")
		b, _ := os.ReadFile(file)
		return strings.Contains(string(b), `"path":"/none"`)
	})
	p.get("/fails")
	for _, path := range []string{"/none", "/fails"} {
		r, err := http.NewRequest(http.MethodGet, p.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	s := p.dial("/socket")
	s.send("x")
	s.waitClosed()
	p.waitForRecorded(file, `"channel":"websocket.disconnect"`, 1)
	c.stop()
	play := func() (int, string) { return p.command("play", file, "--full-speed") }

	p.save("app.star", "\n# an edit that moves all lines\n\n"+app)
	p.waitFor("reloaded app.star, generation 2")
	if status, out := play(); status != 0 || !strings.Contains(out, " 0 did not") {
		t.Errorf("after an edit: status %d, %s", status, out)
	}
	p.save("app.star", strings.ReplaceAll(app, `fail("no")`, `fail("another")`))
	p.waitFor("reloaded app.star, generation 3")
	if status, out := play(); status != 1 || !strings.Contains(out, "another") {
		t.Errorf("after another message: status %d, %s", status, out)
	}
}

func TestRecordingDoesNotReloadTheApplication(t *testing.T) {
	p := start(t, varyingApp, "--store", "memory", "--watch", "*.rec")
	p.waitFor("generation 1")
	file := filepath.Join(p.dir, "traffic.rec")
	if err := os.WriteFile(file, []byte("an older one"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.waitFor(`reloaded traffic.rec, generation 2`) // no command has claimed the file yet
	p.recordChat(file)
	p.save("app.star", varyingApp+"\n")
	p.waitFor(`reloaded app.star, generation 3`) // recording caused no reload
}

func TestRecordWritesToStandardOutput(t *testing.T) {
	p := start(t, varyingApp, "--store", "memory")
	c := p.inBackground("record", "-", "path:/page")
	p.eventually("a request is recorded", func() bool {
		p.get("/page")
		p.get("/other")
		return strings.Contains(c.out.String(), `"path":"/page"`)
	})
	if status := c.stop(); status != 0 || strings.Contains(c.out.String(), "/other") {
		t.Errorf("status %d: %s", status, c.out)
	}
	for line := range strings.Lines(strings.TrimPrefix(c.out.String(), "recording; press Ctrl-C to stop\n")) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

func TestInvalidRecordingsAreErrors(t *testing.T) {
	p := start(t, varyingApp, "--store", "memory")
	p.save("broken.rec", "{}\nhello\n")
	for file, want := range map[string]string{
		filepath.Join(p.dir, "broken.rec"): "line 1 of the recording",
		filepath.Join(p.dir, "none.rec"):   "no such file",
		"-":                                "line 1 of the recording", // standard input has JSON of another kind
	} {
		if status, out := p.command("play", file); status != 1 || !strings.Contains(out, want) {
			t.Errorf("%s: %d %s", file, status, out)
		}
	}
	if status, out := p.command("record", filepath.Join(p.dir, "no", "folder")); status != 1 || !strings.Contains(out, "no such file") {
		t.Errorf("recorded into no folder: %d %s", status, out)
	}
	if status, out := p.command("record", filepath.Join(p.dir, "x.rec"), "foo:bar"); status != 1 || !strings.Contains(out, "unknown key foo:") {
		t.Errorf("recorded with a bad filter: %d %s", status, out)
	}
}
