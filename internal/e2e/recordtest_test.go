package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// recordTest records a test while use runs, and returns the command's output.
func (p *program) recordTest(file string, use func(), filter ...string) string {
	p.Helper()
	c := p.inBackground(append([]string{"record", "--as-test", file}, filter...)...)
	c.waitFor("recording a test")
	use()
	if status := c.stop(); status != 0 {
		p.Fatalf("record ended with %d: %s", status, c.out)
	}
	return c.out.String()
}

// expectTests runs a file of tests and returns the output.
func expectTests(t *testing.T, want int, args ...string) string {
	t.Helper()
	status, out := runCommand(t, append([]string{"test"}, args...)...)
	if status != want {
		text, _ := os.ReadFile(args[0])
		t.Fatalf("asgibox test: status %d, want %d: %s\n%s", status, want, out, text)
	}
	return out
}

// TestRecordedChatIsATest records a chat as a test, which passes, and fails after a
// change of the application.
func TestRecordedChatIsATest(t *testing.T) {
	dir := newProject(t, "chat")
	p := startIn(t, dir, "app.star", "--store", "memory")
	before := p.dial("/chat/lobby/Zoe")
	before.waitForEvent("welcome")
	before.send("I was here before")
	before.waitForEvent("said")
	before.c.Close(websocket.StatusNormalClosure, "")
	p.eventually("Zoe leaves the room", func() bool {
		_, rooms := p.get("/rooms")
		return strings.Contains(rooms, `"here":0`)
	})

	file := filepath.Join(dir, "recorded_test.star")
	out := p.recordTest(file, func() {
		p.get("/")
		ann := p.dial("/chat/lobby/Ann")
		ann.waitForEvent("welcome")
		bob := p.dial("/chat/lobby/Bob")
		bob.waitForEvent("welcome")
		ann.waitForEvent("joined")
		ann.send(`hello "Bob"`)
		bob.waitForEvent("said")
		bob.send("2 + 2 = 4\nat 10:30")
		ann.waitForEvent("said")
		ann.waitForEvent("said")
		p.get("/rooms")
		bob.c.Close(websocket.StatusNormalClosure, "")
		ann.waitForEvent("left")
	})
	if !strings.Contains(out, "2 tests in "+file+"; to run: asgibox test "+file+"\n") {
		t.Errorf("record printed %s", out)
	}
	expectTests(t, 0, file)
	recorded, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"def test_get_root(client):\n", "def test_chat_lobby_ann(client):\n",
		`    client.state.set("said/lobby", [`, `"text": "I was here before"`,
		`    ann = client.websocket("/chat/lobby/Ann")` + "\n", `    ann.send('hello "Bob"')` + "\n",
		"    for each in [ann, bob]:\n", `"at": ANY`, "    bob.close()\n",
	} {
		if !strings.Contains(string(recorded), want) {
			t.Errorf("the test has no %q:\n%s", want, recorded)
		}
	}

	app := filepath.Join(dir, "app.star")
	source, err := os.ReadFile(app)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(source), `"text": text,`, `"text": text.upper(),`, 1)
	if changed == string(source) {
		t.Fatal("app.star has not the expected line")
	}
	if err := os.WriteFile(app, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	out = expectTests(t, 1, file)
	if want := `at ["text"]: got "HELLO \"BOB\"", want "hello \"Bob\""`; !strings.Contains(out, want) || !strings.Contains(out, "1 passed, 1 failed") {
		t.Errorf("the failure has no %s: %s", want, out)
	}
}

// sessionApp counts the visits of each browser, which it greets over a WebSocket.
const sessionApp = `
def visit(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return {"visits": request.session["visits"], "name": request.message.reply_channel.name, "at": str(time.now()), "all": state.incr("all")}

def greet(message):
    if not message.http_session.get("visits"):
        message.reply_channel.send({"accept": False})
        return
    message.reply_channel.send({"accept": True, "bytes": b"\x00\xff", "subprotocol": "greeting"})
    message.reply_channel.send({"text": "welcome to %s" % message.reply_channel.name})
    Channel("later").send_later(3, {"to": message.reply_channel.name})

def later(message):
    Channel(message["to"]).send({"text": "bye", "close": 4001})

def wait(message):
    pass

channel_routing = [
    view("/visit", visit),
    route("http.request", wait, path="^/wait$"),
    route("websocket.connect", greet),
    route("later", later),
]
`

