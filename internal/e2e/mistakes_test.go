package e2e

import (
	"html"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// mistakes are applications with one mistake each. A comment with a caret and a
// text marks the line of the mistake and says what must be reported. The mistake
// is reported when the file is loaded, or else for a request or a WebSocket
// message.
var mistakes = map[string]struct {
	files   map[string]string
	request string // path that shows the mistake
	frame   string // path of a WebSocket to which a message shows it
}{
	"syntax": {files: map[string]string{"app.star": `
def index(request) #^ a : is missing
    return "x"
channel_routing = [view("/", index)]
`}},
	"name": {files: map[string]string{"app.star": `
def index(request):
    return HttpRespone("x") #^ did you mean HttpResponse?
channel_routing = [view("/", index)]
`}},
	"channel_routing": {files: map[string]string{"app.star": `
def index(request): return "x"
chanel_routing = [view("/", index)] #^ did you mean channel_routing instead of chanel_routing?
`}},
	"loaded file": {files: map[string]string{"app.star": `
load("libs.star", "index") #^ did you mean "lib.star"?
channel_routing = [view("/", index)]
`, "lib.star": `def index(request): return "x"`}},
	"loaded name": {files: map[string]string{"app.star": `
load("lib.star", "indx") #^ did you mean index?
channel_routing = [view("/", indx)]
`, "lib.star": `def index(request): return "x"`}},
	"channel of a route": {files: map[string]string{"app.star": `
def receive(message): pass
channel_routing = [
    route("websocket.recieve", receive), #^ did you mean "websocket.receive"?
]
`}},
	"path of a route": {files: map[string]string{"app.star": `
def connect(message): message.reply({"accept": True})
def receive(message): message.reply({"text": "x"})
channel_routing = [
    route("websocket.connect", connect, path=r"^/live$"),
    route("websocket.receive", receive, path=r"^/lvie$"), #^ gets no messages
]
`}},
	"order of routes": {files: map[string]string{"app.star": `
def index(request): return "x"
channel_routing = [
    view("/<name>", lambda request, name: name),
    view("/about", index), #^ is never reached
]
`}},
	"method": {files: map[string]string{"app.star": `
def index(request): return "x"
channel_routing = [
    view("/", index, methods=["PSOT"]), #^ did you mean "POST"?
]
`}},
	"parameter of a view": {files: map[string]string{"app.star": `
def user(request, name): return name
channel_routing = [
    view("/<int:id>", user), #^ id
]
`}},
	"template": {files: map[string]string{"app.star": `
def index(request):
    return render("pages.html", {}) #^ did you mean "page.html"?
channel_routing = [view("/", index)]
`, "page.html": "x"}},
	"part of a template": {files: map[string]string{"app.star": `
def index(request): return render("page.html", {})
channel_routing = [view("/", index)]
`, "page.html": "<p>\n{{if .x}}</p> #^ {{if}} has no {{end}}"}},
	"value of a template": {files: map[string]string{"app.star": `
def index(request): return render("page.html", {"name": "x"})
channel_routing = [view("/", index)]
`, "page.html": "<p>\n{{.nmae}} #^ did you mean .name?"}, request: "/"},
	"group": {files: map[string]string{"app.star": `
def connect(message):
    message.reply({"accept": True})
    Group("everyone").add(message.reply_channel)
def receive(message):
    Group("everone").send({"text": "x"}) #^ did you mean "everyone"?
channel_routing = [route("websocket.connect", connect), route("websocket.receive", receive)]
`}},
	"channel of a clock": {files: map[string]string{"app.star": `
def tick(message): pass
channel_routing = [
    every(60, "tik"), #^ did you mean "tick"?
    route("tick", tick),
]
`}},
	"key of a response": {files: map[string]string{"app.star": `
def index(message):
    message.reply({"stauts": 200, "content": "x"}) #^ did you mean "status"?
channel_routing = [route("http.request", index)]
`}, request: "/"},
	"type of a value": {files: map[string]string{"app.star": `
def index(message):
    message.reply({"status": "200"}) #^ must be an int
channel_routing = [route("http.request", index)]
`}, request: "/"},
	"channel of a send": {files: map[string]string{"app.star": `
def index(request):
    Channel("job").send({"n": 1}) #^ did you mean "jobs"?
    return "x"
def work(message): pass
channel_routing = [view("/", index), route("jobs", work)]
`}, request: "/"},
	"channel of a delayed send": {files: map[string]string{"app.star": `
def index(request):
    Channel("job").send_later(60, {"n": 1}) #^ did you mean "jobs"?
    return "x"
def work(message): pass
channel_routing = [view("/", index), route("jobs", work)]
`}, request: "/"},
	"view without return": {files: map[string]string{"app.star": `
def index(request): #^ ended without return
    content = "x"
channel_routing = [view("/", index)]
`}, request: "/"},
	"result of a view": {files: map[string]string{"app.star": `
def index(request): #^ returned an int
    return 7
channel_routing = [view("/", index)]
`}, request: "/"},
	"consumer without reply": {files: map[string]string{"app.star": `
def index(message): #^ without
    pass
channel_routing = [route("http.request", index)]
`}, request: "/"},
	"attribute": {files: map[string]string{"app.star": `
def index(request):
    return request.mehtod #^ did you mean .method?
channel_routing = [view("/", index)]
`}, request: "/"},
	"key of a dict": {files: map[string]string{"app.star": `
def index(request):
    return {"name": "x"}["nmae"] #^ did you mean "name"?
channel_routing = [view("/", index)]
`}, request: "/"},
	"argument": {files: map[string]string{"app.star": `
def index(request):
    return HttpResponse("x", stauts=404) #^ did you mean status?
channel_routing = [view("/", index)]
`}, request: "/"},
	"key of a frame": {files: map[string]string{"app.star": `
def receive(message):
    message.reply({"txt": "x"}) #^ did you mean "text"?
channel_routing = [route("websocket.receive", receive)]
`}, frame: "/"},
	"key of a frame to a group": {files: map[string]string{"app.star": `
def receive(message):
    Group("all").add(message.reply_channel)
    Group("all").send({"txt": "x"}) #^ did you mean "text"?
channel_routing = [route("websocket.receive", receive)]
`}, frame: "/"},
	"path of a frame": {files: map[string]string{"app.star": `
def connect(message): message.reply({"accept": True})
def receive(message): pass
channel_routing = [
    route("websocket.connect", connect),
    route("websocket.receive", receive, path="^/live$"), #^ no route for websocket.receive /lvie
]
`}, frame: "/lvie"},
}

// mark is the comment that marks a mistake.
var mark = regexp.MustCompile(` #\^ (.*)`)

// TestEachMistakeIsReportedWithItsLineInTheTerminalAndInTheBrowser starts each of
// the applications with --strict.
func TestEachMistakeIsReportedWithItsLineInTheTerminalAndInTheBrowser(t *testing.T) {
	if len(mistakes) < 20 {
		t.Errorf("there are only %d mistakes", len(mistakes))
	}
	for name, m := range mistakes {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file, line, want := "", 0, ""
			for f, text := range m.files {
				for i, l := range strings.Split(text, "\n") {
					if found := mark.FindStringSubmatch(l); found != nil {
						file, line, want = f, i+1, found[1]
					}
				}
				if err := os.WriteFile(filepath.Join(dir, f), []byte(mark.ReplaceAllString(text, "")), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			place := file + ":" + strconv.Itoa(line)
			p := startIn(t, dir, "app.star", "--strict", "--store", "memory")
			loaded := p.waitFor(`(loaded) app\.star, generation 1|does not load`)[1] != ""
			if shown := m.request != "" || m.frame != ""; loaded != shown {
				t.Fatalf("loaded: %t\n%s", loaded, p.out)
			}
			seen := ""
			if m.frame != "" {
				s := p.dial(m.frame)
				s.send("x")
				seen = s.waitClosed().Reason
			} else {
				seen = browse(t, p.url+m.request)
				if !strings.Contains(seen, want) {
					t.Errorf("the page does not say %q:\n%s", want, seen)
				}
			}
			if !strings.Contains(seen, place) {
				t.Errorf("the browser does not name %s:\n%s", place, seen)
			}
			p.waitFor(`(?s)(error|warning): (\S+: )?.*` + regexp.QuoteMeta(place))
			p.waitFor(regexp.QuoteMeta(want))
		})
	}
}

// browse returns the text of a page as a browser gets it.
func browse(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return html.UnescapeString(string(body))
}
