package script_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"asgibox/store"
	"asgibox/workerpool"
	"asgibox/workerpool/pages"
	"asgibox/workerpool/script"

	"github.com/coder/websocket"
)

// heap returns the number of bytes in use after a garbage collection.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestAThousandReloadsFreeTheMemoryOfOldGenerations(t *testing.T) {
	filler := "filler = [\"x%d\" % n for n in range(1000)]\n" // some 40 KiB a generation
	for name, source := range map[string]string{
		"routed": filler + "def index(request): return str(len(filler))\nchannel_routing = [view('/', index)]\n",
		"loop":   filler + fourLines,
		"broken": filler + "nothing",
	} {
		t.Run(name, func(t *testing.T) {
			c := setup{pool: workerpool.Options{Workers: 2}}
			s := c.serve(t, "channel_routing = [view('/', lambda request: 'first')]")
			var before uint64
			goroutines := 0
			for n := range 1000 {
				if err := s.reload(source); (err != nil) != (name == "broken") {
					t.Fatal(err)
				}
				s.get("/")
				if n == 200 {
					before, goroutines = heap(), runtime.NumGoroutine()
				}
			}
			// The last generations end shortly after their successors start.
			var grown, more int64
			for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
				grown, more = int64(heap())-int64(before), int64(runtime.NumGoroutine()-goroutines)
				if grown <= 8<<20 && more <= 40 {
					return
				}
			}
			t.Errorf("after 800 reloads the heap has grown by %d KiB and the number of goroutines by %d", grown>>10, more)
		})
	}
}

func TestAFailedLoadSendsNoMessages(t *testing.T) {
	s := serve(t, fourLines)
	for _, source := range []string{
		"layer.send('jobs', {})\nGroup('g').add('jobs')\nfail('no')",
		"layer.send('jobs', {})\nGroup('g').send({})\nx = 1",
	} {
		if err := s.reload(source); err == nil {
			t.Errorf("%q was loaded", source)
		}
	}
	stats, err := s.layer.ChannelStatistics(context.Background(), "jobs")
	if err != nil || stats.MessagesCount != 0 {
		t.Errorf("%d messages were sent", stats.MessagesCount)
	}
	if err := s.reload("layer.send('jobs', {})\n" + fourLines); err != nil {
		t.Fatal(err)
	}
	for stats.MessagesCount < 16 { // one for each worker
		s.want("/", 200, "Hello World!")
		stats, _ = s.layer.ChannelStatistics(context.Background(), "jobs")
	}
}

func TestEachLoopWorkerHasItsOwnGlobals(t *testing.T) {
	s := setup{pool: workerpool.Options{Workers: 2}}.serve(t, `
counts = {"n": 0}
while True:
    _, request = layer.receive("http.request", block=True)
    counts["n"] += 1
    layer.send(request["reply_channel"], {"status": 200, "content": str(counts["n"])})
`)
	total := 0
	for range 20 {
		var n int
		fmt.Sscan(s.get("/").body, &n)
		total = max(total, n)
	}
	if total >= 20 {
		t.Logf("one worker handled all %d", total) // rare, but correct
	}
}

func TestALoopReadsTheWholeBodyBeforeItRetires(t *testing.T) {
	source := `
# version %d
while True:
    _, request = layer.receive("http.request", block=True)
    size = len(request["body"])
    more = request["body_channel"] != None
    while more:
        _, piece = layer.receive(request["body_channel"], block=True)
        size += len(piece["content"])
        more = piece.get("more_content", False)
        sleep(0.001)
    layer.send(request["reply_channel"], {"status": 200, "content": str(size)})
`
	s := serve(t, fmt.Sprintf(source, 0))
	done := make(chan reply, 4)
	for range 4 {
		go func() { done <- s.do("POST", "/", strings.Repeat("x", 4<<20)) }()
	}
	for n := 1; n <= 20; n++ {
		if err := s.reload(fmt.Sprintf(source, n)); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		if r := <-done; r.status != 200 || r.body != "4194304" {
			t.Errorf("%v\n%s", r, s.log)
		}
	}
}

