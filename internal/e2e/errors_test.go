package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestMissingApplicationIsAnErrorOfOneLine(t *testing.T) {
	expectText(t, mustFail(t, "run", "nothere.star"), "nothere.star: there is no such file")
	expectText(t, mustFail(t, "run", ""), "the name of the application is empty")
}

func TestTheAccessLogIsNotTheStore(t *testing.T) {
	app := writeApp(t, helloApp)
	file := filepath.Join(filepath.Dir(app), "both")
	expectText(t, mustFail(t, "run", app, "--store", file, "--access-log", file), "is the file of both --store and --access-log")
}

func TestUnreadableApplicationIsAnErrorOfOneLine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.star")
	if err := os.WriteFile(path, nil, 0o000); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(path); err == nil {
		f.Close() // this user may read every file
		return
	}
	expectText(t, mustFail(t, "run", path), "cannot be read")
}

func TestUsedPortIsAnErrorOfOneLine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	expectText(t, mustFail(t, "run", writeApp(t, helloApp), "--port", port), l.Addr().String()+": another program uses it")
}

func TestLockedStoreErrorNamesTheProcess(t *testing.T) {
	p := start(t, helloApp)
	for _, port := range []string{"0", p.url[strings.LastIndexByte(p.url, ':')+1:]} { // the second is the port of the first program
		line := mustFail(t, "run", filepath.Join(p.dir, "app.star"), "--port", port)
		expectText(t, line, "channels.db")
		expectText(t, line, "process "+strconv.Itoa(os.Getpid()))
		expectText(t, line, " since 20")
		expectText(t, line, "control server on "+p.controlURL())
	}
}

// An error in the application is one line with its position, and the server
// continues.
func TestServerContinuesAfterLoadErrors(t *testing.T) {
	for name, c := range map[string]struct{ app, says string }{
		"a syntax error":    {"\n\ndef x(:\n", `app\.star:3:7: `},
		"an unknown name":   {"\nlyer.send('x', {})\n", `app\.star:2:1: .*lyer.*layer`},
		"an empty file":     {"x = 1\n", `app\.star.*channel_routing`},
		"a load of nothing": {`load("no.star", "x")`, `app\.star:1:1: .*no\.star.*no such file`},
		"an import":         {"import json\n", `app\.star:1:1: .*`},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, c.app)
			p.waitFor("(?m)^[0-9:]+ error: .*" + c.says)
			if status, body := p.get("/"); status != 500 {
				t.Errorf("%d %s", status, body)
			}
			p.save("app.star", helloApp)
			p.waitFor(`reloaded app\.star, generation 1, `)
			if status, body := p.get("/"); status != 200 || body != "hello" {
				t.Errorf("after the fix: %d %s", status, body)
			}
		})
	}
}

func TestServerContinuesAfterHandlerErrors(t *testing.T) {
	const app = `
gone = "elsewhere.response.ABCDEFGHIJ!gone"

def answer(message):
    message.reply_channel.send({"status": 200, "content": "fine"})

def no_status(message):
    layer.send(message["reply_channel"], {"content": "no status"})

def dead(message):
    layer.send(gone, {"status": 200, "content": "lost"})
    answer(message)

def bad_value(message):
    layer.send("jobs", {"list": [1, len]})

def bad_name(message):
    layer.send("two words", {"a": 1})

def unknown(message):
    message.nothing()

def silent(message):
    pass

channel_routing = [
    route("http.request", no_status, path="^/no-status"),
    route("http.request", dead, path="^/dead"),
    route("http.request", bad_value, path="^/bad-value"),
    route("http.request", bad_name, path="^/bad-name"),
    route("http.request", unknown, path="^/unknown"),
    route("http.request", silent, path="^/silent"),
    route("http.request", answer),
]
`
	p := start(t, app)
	for _, c := range []struct {
		path   string
		status int
		says   string
	}{
		{"/no-status", 500, `app\.star:8:.*status`},
		{"/dead", 200, ""},
		{"/bad-value", 500, `app\.star:15:\d+.*list\[1\]`},
		{"/bad-name", 500, `app\.star:18:\d+.*two words`},
		{"/unknown", 500, `app\.star:21:\d+.*nothing`},
		{"/silent", 500, `silent`},
	} {
		if status, body := p.get(c.path); status != c.status {
			t.Errorf("%s returns %d %s", c.path, status, body)
		}
		if c.says != "" {
			p.waitFor("(?m)^[0-9:]+ (error|warning): .*" + c.says)
		}
		if status, _ := p.get("/"); status != 200 {
			t.Fatalf("after %s the server returns %d", c.path, status)
		}
	}
}

func TestErrorPageReloadsAfterTheFix(t *testing.T) {
	b := browser(t)(t)
	p := start(t, "def index(request):\n    return nmae\n\nchannel_routing = [view(\"/\", index)]\n")
	b.do(chromedp.EmulateViewport(900, 700), chromedp.Navigate(p.url))
	b.waitForText("nmae is not defined")
	b.screenshot("error-load")
	p.save("app.star", "def index(request):\n    return {}[\"key\"]\n\nchannel_routing = [view(\"/\", index)]\n")
	b.waitForTextAcrossReloads(`key "key" not in dict`)
	b.screenshot("error-handler")
	p.save("app.star", "def index(request):\n    return \"fixed\"\n\nchannel_routing = [view(\"/\", index)]\n")
	b.waitForTextAcrossReloads("fixed")
}
