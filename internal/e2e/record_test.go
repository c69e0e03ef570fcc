package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// everyTime answers something else each time: a name, a time, a cookie.
const everyTime = `
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

// recorded waits until a file has a text so many times.
func (p *program) recorded(file, text string, times int) {
	p.Helper()
	p.eventually(text+" is recorded", func() bool {
		b, _ := os.ReadFile(file)
		return strings.Count(string(b), text) >= times
	})
}

// record leaves a recording of a page and of two sockets that talk.
func (p *program) record(file string) {
	p.Helper()
	_, stop := p.inBackground("record", file)
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
	p.recorded(file, `"channel":"websocket.disconnect"`, 2)
	if status := stop(); status != 0 {
		p.Errorf("record ended with %d", status)
	}
}

func TestARecordingIsPlayedAndCompared(t *testing.T) {
	p := start(t, everyTime, "--store", "memory")
	file := filepath.Join(t.TempDir(), "traffic")
	p.record(file)
	for _, speed := range [][]string{nil, {"--full-speed"}} {
		if out := p.mustCommand(append([]string{"play", file}, speed...)...); !strings.Contains(out, " 0 did not") {
			t.Errorf("played %q: %s", speed, out)
		}
	}
	p.save("app.star", strings.NewReplacer(`"page\n`, `"another page\n`, ", said at", ", told at").Replace(everyTime))
	p.saw("reloaded app.star")
	status, out := p.command("play", file, "--full-speed")
	if status != 1 {
		t.Errorf("after the change: status %d", status)
	}
	for _, want := range []string{
		"GET /page\n", "  - page\n  + another page\n    at ", "WebSocket /chat\n", "  - text hello, said at ", "  + text hello, told at ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not told: %s", want, out)
		}
	}
	status, out = p.command("play", file, "--full-speed", "--json")
	var told struct {
		Different int
		Finished  bool
		Details   []any
	}
	if err := json.Unmarshal([]byte(out), &told); err != nil || status != 1 || !told.Finished || told.Different < 3 || len(told.Details) < 3 {
		t.Errorf("as JSON: %d %+v, %v", status, told, err)
	}
}

func TestARecordingBesideTheApplicationReloadsNothing(t *testing.T) {
	p := start(t, everyTime, "--store", "memory")
	p.saw("generation 1")
	file := filepath.Join(p.dir, "traffic.rec")
	if err := os.WriteFile(file, []byte("an older one"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.saw(`reloaded traffic.rec, generation 2`) // whose it is nobody has said
	p.record(file)
	p.save("app.star", everyTime+"\n")
	p.saw(`reloaded app.star, generation 3`) // of the recording came none before
}

func TestARecordingGoesToStandardOutput(t *testing.T) {
	p := start(t, everyTime, "--store", "memory")
	out, stop := p.inBackground("record", "-", "path:/page")
	p.eventually("a request is recorded", func() bool {
		p.get("/page")
		p.get("/other")
		return strings.Contains(out.String(), `"path":"/page"`)
	})
	if status := stop(); status != 0 || strings.Contains(out.String(), "/other") {
		t.Errorf("status %d: %s", status, out)
	}
	for line := range strings.Lines(strings.TrimPrefix(out.String(), "recording; press Ctrl-C to stop\n")) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

func TestWhatIsNoRecordingIsRefused(t *testing.T) {
	p := start(t, everyTime, "--store", "memory")
	p.save("broken.rec", "{}\nhello\n")
	for file, want := range map[string]string{
		filepath.Join(p.dir, "broken.rec"): "line 1 of the recording",
		filepath.Join(p.dir, "none.rec"):   "no such file",
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