func TestALoopThatHangsIsCancelledAndItsRequestGetsAResponse(t *testing.T) {
	c := setup{pool: workerpool.Options{HandlerTimeout: 500 * time.Millisecond, Workers: 1}}
	s := c.serve(t, `
while True:
    _, request = layer.receive("http.request", block=True)
    while request["path"] == "/hang":
        pass
    layer.send(request["reply_channel"], {"status": 200, "content": "fine"})
`)
	s.want("/hang", 500, "ran longer than")
	s.want("/", 200, "fine")
}

func TestHooksOfALoopRun(t *testing.T) {
	source := "def on_start(): print('started', state.incr('n'))\ndef on_reload(): print('reloaded')\n" + fourLines
	s := serve(t, source)
	s.want("/", 200, "Hello")
	s.log.has("started 1")
	if err := s.reload(source); err != nil {
		t.Fatal(err)
	}
	s.log.has("reloaded")
	s.log.lacks("started 2")
}

func TestOnlyHooksOfTheMainFileRun(t *testing.T) {
	c := setup{files: map[string]string{"lib.star": `
def on_start(): print("started by the wrong file")
def forever():
    while True:
        _, request = layer.receive("http.request", block=True)
        layer.send(request["reply_channel"], {"status": 200, "content": "x"})
`}}
	s := c.serve(t, `
load("lib.star", "forever")
def on_start(): print("started")
def on_stop(): print("stopped")
forever()
`)
	s.want("/", 200, "x")
	s.log.has("msg=started generation=1 at=app.star:3")
	s.log.lacks("wrong file")
}

func TestReloadsDuringAThousandRequestsFailNone(t *testing.T) {
	source := "# %d\ndef index(request):\n    sleep(0.005)\n    return 'fine'\nchannel_routing = [view('/', index)]\n"
	s := serve(t, fmt.Sprintf(source, 0))
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			resp, err := client.Get(s.url)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("the status of a request is %d", resp.StatusCode)
			}
		})
	}
	for n := 1; n <= 10; n++ {
		if err := s.reload(fmt.Sprintf(source, n)); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
}

