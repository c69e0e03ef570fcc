package script_test

import (
	"strings"
	"testing"
	"time"

	"asgibox/workerpool"
	"asgibox/workerpool/script"
)

// wantFailures checks that each path returns a 500 with the text, and that the
// server continues to work.
func wantFailures(t *testing.T, s *site, texts map[string]string) {
	t.Helper()
	for path, text := range texts {
		r := s.get(path)
		if r.status != 500 || !strings.Contains(r.body, text) || strings.Contains(r.body, "root:") {
			t.Errorf("%s: %.600v, want %q", path, r, text)
		}
		s.want("/", 200, "fine")
	}
}

func TestHandlersThatDoNotEndAreCancelled(t *testing.T) {
	c := setup{pool: workerpool.Options{HandlerTimeout: 500 * time.Millisecond, Workers: 2}}
	s := c.serve(t, `
def endless(request):
    while True:
        pass
def waits(request):
    layer.receive("never", block=True)
def sleeps(request):
    sleep(1000)
def sleepless(request):
    attempt(endless, request)
    return "caught"
def stuffed(request):
    for i in range(1000):
        layer.send("full", {})
    layer.send("full", {}, wait=1000)
def fine(request): return "fine"
channel_routing = [
    view("/endless", endless), view("/waits", waits), view("/sleepless", sleepless), view("/sleeps", sleeps),
    view("/stuffed", stuffed), view("/", fine),
]
`)
	const late = "ran longer than 500ms"
	wantFailures(t, s, map[string]string{"/endless": late, "/waits": late, "/sleepless": late, "/sleeps": late, "/stuffed": late})
}

func TestHostileScriptsFailAndTheServerContinues(t *testing.T) {
	c := setup{files: map[string]string{"page.html": `{{template "../../etc/passwd"}}`}}
	s := c.serve(t, `
def recursive(request):
    return recursive(request)
def through_builtins(request):
    return sorted([1, 2], key=lambda x: through_builtins(request))
def through_sub(request):
    return re.sub("a", lambda m: through_sub(request), "a")
def through_attempt(request):
    return attempt(through_attempt, request)
def deep(request):
    x = []
    for i in range(200):
        x = [x]
    Channel("c").send({"x": x})
def wide(request):
    x = []
    for i in range(40):
        x = [x, x]
    Channel("c").send({"x": x})
def outside_template(request): return render("../" + "secret.html", {})
def outside_file(request): return FileResponse("/etc/passwd")
def include_template(request): return render("page" + ".html", {})
def fine(request): return "fine"
channel_routing = [
    view("/recursive", recursive), view("/through_builtins", through_builtins),
    view("/through_sub", through_sub), view("/through_attempt", through_attempt),
    view("/deep", deep), view("/wide", wide), view("/outside_template", outside_template), view("/outside_file", outside_file),
    view("/include_template", include_template), view("/", fine),
]
`)
	wantFailures(t, s, map[string]string{
		"/recursive":        "nest deeper than",
		"/through_builtins": "nest deeper than",
		"/through_sub":      "nest deeper than",
		"/through_attempt":  "nest deeper than",
		"/deep":             "nested deeper than 100",
		"/wide":             "too large",
		"/outside_template": "",
		"/outside_file":     "",
		"/include_template": "",
	})
}

func TestAHostileBodyGetsABadRequestResponse(t *testing.T) {
	s := serve(t, `channel_routing = [view("/", lambda request: request.json())]`)
	if r := s.do("POST", "/", strings.Repeat("[", 8<<20)); r.status != 400 || !strings.Contains(r.body, "deeper than 1000") {
		t.Errorf("%.300v", r)
	}
}

func TestAHandlerThatUsesTooMuchMemoryIsCancelled(t *testing.T) {
	s := setup{script: script.Options{Memory: 32 << 20}}.serve(t, `
def greedy(request):
    hoard = []
    while True:
        hoard.append("x" * 100000 + str(len(hoard)))
channel_routing = [view("/greedy", greedy), view("/", lambda request: "fine")]
`)
	s.want("/greedy", 500, "--memory")
	s.want("/", 200, "fine")
}

// Each step of copies is slow and uses much memory, so the interval between two
// inspections must be short.
func TestAHandlerThatCopiesGrowingListsIsCancelled(t *testing.T) {
	s := setup{script: script.Options{Memory: 32 << 20}}.serve(t, `
def copies(request):
    a = []
    for i in range(150):
        a = a + [0] * 40000
    return "done: %d" % len(a)
def fine(request): return "fine"
channel_routing = [view("/copies", copies), view("/", fine)]
`)
	wantFailures(t, s, map[string]string{"/copies": "--memory"})
}

func TestHostileFilesFailToLoadAndTheOldCodeContinues(t *testing.T) {
	s := setup{pool: workerpool.Options{LoadTimeout: time.Second}}.serve(t, `channel_routing = [view("/", lambda request: "fine")]`)
	for name, source := range map[string]string{
		"brackets":  "x = " + strings.Repeat("(", 100000),
		"lists":     "x = " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
		"long":      "x = 1\n" + strings.Repeat("# filler\n", 1<<17),
		"endless":   "while True:\n  pass\n",
		"recursive": "def f(): f()\nf()",
		"circle":    `load("app.star", "x")`,
		"minus":     "x = " + strings.Repeat("-", 100000) + "1",
		"not":       "x = " + strings.Repeat("not ", 100000) + "1",
		"nothing":   "",
	} {
		if err := s.reload(source); err == nil {
			t.Errorf("%s was loaded", name)
		}
		s.want("/", 200, "fine")
	}
}