func TestRecordedSessionsAndDelays(t *testing.T) {
	p := start(t, sessionApp, "--store", "memory")
	get := func(cookie *http.Cookie) *http.Cookie {
		t.Helper()
		req, _ := http.NewRequest("GET", p.url+"/visit", nil)
		if cookie != nil {
			req.AddCookie(cookie)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if set := resp.Cookies(); len(set) > 0 {
			return set[0]
		}
		return cookie
	}
	known := get(nil)
	known = get(known)
	file := filepath.Join(p.dir, "sessions_test.star")
	p.recordTest(file, func() {
		known = get(known)
		get(get(nil))
		c, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(p.url, "http")+"/", &websocket.DialOptions{
			HTTPHeader: http.Header{"Cookie": {known.Name + "=" + known.Value}}, Subprotocols: []string{"greeting"},
		})
		if err != nil {
			t.Fatal(err)
		}
		s := &socket{p, c}
		s.receiveFrame()
		s.receive()
		if s.receive() != "bye" || s.waitClosed().Code != 4001 {
			t.Error("the socket is not closed with 4001")
		}
		if _, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(p.url, "http")+"/", nil); err == nil {
			t.Error("the handshake without a session succeeded")
		}
		p.get("/nothing")
	})
	expectTests(t, 0, file)
	recorded, _ := os.ReadFile(file)
	for _, want := range []string{
		`client.set_session({"visits": 2})`, `client.state.set("all", 2)`, " = client.browser()", `receive(timeout=5), "bye"`,
		`"name": ANY`, `"welcome to " + ANY`, `b"\x00\xff"`, `.closed_with, 4001)`, `.protocol, "greeting")`,
		`assert_in("403", assert_fails(`,
	} {
		if !strings.Contains(string(recorded), want) {
			t.Errorf("the test has no %q:\n%s", want, recorded)
		}
	}
}

func TestTestsThatCannotBeRecorded(t *testing.T) {
	p := start(t, sessionApp, "--store", "memory")
	p.save("old_test.star", "# kept")
	for name, want := range map[string]string{
		"old_test.star":       "exists; name a new file",
		"recorded.star":       "must end with _test.star",
		"no/folder_test.star": "no such file or directory",
	} {
		if status, out := p.command("record", "--as-test", filepath.Join(p.dir, name)); status != 1 || !strings.Contains(out, want) || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: %d %s", name, status, out)
		}
	}
	file := filepath.Join(p.dir, "new_test.star")
	c := p.inBackground("record", "--as-test", file, "path:/visit")
	c.waitFor("recording a test")
	p.get("/other")
	if status := c.stop(); status != 1 || !strings.Contains(c.out.String(), "no test: there is no request") {
		t.Errorf("recorded nothing: %d %s", status, c.out)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a file was written")
	}
	if out := p.recordTest(file, func() {
		p.get("/visit")
		if _, err := http.Post(p.url+"/visit", "application/octet-stream", strings.NewReader(strings.Repeat("x", 1<<20))); err != nil {
			t.Fatal(err)
		}
	}); !strings.Contains(out, "POST /visit is left out, because its body is longer than 4 KiB") {
		t.Errorf("recorded a long body: %s", out)
	}
	expectTests(t, 0, file)

	c = p.inBackground("record", "--as-test", filepath.Join(p.dir, "late_test.star"))
	c.waitFor("recording a test")
	p.stop()
	c.waitFor("the server ended; end record first")
	if status := c.stop(); status != 1 {
		t.Errorf("the server ended first: status %d", status)
	}
}
