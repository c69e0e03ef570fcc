package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestAMissingApplicationIsOneLine(t *testing.T) {
	expectText(t, refused(t, "run", "nothere.star"), "nothere.star: there is no such file")
}

func TestAnUnreadableApplicationIsOneLine(t *testing.T) {
	dir := t.TempDir()
	expectText(t, refused(t, "run", dir), "is a folder")
	path := filepath.Join(dir, "app.star")
	if err := os.WriteFile(path, nil, 0o000); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(path); err == nil {
		f.Close() // to this user everything is readable
		return
	}
	expectText(t, refused(t, "run", path), "cannot be read")
}

func TestATakenPortIsOneLine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	app := filepath.Join(t.TempDir(), "app.star")
	if err := os.WriteFile(app, []byte(helloApp), 0o644); err != nil {
		t.Fatal(err)
	}
	expectText(t, refused(t, "run", app, "--port", port), l.Addr().String()+": another program uses it")
}

func TestALockedStoreSaysByWhom(t *testing.T) {
	p := start(t, helloApp)
	for _, port := range []string{"0", p.url[strings.LastIndexByte(p.url, ':')+1:]} { // and on the port that the first has
		line := refused(t, "run", filepath.Join(p.dir, "app.star"), "--port", port)
		expectText(t, line, "channels.db")
		expectText(t, line, "process "+itoa(os.Getpid()))
		expectText(t, line, "running since 20")
		expectText(t, line, "control server on "+p.saw(`inspector +(http\S+)`)[1])
	}
}

// What is wrong in the application is one line with its place, and the server
// goes on.
func TestTheServerGoesOnAfter(t *testing.T) {
	for name, c := range map[string]struct{ app, says string }{
		"a syntax error":    {"\n\ndef x(:\n", `app\.star:3:7: `},
		"an unknown name":   {"\nlyer.send('x', {})\n", `app\.star:2:1: .*lyer.*layer`},
		"an empty file":     {"x = 1\n", `app\.star.*channel_routing`},
		"a load of nothing": {`load("no.star", "x")`, `app\.star:1:1: .*no\.star.*no such file`},
		"an import":         {"import json\n", `app\.star:1:1: .*`},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, c.app)
			p.saw("(?m)^[0-9:]+ error: .*" + c.says)
			if status, body := p.get("/"); status != 500 {
				t.Errorf("%d %s", status, body)
			}
			p.save("app.star", helloApp)
			p.saw(`reloaded app\.star, generation 1, `)
			if status, body := p.get("/"); status != 200 || body != "hello" {
				t.Errorf("mended, it answers %d %s", status, body)
			}
		})
	}
}

func TestAHandlersMistakeIsOneLineAndTheServerGoesOn(t *testing.T) {
	const app = `
gone = "elsewhere.response.ABCDEFGHIJ!gone"

def answer(message):
    message.reply_channel.send({"status": 200, "content": "fine"})

def no_status(message):
    layer.send(message["reply_channel"], {"content": "no status"})

def dead(message):
    layer.send(gone, {"status": 200, "content": "nobody hears"})
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
			t.Errorf("%s answers %d %s", c.path, status, body)
		}
		if c.says != "" {
			p.saw("(?m)^[0-9:]+ (error|warning): .*" + c.says)
		}
		if status, _ := p.get("/"); status != 200 {
			t.Fatalf("after %s the server answers %d", c.path, status)
		}
	}
}

func TestAnErrorPageLoadsItselfAgainOnceTheFileIsMended(t *testing.T) {
	b := browser(t)()
	p := start(t, "def index(request):\n    return nmae\n\nchannel_routing = [view(\"/\", index)]\n")
	b.do(chromedp.EmulateViewport(900, 700), chromedp.Navigate(p.url))
	b.shows("nmae is not defined")
	b.picture("error-load")
	p.save("app.star", "def index(request):\n    return {}[\"key\"]\n\nchannel_routing = [view(\"/\", index)]\n")
	b.comesToShow(`key "key" not in dict`)
	b.picture("error-handler")
	p.save("app.star", "def index(request):\n    return \"mended\"\n\nchannel_routing = [view(\"/\", index)]\n")
	b.comesToShow("mended")
}
