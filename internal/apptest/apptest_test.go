package apptest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// suite writes an application and its tests into a new folder and runs them.
func suite(t *testing.T, app, tests string, o Options) (results []Result, s Summary) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "app.star"), app)
	write(t, filepath.Join(dir, "app_test.star"), tests)
	s = Run(t.Context(), []string{filepath.Join(dir, "app_test.star")}, o, func(r Result) { results = append(results, r) })
	return results, s
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// passes fails the Go test if one of the tests fails.
func passes(t *testing.T, app, tests string, o Options) {
	t.Helper()
	results, s := suite(t, app, tests, o)
	for _, r := range results {
		if r.Err != nil {
			t.Errorf("%s: %s%s", r.Test, r.Explanation.Text(false), r.Output)
		}
	}
	if s.Passed == 0 {
		t.Error("no test ran")
	}
}

// fails fails the Go test unless a single test fails with texts in its
// explanation or its output.
func fails(t *testing.T, app, tests string, o Options, texts ...string) Result {
	t.Helper()
	results, _ := suite(t, app, tests, o)
	if len(results) != 1 || results[0].Err == nil {
		t.Fatalf("want one failure, got %+v", results)
	}
	shown := results[0].Explanation.Text(false) + results[0].Output
	for _, text := range texts {
		if !strings.Contains(shown, text) {
			t.Errorf("the failure does not say %q:\n%s", text, shown)
		}
	}
	return results[0]
}

const site = `
def index(request):
    state.incr("hits")
    return "<h1>hello</h1>"

def slow(request):
    sleep(5)
    return {"path": request.path, "query": request.GET.get("q"), "form": request.POST.get("a"), "header": request.headers.get("x-a")}

def login(request):
    request.session["user"] = request.POST["user"]
    return redirect("/")

def who(request):
    return request.session.get("user", "nobody")

def boom(request):
    print("before the fall")
    return {}["nope"]

def pieces(request):
    def write_all(write):
        for i in range(3):
            write("piece %d\n" % i)
            sleep(10)
    return StreamingHttpResponse(write_all)

def poll(request):
    hold(request)
    Group("polls").add(request.reply_channel)

def fetch(request):
    return http.get(settings.get("other", "http://127.0.0.1:1/")).text

def connect(message):
    message.reply_channel.send({"accept": True})
    Group("all").add(message.reply_channel)

def receive(message):
    text = message.get("text")
    if text == "later":
        Channel("job").send_later(60, {"text": "job"})
    elif text == "bye":
        message.reply_channel.send({"close": 4001})
    elif text == None:
        message.reply_channel.send({"bytes": message["bytes"]})
    else:
        Group("all").send({"text": text})

def job(message):
    Group("all").send({"text": message["text"]})
    Group("polls").send({"status": 200, "content": message["text"]})

channel_routing = [
    view("/", index), view("/slow", slow), view("/login", login), view("/who", who), view("/boom", boom),
    view("/pieces", pieces), view("/poll", poll), view("/fetch", fetch),
    route("websocket.connect", connect, path="^/ws"),
    route("websocket.receive", receive, path="^/ws"),
    route("job", job),
]
`

func TestRequests(t *testing.T) {
	passes(t, site, `
def test_page(client):
    r = client.get("/")
    assert_status(r, 200)
    assert_equal((r.text, r.headers.get("content-type")), ("<h1>hello</h1>", "text/html; charset=utf-8"))
    assert_equal(client.state.get("hits"), 1)

def test_state_is_set_first(client):
    client.state.set("hits", 41)
    client.get("/")
    assert_equal(client.state.get("hits"), 42)

def test_each_test_has_its_own_state(client):
    assert_equal(client.state.get("hits"), None)

def test_cookies_are_kept(client):
    assert_equal(client.get("/who").text, "nobody")
    assert_status(client.post("/login", form={"user": "ann"}), 302)
    assert_equal(client.get("/who").text, "ann")

def test_arguments(client):
    r = client.request("POST", "/slow?q=1", form={"a": "2"}, headers={"X-A": "3"})
    assert_equal(r.json(), {"path": "/slow", "query": "1", "form": "2", "header": "3"})

def test_missing(client):
    assert_status(client.get("/nope"), 404)
`, Options{})
}

