package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// fourLines is an application of four lines in Python, with a text that a test can
// replace.
const fourLines = `while True:
    _, request = layer.receive_many("http.request", block=True)
    response = {"content": "Hello World!", "status": 200}
    layer.send(request['reply_channel'], response)
`

// pythonFlag returns the flag for an interpreter that can run applications.
func pythonFlag(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if path, err := exec.LookPath(name); err == nil {
			return "--python=" + path
		}
	}
	t.Skip("there is no python3 on this machine")
	return ""
}

// startPython runs a server with an application in Python.
func startPython(t testing.TB, name, source string, args ...string) *program {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	return startIn(t, dir, name, append([]string{pythonFlag(t)}, args...)...)
}

func TestFourLinesOfPythonServeRequests(t *testing.T) {
	p := startPython(t, "hello.py", fourLines)
	if status, body := p.get("/"); status != 200 || body != "Hello World!" {
		t.Errorf("%d %s", status, body)
	}
	p.waitFor(`python +3\.`)
	p.save("hello.py", strings.Replace(fourLines, "World", "again", 1))
	p.waitFor(`reloaded hello\.py, generation 2`)
	if _, body := p.get("/"); body != "Hello again!" {
		t.Error(body)
	}
	expectText(t, p.mustCommand("ps"), "PROCESS  PID")
	if status := p.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// TestAPythonApplicationThatDoesNotLoadIsFixedByASave checks that each mistake is one
// line in the log and a page, and that the server continues with the fixed file.
func TestAPythonApplicationThatDoesNotLoadIsFixedByASave(t *testing.T) {
	flag := pythonFlag(t)
	const wsgi = "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'fixed']\n"
	for name, c := range map[string]struct {
		app, file, source, want string // want matches the line in the log
		page                    string // a part of the page
		fixed                   string // another file than the first one; "" for the same
	}{
		"no Python":               {app: "app.py", source: "x = (\n", want: `app\.py:1:5: SyntaxError: '\(' was never closed`, page: "x = ("},
		"no text":                 {app: "app.py", source: "\x00\xff", want: `app\.py.*(null bytes|UTF-8|utf-8)`},
		"an exception":            {app: "app.py", source: "def f():\n    return {}['a']\nf()\n", want: `app\.py:2:\d+: KeyError: 'a'`, page: "return {}['a']"},
		"no application":          {app: "app.py", source: "x = 1\n", want: `app\.py is no application`},
		"no such module":          {app: "shop.wsgi:application", want: `there is no module shop`, fixed: "shop/wsgi.py"},
		"a module of the library": {app: "json:application", file: "json.py", source: wsgi, want: `json\.py has the name of a module of Python's standard library: json`, fixed: "-"},
		"no such name":            {app: "one:app", file: "one.py", source: "x = 1\n", want: `module one has no app`, fixed: "-"},
		"neither WSGI nor ASGI 3": {app: "app.py", source: "def application(x):\n    pass\n", want: `application is neither a WSGI nor an ASGI 3 application`},
		"no callable":             {app: "one:application", file: "one.py", source: "application = 1\n", want: `cannot be called`},
		"a status":                {app: "app.py", source: "import sys\nprint('why', file=sys.stderr)\nsys.exit(3)\n", want: `exit status 3.*why`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			file := c.file
			if file == "" && c.source != "" {
				file = c.app
			}
			if file != "" {
				if err := os.WriteFile(file, []byte(c.source), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			p := launch(t, dir, "run", c.app, "--port", "0", "--store", "memory", flag)
			p.url = p.appURL()
			line := p.waitFor(`(?m)^.* does not load; every request gets the error until the file is fixed: .*$`)[0]
			if !regexp.MustCompile(c.want).MatchString(line) {
				t.Errorf("the log has\n%s\nwant %s", line, c.want)
			}
			if status, page := p.get("/"); status != 500 || !strings.Contains(page, c.page) {
				t.Errorf("%d %s", status, page)
			}
			if c.fixed == "-" {
				return
			}
			if c.fixed != "" {
				file = c.fixed
			}
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			p.save(file, wsgi)
			p.waitFor(`reloaded .*, generation 1`)
			if status, body := p.get("/"); status != 200 || body != "fixed" {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

func TestAMissingInterpreterIsAnErrorOfOneLine(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("app.py", []byte(fourLines), 0o644); err != nil {
		t.Fatal(err)
	}
	expectText(t, mustFail(t, "run", "app.py", "--python", "/none"), "--python /none: there is no such program")
	t.Setenv("PATH", "")
	t.Setenv("VIRTUAL_ENV", "")
	expectText(t, mustFail(t, "run", "app.py"), "there is no python3 in PATH; install Python 3.8 or later")
	expectText(t, mustFail(t, "run", "--", "no-such-program"), "cannot run the program no-such-program")
	expectText(t, mustFail(t, "run", "none.py"), "none.py: there is no such file")
}

// routedPython has a page, a job, and the number of its process.
const routedPython = `
import os
from asgibox import Channel, route, settings, view

def page(request):
    Channel("jobs").send({"n": 1})
    return "%s %s" % (settings["color"], os.environ["color"])

def pid(request):
    return str(os.getpid())

def work(message):
    print("did", message["n"])

channel_routing = [view("/", page), view("/pid", pid), route("jobs", work)]
`

func TestAPythonApplicationHasItsSettingsAndItsLinesInTheInspector(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"app.py": routedPython, ".env": "color=blue\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := startIn(t, dir, "app.py", pythonFlag(t), "--workers", "1", "--threads", "2")
	if status, body := p.get("/"); status != 200 || body != "blue blue" {
		t.Errorf("%d %s", status, body)
	}
	p.waitFor(`did 1 worker=1`)
	p.eventually("the sender of the job has its line, and the response of the view has none", func() bool {
		return strings.Count(p.controlGet("/api/messages"), `"place":"app.py:6"`) == 1
	})
	p.save(".env", "color=green\n")
	p.waitFor(`reloaded \.env, generation 2`)
	if _, body := p.get("/"); body != "green green" {
		t.Error(body)
	}
	expectText(t, p.controlGet("/api/workers"), `"state":"ready"`)
	p.eventually("there are the workers of one process", func() bool { return strings.Contains(p.mustCommand("ps"), "of 2 workers busy") })

	other := startIn(t, dir, "app.py", pythonFlag(t), "--store", "memory", "--set", "color=red")
	if _, body := other.get("/"); body != "red red" {
		t.Error(body)
	}
}

// TestErrorsInProductionShowNoVariables checks that variables are neither shown nor read.
func TestErrorsInProductionShowNoVariables(t *testing.T) {
	const source = `
from asgibox import view

class Local:
    def __repr__(self):
        print("shown")
        return "a value"

def page(request):
    local = Local()
    raise ValueError("\\ud800")

channel_routing = [view("/", page)]
`
	p := startPython(t, "app.py", source)
	if status, body := p.get("/"); status != 500 || !strings.Contains(body, "a value") {
		t.Errorf("%d %s", status, body)
	}
	p.waitFor(`shown worker=`)

	p = startPython(t, "app.py", source, "--production")
	if status, body := p.get("/"); status != 500 || strings.Contains(body, "a value") {
		t.Errorf("%d %s", status, body)
	}
	p.waitFor(`app\.py:11.*: ValueError: \\ud800`)
	if p.stop(); strings.Contains(p.out.String(), "shown worker") {
		t.Error("a variable was shown")
	}
}

// eventLoop is an application for ASGI 3.
const eventLoop = `
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("not supported")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"from an event loop"})
`

func TestWorkersElsewhereRunPython(t *testing.T) {
	p := start(t, helloApp, "--no-workers", "--control", "127.0.0.1:0")
	flag := pythonFlag(t)
	p.save("app.py", "def page(request):\n    return 'from Python'\nfrom asgibox import view\nchannel_routing = [view('/', page)]\n")
	w := launch(t, p.dir, "worker", filepath.Join(p.dir, "app.py"), flag, "--control", p.controlAddress())
	w.waitFor(`loaded app\.py, generation 1`)
	if status, body := p.get("/"); status != 200 || body != "from Python" {
		t.Errorf("%d %s", status, body)
	}
	if status := w.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	p.save("loop.py", eventLoop)
	w = launch(t, p.dir, "worker", filepath.Join(p.dir, "loop.py"), flag, "--control", p.controlAddress())
	w.waitFor(`an ASGI 3 application runs only beside its own server`)
}

func TestAnASGI3ApplicationNeedsItsOwnServer(t *testing.T) {
	p := startPython(t, "app.py", eventLoop, "--concurrency", "150")
	if status, body := p.get("/"); status != 200 || body != "from an event loop" {
		t.Errorf("%d %s", status, body)
	}
	expectText(t, p.mustCommand("ps"), "0 of 300 workers busy")
	r := startRedis(t)
	p = startPython(t, "app.py", eventLoop, "--layer", r.url())
	p.waitFor(`an ASGI 3 application runs only beside its own server`)
	p.stop()
	p = startPython(t, "app.py", fourLines, "--layer", r.url())
	if status, body := p.get("/"); status != 200 || body != "Hello World!" {
		t.Errorf("on Redis: %d %s", status, body)
	}
}

// TestAProgramIsAnApplication runs a program that only knows the layer's package.
func TestAProgramIsAnApplication(t *testing.T) {
	flag := pythonFlag(t)
	pkg, err := filepath.Abs(filepath.Join("..", "..", "python"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	source := "import sys\nsys.path.insert(0, " + strconv.Quote(pkg) + ")\nfrom asgibox import layer\n" + fourLines
	if err := os.WriteFile("program.py", []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	p := launch(t, ".", "run", "--port", "0", "--watch", "program.py", "--", strings.TrimPrefix(flag, "--python="), "program.py")
	p.url = p.appURL()
	if status, body := p.get("/"); status != 200 || body != "Hello World!" {
		t.Errorf("%d %s", status, body)
	}
	p.save("program.py", strings.Replace(source, "World", "again", 1))
	p.waitFor(`reloaded program\.py, generation 2`)
	if _, body := p.get("/"); body != "Hello again!" {
		t.Error(body)
	}
}

// testProcesses tests that Workers and Reloads show the processes of the application.
func testProcesses(t *testing.T, b *tab) {
	p := startPython(t, "app.py", routedPython, "--set", "color=x", "--store", "memory")
	_, pid := p.get("/pid")
	for _, width := range []int64{1280, 400} {
		b.do(chromedp.EmulateViewport(width, 900))
		p.openView(b, "workers")
		b.until(`[...document.querySelectorAll("main section:not([hidden]) tbody tr")].some((r) => r.innerText.includes(` + quoteJS(pid) + `) && r.innerText.includes("MiB"))`)
		b.check("the number of processes cannot be changed", `document.querySelector("main form").hidden`)
		b.check("the page is no wider than its window", `document.documentElement.scrollWidth <= innerWidth`)
	}
	p.openView(b, "reloads")
	b.until(`document.querySelector(".load .processes")?.textContent.includes(` + quoteJS("process "+pid) + `)`)
}