func TestSocketsStayOpenWhenALoopIsReplacedByRoutes(t *testing.T) {
	loop := `
while True:
    channel, message = layer.receive(["websocket.connect", "websocket.receive", "websocket.disconnect"], block=True)
    if channel == "websocket.connect":
        layer.send(message["reply_channel"], {"accept": True})
    if channel == "websocket.receive":
        layer.send(message["reply_channel"], {"text": "loop " + message["text"]})
`
	routes := `
def receive(message): message.reply({"text": "routed " + message["text"]})
channel_routing = {"websocket.receive": receive}
`
	s := serve(t, loop)
	ws := s.dial("/")
	for _, c := range []struct{ source, prefix string }{{"", "loop"}, {routes, "routed"}, {loop, "loop"}, {routes, "routed"}} {
		if c.source != "" {
			if err := s.reload(c.source); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 20 {
			ws.send(fmt.Sprint(n))
			ws.want(fmt.Sprintf("%s %d", c.prefix, n))
		}
	}
	ws.conn.Close(websocket.StatusNormalClosure, "")
}

func TestCheckReportsFileLineAndColumn(t *testing.T) {
	layer := store.Memory(store.Options{})
	defer layer.Close(context.Background())
	for _, c := range []struct{ source, want string }{
		{"x = 1 +\n", "app.star:1:"},
		{"def f(request):\n    return undefined_name\n", "app.star:2:12: undefined_name is not defined"},
		{"import json\n", "app.star:1:1"},
		{"def f(): pass\nchannel_routing = [\n    route('http.request', f),\n]\n", "app.star:3:10: route: the consumer f takes no arguments"},
		{"def f(message): pass\nchannel_routing = [\n  route('http.request', f, path=r'(?P<x>.)'),\n]\n", `app.star:3:8: route: the consumer f has no parameter "x"`},
		{"def f(message, y): pass\nchannel_routing = [route('http.request', f)]\n", `needs an argument "y"`},
		{"def f(r, b): pass\nchannel_routing = [view('/<int:a>', f)]\n", `has no parameter "a"`},
		{"def f(m): pass\nchannel_routing = [route('http.request', f, pth='x')]\n", `did you mean "path"?`},
		{"def f(m): pass\nchannel_routing = [route('http.request', f, path='(')]\n", "is not a regular expression: missing closing ): ("},
		{"def f(m): pass\nchannel_routing = [route('bad name', f)]\n", "invalid name"},
		{"def f(m): pass\nchannel_routing = [route('x', f())]\n", "missing 1 argument"},
		{"channel_routing = [route('x', 'f')]\n", "not a function"},
		{"channel_routing = 5\n", "channel_routing is an int, not a list of routes"},
		{"x = 1\n", "never receives a message"},
		{"chanel_routing = []\n", "did you mean channel_routing"},
		{"application = 1\n", "application is an int"},
		{"channel_routing = [static('/s/', 'nowhere')]\n", "app.star:1:26: static: "},
		{"channel_routing = [every(0, 'x')]\n", "every: the interval must be at least"},
		{"load('missing.star', 'x')\n", "there is no such file"},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "app.star")
		if err := os.WriteFile(file, []byte(c.source), 0o644); err != nil {
			t.Fatal(err)
		}
		err := script.NewLoader(file, script.Options{Layer: layer}).Check(context.Background())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.source, err, c.want)
		}
	}
	for _, good := range []string{fourLines, "def f(m, **kw): pass\nchannel_routing = {'x': f}", "def application(e, s): return []"} {
		file := filepath.Join(t.TempDir(), "app.star")
		if err := os.WriteFile(file, []byte(good), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := script.NewLoader(file, script.Options{Layer: layer}).Check(context.Background()); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

func TestRoutesListConsumersArgumentsAndSuggestions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.star")
	source := `
def room(request, n): return ""
def about(request): return ""
def receive(message, room): pass
channel_routing = [
    view("/rooms/<int:n>", room, methods=["GET"]),
    view("/about/", about),
    route("websocket.receive", receive, path=r"^/chat/(?P<room>\w+)/$"),
]
`
	if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := script.NewLoader(file, script.Options{}).Routes(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Routes) != 3 || r.Routes[0].Consumer != "room (app.star:2)" || !strings.Contains(r.Routes[0].Pattern, "/rooms/<int:n>") {
		t.Errorf("%+v", r.Routes)
	}
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/rooms/7", "room (app.star:2) [n=7]"},
		{"POST", "/rooms/7", "[GET HEAD]"},
		{"GET", "/about", "/about/ would match"},
		{"GET", "/abuot/", "did you mean /about/?"},
		{"GET", "/chat/x/", `receive (app.star:4) [room="x"]`},
		{"GET", "/chat/x", "/chat/x/ would match"},
		{"GET", "/app/chat/x/", "matched from the start"},
	} {
		var all []string
		for _, f := range r.Find(c.method, c.path) {
			all = append(all, fmt.Sprintf("%s: %s %v %v %v", f.Channel, f.Route.Consumer, f.Arguments, f.Methods, f.Near))
		}
		if text := strings.Join(all, "\n"); !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %s, want %q", c.method, c.path, text, c.want)
		}
	}
}

func TestLivePagesAreNotifiedOfANewGeneration(t *testing.T) {
	page := `
def index(request): return "<html><body>%s</body></html>"
def plain(request): return HttpResponse("text", content_type="text/plain")
channel_routing = [view("/", index), view("/plain", plain)]
`
	s := setup{pages: pages.Options{Live: true}}.serve(t, fmt.Sprintf(page, "old"))
	s.want("/", 200, `old<script src="/__asgibox__/page.js"></script></body>`)
	if r := s.get("/plain"); r.body != "text" {
		t.Errorf("%v", r)
	}
	s.want("/__asgibox__/page.js", 200, `version = script.dataset.version || "1"`)
	state := func(seen string) (state struct{ Seen, Version string }) {
		t.Helper()
		if err := json.Unmarshal([]byte(s.get("/__asgibox__/state?seen="+seen).body), &state); err != nil {
			t.Error(err)
		}
		return state
	}
	first := state("")
	if first.Version != "1" {
		t.Errorf("at first: %+v", first)
	}
	if err := s.reload(fmt.Sprintf(page, "new")); err != nil {
		t.Fatal(err)
	}
	if now := state(first.Seen); now.Version != "2" {
		t.Errorf("after a reload: %+v", now)
	}
	without := serve(t, fmt.Sprintf(page, "x"))
	if r := without.get("/"); strings.Contains(r.body, "script") {
		t.Errorf("without the flag: %v", r)
	}
}