func TestTimeIsVirtual(t *testing.T) {
	began := time.Now()
	passes(t, site, `
def test_a_handler_sleeps(client):
    began = time.now()
    client.get("/slow")
    assert_equal((time.now() - began).seconds, 5.0)

def test_the_test_sleeps(client):
    began = time.now()
    sleep(100)
    assert_equal((time.now() - began).seconds, 100.0)

def test_expiry(client):
    client.layer.send("unread", {"a": 1})
    client.advance(59)
    assert_equal(client.layer.receive("unread")[0], "unread")
    client.layer.send("unread", {"a": 1})
    client.advance(61)
    assert_equal(client.layer.receive("unread"), (None, None))

def test_delay(client):
    ws = client.websocket("/ws")
    ws.send("later")
    ws.receive_nothing(59)
    client.advance(1)
    assert_equal(ws.receive(timeout=0), "job")
`, Options{})
	if took := time.Since(began); took > time.Minute {
		t.Errorf("four virtual minutes took %v", took)
	}
}

func TestWebSockets(t *testing.T) {
	passes(t, site, `
def test_two_sockets(client):
    a, b = client.websocket("/ws"), client.websocket("/ws")
    a.send("hi")
    assert_equal((a.receive(), b.receive()), ("hi", "hi"))
    b.receive_nothing(1)
    a.send_json({"x": [1]})
    assert_equal(b.receive_json(), {"x": [1]})
    a.send(b"\x00\xff")
    assert_equal(a.receive_json(), {"x": [1]})
    assert_equal(a.receive(), b"\x00\xff")

def test_the_client_closes(client):
    ws = client.websocket("/ws")
    assert_equal(ws.closed_with, None)
    ws.close()
    assert_equal(ws.closed_with, 1000)
    assert_equal(client.layer.group_channels("all"), [])

def test_the_application_closes(client):
    ws = client.websocket("/ws")
    ws.send("bye")
    assert_equal(ws.closed_with, 4001)
    assert_in("closed with 4001", assert_fails(ws.receive))
    assert_in("closed with 4001", assert_fails(ws.send, "x"))

def test_refusal(client):
    assert_in("404", assert_fails(client.websocket, "/nope"))
`, Options{})
}

func TestStreams(t *testing.T) {
	passes(t, site, `
def test_pieces(client):
    s = client.stream("/pieces")
    assert_status(s, 200)
    assert_equal(s.receive(), "piece 0\n")
    s.receive_nothing(9)
    assert_equal(s.receive(timeout=1), "piece 1\n")
    assert_equal(s.text, "piece 2\n")
    assert_in("has ended", assert_fails(s.receive))

def test_long_poll(client):
    s = client.stream("/poll")
    s.receive_nothing(5)
    client.layer.send("job", {"text": "news"})
    assert_equal((s.status, s.text), (200, "news"))

def test_the_client_leaves(client):
    s = client.stream("/poll")
    s.close()
    client.advance(5)
    assert_equal(client.layer.group_channels("polls"), [])
`, Options{})
}

func TestLoops(t *testing.T) {
	passes(t, `
while True:
    _, request = layer.receive_many("http.request", block=True)
    layer.send(request["reply_channel"], {"status": 200, "content": "hello"})
`, `
def test_hello(client):
    assert_equal(client.get("/").text, "hello")
`, Options{})
}

func TestAssertionsFail(t *testing.T) {
	for call, want := range map[string]string{
		`assert_equal({"a": [1, {"b": 2}], "c": 3}, {"a": [1, {"b": 4}]})`:  "at [\"a\"][1][\"b\"]: got 2, want 4\n  at [\"c\"]: not expected, got 3",
		`assert_equal([1], [1, 2])`:                                         "at [1]: missing, want 2",
		`assert_equal("a\nb", "a\nc")`:                                      `line 2: got "b", want "c"`,
		`assert_equal(1, "1")`:                                              "got:  1\n  want: \"1\"",
		`assert_true([])`:                                                   "[] is not true",
		`assert_true(0, "no luck")`:                                         "no luck",
		`assert_in("x", "abc")`:                                             `"x" is not in`,
		`assert_in(1, "abc")`:                                               "write str(value)",
		`assert_in(3, [1, 2])`:                                              "3 is not in",
		`assert_fails(len, "x")`:                                            "len did not fail; it returned 1",
		`assert_fails(len("x"))`:                                            "write assert_fails(fn, arguments)",
		`assert_status(client.get("/nope"), 200)`:                           "the status is 404, not 200",
		`client.get("nope")`:                                                "does not begin with a slash",
		`client.gett("/")`:                                                  "did you mean",
		`client.websocket("/nope")`:                                         "refused with status 404",
		`client.websocket("/ws").receive()`:                                 "waited 1 virtual second for a message of /ws",
		`client.websocket("/ws").receive_json(timeout=90)`:                  "waited 90 virtual seconds",
		`client.get("/poll", timeout=5)`:                                    "waited 5 virtual seconds for the response to GET /poll",
		`client.layer.receive(["job2"], block=True)`:                        "waited 3600 virtual seconds for a message on job2",
		`ws = client.websocket("/ws"); ws.send("x"); ws.receive_nothing(1)`: `received "x"`,
	} {
		fails(t, site, "\ndef test_it(client):\n    "+call+"\n", Options{}, want, "app_test.star:3", "^")
	}
}

func TestFailureShowsTheErrorAndOutputOfTheApplication(t *testing.T) {
	fails(t, site, `
def test_boom(client):
    assert_status(client.get("/boom"), 200)
`, Options{}, "the status is 500, not 200", "before the fall", `key "nope" not in dict`, `return {}["nope"]`, "app_test.star:3")
}

func TestBrokenFiles(t *testing.T) {
	for _, c := range []struct{ app, tests, want string }{
		{site, "def test_x(client)\n", "app_test.star:1:19"},
		{site, "fail(\"no\")\n", "app_test.star:1:5: fail: no"},
		{site, "def test_x(client): pass\n\ndef test_x(client): pass\n", "app_test.star:3:5: test_x is defined a second time; the first is in line 1"},
		{site, "def test_x(): pass\n", "app_test.star:1:5: test_x has 0 parameters; a test has one, the client (write def test_x(client):)"},
		{"channel_routing = [\n", "def test_x(client): pass\n", "is never closed"},
		{"x = 1\n", "def test_x(client): pass\n", "does not set channel_routing"},
		{"while True: pass\n", "def test_x(client): pass\n", "the test ran longer than 2s"},
	} {
		results, s := suite(t, c.app, c.tests, Options{Timeout: 2 * time.Second})
		if s.Broken != 1 || len(results) != 1 {
			t.Fatalf("%q: %+v", c.tests, results)
		}
		if line := results[0].Explanation.Line(); !strings.Contains(line, c.want) {
			t.Errorf("got %s, want %s", line, c.want)
		}
	}
}

func TestAMissingApplicationIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app_test.star")
	write(t, file, "def test_x(client): pass\n")
	s := Run(t.Context(), []string{file}, Options{}, func(r Result) {
		want := filepath.Join(filepath.Dir(file), "app.star") + ": there is no such file (--app names the application of the tests)"
		if got := r.Explanation.Line(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	if s.Broken != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestATestThatDoesNotEndIsEnded(t *testing.T) {
	const over = "the test ran longer than 1s (--timeout)"
	app := "def index(request):\n    while True:\n        x = 1\n\nchannel_routing = [view(\"/\", index)]\n"
	echo := "def job(message):\n    Channel(\"job\").send({})\n\nchannel_routing = [route(\"job\", job)]\n"
	for name, c := range map[string]struct {
		app, tests string
		want       []string
	}{
		"loop in the test":       {site, "def test_x(client):\n    while True:\n        x = 1\n", []string{"in test_x"}},
		"loop in a handler":      {app, "def test_x(client):\n    client.get(\"/\")\n", []string{"app_test.star:2", "in index"}},
		"messages without end":   {echo, "def test_x(client):\n    client.layer.send(\"job\", {})\n    client.advance(1)\n", nil},
		"no catch":               {app, "def test_x(client):\n    attempt(client.get, \"/\")\n    assert_fails(client.get, \"/\")\n", nil},
		"virtual time that goes": {site, "def test_x(client):\n    while True:\n        client.advance(1)\n", []string{"in test_x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fails(t, c.app, c.tests, Options{Timeout: time.Second}, append(c.want, over)...)
		})
	}
}

func TestAnInterruptEndsTheRun(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "app.star"), site)
	write(t, filepath.Join(dir, "app_test.star"), "def test_a(client): pass\ndef test_b(client):\n    while True: pass\n")
	ctx, cancel := context.WithCancel(t.Context())
	var results []Result
	s := Run(ctx, []string{filepath.Join(dir, "app_test.star")}, Options{Timeout: time.Hour}, func(r Result) {
		results = append(results, r)
		cancel()
	})
	if len(results) != 1 || results[0].Test != "test_a" || s.Passed != 1 || s.Failed != 0 {
		t.Errorf("got %+v", results)
	}
}

func TestSelection(t *testing.T) {
	results, s := suite(t, site, "def test_a(client): pass\ndef test_b(client): pass\ndef helper(client): fail()\n", Options{Match: regexp.MustCompile("b$")})
	if s.Passed != 1 || results[0].Test != "test_b" {
		t.Errorf("got %+v", results)
	}
}

func TestRandomFollowsTheSeed(t *testing.T) {
	app := "def index(request): return [random.randint(1, 1000000), uuid4()]\nchannel_routing = [view(\"/\", index)]\n"
	tests := "def test_x(client): assert_equal([client.get(\"/\").json(), random.random(), time.now().unix], None)\n"
	got := func(seed int) string {
		return fails(t, app, tests, Options{Seed: seed}).Explanation.Message
	}
	if a, b := got(1), got(1); a != b {
		t.Errorf("the same seed gave\n%s\nand\n%s", a, b)
	}
	if a, b := got(1), got(2); a == b {
		t.Errorf("two seeds gave %s", a)
	}
}

func TestNetwork(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("from outside")) }))
	defer other.Close()
	o := Options{Settings: map[string]string{"other": other.URL}}
	tests := "def test_x(client):\n    assert_equal(client.get(\"/fetch\").text, \"from outside\")\n"
	fails(t, site, tests, o, "pass --network")
	o.Network = true
	passes(t, site, tests, o)
}

func TestUsedFiles(t *testing.T) {
	_, s := suite(t, site, "def test_x(client): pass\n", Options{})
	for _, used := range s.Used {
		var names []string
		for _, path := range used {
			names = append(names, filepath.Base(path))
		}
		if all := strings.Join(names, " "); !strings.Contains(all, "app.star") || !strings.Contains(all, "app_test.star") {
			t.Errorf("used: %s", all)
		}
	}
}

func TestHandlersGoOnInTheSameOrderEveryTime(t *testing.T) {
	app := `
def job(message):
    for i in range(3):
        state.append("order", message["name"] + str(i))

channel_routing = [route("job", job)]
`
	passes(t, app, `
def test_order(client):
    for name in "abcdef".elems():
        client.layer.send("job", {"name": name})
    assert_equal(client.state.get("order"), [name + str(i) for name in "abcdef".elems() for i in range(3)])
`, Options{})
}
