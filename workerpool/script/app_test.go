package script_test

import (
	"strings"
	"testing"
)

// These tests check the statements of docs/applications.md over real sockets.

func TestViewsRespondWithTheirReturnValue(t *testing.T) {
	s := setup{files: map[string]string{
		"page.html":       `<h1>{{.title}}</h1>`,
		"static/a.css":    "body{}",
		"static/.secret":  "no",
		"static/sub/b.js": "1",
	}}.serve(t, `
def text(request): return "hello"
def data(request): return b"\x00\x01"
def obj(request): return {"a": [1, None]}
def lst(request): return [1, 2]
def none(request): return None
def pair(request): return (201, "made")
def page(request): return render("page.html", {"title": "<b>"})
def moved(request): return redirect("/text")
def custom(request):
    r = HttpResponse("x", status=418, content_type="text/x", headers={"x-a": "b"})
    r.set_cookie("c", "d")
    return r
def stream(request):
    def produce(write):
        for i in range(3):
            write(str(i))
    return StreamingHttpResponse(produce)
def room(request, room): return "room " + room
def number(request, n): return "number %d" % (n + 1)
def rest(request, rest): return "rest " + rest
def file(request): return FileResponse("static/a.css")
def who(request): return request.method + " " + request.path + " " + request.GET["q"] + " " + request.headers["X-Test"]
channel_routing = [
    view("/text", text), view("/bytes", data), view("/dict", obj), view("/list", lst), view("/none", none),
    view("/pair", pair), view("/page", page), view("/moved", moved), view("/custom", custom), view("/stream", stream),
    view("/rooms/<room>", room), view("/n/<int:n>", number), view("/files/<path:rest>", rest), view("/file", file),
    view("/who", who), view("/only", text, methods=["GET"]), view("/only", pair, methods=["POST"]),
    static("/static/", "static"),
]
`)
	for _, c := range []struct {
		path, kind, body string
		status           int
	}{
		{"/text", "text/html; charset=utf-8", "hello", 200},
		{"/bytes", "application/octet-stream", "\x00\x01", 200},
		{"/dict", "application/json", `{"a":[1,null]}`, 200},
		{"/list", "application/json", `[1,2]`, 200},
		{"/none", "", "", 204},
		{"/pair", "text/html; charset=utf-8", "made", 201},
		{"/page", "text/html; charset=utf-8", "<h1>&lt;b&gt;</h1>", 200},
		{"/moved", "", "", 302},
		{"/custom", "text/x", "x", 418},
		{"/stream", "text/html; charset=utf-8", "012", 200},
		{"/rooms/one", "text/html; charset=utf-8", "room one", 200},
		{"/n/41", "text/html; charset=utf-8", "number 42", 200},
		{"/files/a/b", "text/html; charset=utf-8", "rest a/b", 200},
		{"/file", "text/css; charset=utf-8", "body{}", 200},
		{"/static/a.css", "text/css; charset=utf-8", "body{}", 200},
		{"/static/sub/b.js", "text/javascript; charset=utf-8", "1", 200},
	} {
		r := s.get(c.path)
		if r.status != c.status || r.body != c.body || !strings.HasPrefix(r.header.Get("content-type"), c.kind) {
			t.Errorf("%s: %v %q, want %d %q %q\n%s", c.path, r, r.header.Get("content-type"), c.status, c.kind, c.body, s.log)
		}
	}
	for _, path := range []string{"/static/.secret", "/static/", "/static/../app.star", "/static/%2e%2e/app.star", "/n/x", "/rooms/a/b"} {
		if r := s.get(path); r.status != 404 {
			t.Errorf("%s: %v", path, r)
		}
	}
	if r := s.get("/who?q=1", "x-test", "y"); r.body != "GET /who 1 y" {
		t.Errorf("the request is %v", r)
	}
	if r := s.do("POST", "/only", ""); r.status != 201 {
		t.Errorf("POST /only: %v", r)
	}
	if r := s.do("DELETE", "/only", ""); r.status != 405 || r.header.Get("allow") != "GET, HEAD, POST" {
		t.Errorf("DELETE /only: %v, Allow: %q", r, r.header.Get("allow"))
	}
	if r := s.do("HEAD", "/only", ""); r.status != 200 || r.body != "" {
		t.Errorf("HEAD /only: %v", r)
	}
}

func TestRoutesMatchTextsFromTheStartAndTheFirstWins(t *testing.T) {
	s := serve(t, `
def say(text):
    def consumer(message, **captured):
        message.reply_channel.send({"status": 200, "content": "%s %s" % (text, sorted(captured.items()))})
    return consumer
inner = [
    route("http.request", say("inner"), path=r"^/(?P<b>\d+)$"),
    view("/view", lambda request, a: "view " + a),
]
channel_routing = [
    route("http.request", say("post"), method="POST"),
    route("http.request", say("one"), path=r"/one/(?P<id>\d+)"),
    route("http.request", say("never"), path=r"/one/1"),
    route("http.request", say("query"), query_string="x=1"),
    include(inner, path=r"^/in/(?P<a>\w+)"),
]
`)
	s.want("/one/12/more", 200, `one [("id", "12")]`)
	s.want("/?x=1", 200, "query []")
	s.want("/in/abc/7", 200, `inner [("a", "abc"), ("b", "7")]`)
	s.want("/in/abc/view", 200, "view abc")
	if r := s.do("POST", "/anything", ""); r.body != "post []" {
		t.Errorf("%v", r)
	}
	r := s.want("/before/one/1", 404, "no route for GET /before/one/1")
	if !strings.Contains(r.body, "Routes that were tried\n  1: route(") || !strings.Contains(r.body, `path=r"/one/(?P<id>\d+)"`) {
		t.Errorf("the page does not list the routes tried: %v", r)
	}
	s.want("/in/abc/view/", 404, "/in/abc/view would match include(")
}

func TestChannelRoutingMayBeADict(t *testing.T) {
	s := serve(t, `
def index(message):
    message.reply({"status": 200, "content": "x"})
channel_routing = {"http.request": index}
`)
	s.want("/", 200, "x")
}

func TestAReceiveRouteWithoutAConnectRouteAccepts(t *testing.T) {
	s := serve(t, `
def echo(message):
    message.reply({"text": message["text"]})
channel_routing = [route("websocket.receive", echo, path="^/ws")]
`)
	ws := s.dial("/ws")
	ws.send("hi")
	ws.want("hi")
	if _, resp, err := s.tryDial("/other"); err == nil || resp.StatusCode != 404 {
		t.Errorf("a path that no receive route matches: %v %v", resp, err)
	}
}

func TestDenyRefusesAHandshake(t *testing.T) {
	s := serve(t, `
def connect(message):
    message.deny()
channel_routing = {"websocket.connect": connect}
`)
	if _, resp, err := s.tryDial("/"); err == nil || resp.StatusCode != 403 {
		t.Errorf("%v %v", resp, err)
	}
}

func TestEachHandlerHasItsOwnMessageDict(t *testing.T) {
	s := serve(t, `
def index(message):
    content = message.content
    content["path"] = "changed"
    out = [message["path"], message.get("nothing"), message.get("nothing", 1), message.channel.name,
           message.reply_channel.name == message["reply_channel"], "path" in message, "no" in message,
           type(message.content), sorted(message.keys())[0], len(message) > 5]
    message.reply({"status": 200, "content": str(out)})
channel_routing = {"http.request": index}
`)
	s.want("/", 200, `["changed", None, 1, "http.request", True, True, False, "dict", "body", True]`)
}

func TestAMisspeltKeySuggestsTheNearest(t *testing.T) {
	s := serve(t, `
def index(message):
    message["pth"]
channel_routing = {"http.request": index}
`)
	s.want("/", 500, `did you mean "path"?`)
}

func TestAttemptReturnsTheKindOfAnError(t *testing.T) {
	s := setup{}.serve(t, `
def fail_with(text):
    fail(text)
def index(message):
    out = []
    out.append(attempt(lambda x: x + 1, 2))
    for call in [
        lambda: layer.send("bad name", {}),
        lambda: layer.send("ok", {"f": len}),
        lambda: layer.send("ok", {"t": "x" * (2 << 20)}),
        lambda: fail_with("oh"),
        lambda: layer.group_add("bad group!", "x"),
    ]:
        value, error = attempt(call)
        out.append((value, error.kind))
    def fill():
        for i in range(2000):
            layer.send("full", {})
    _, error = attempt(fill)
    out.append(error.kind)
    out.append("full" in error.message)
    message.reply({"status": 200, "content": str(out)})
channel_routing = {"http.request": index}
`)
	s.want("/", 200, `[(3, None), (None, "InvalidName"), (None, "InvalidMessage"), (None, "MessageTooLarge"), (None, "Error"), (None, "InvalidName"), "ChannelFull", True]`)
}

func TestAFullChannelStopsTheHandlerOrWaits(t *testing.T) {
	s := serve(t, `
def fill(message):
    for i in range(2000):
        layer.send("full", {"i": i})
def wait(message):
    layer.send("full", {}, wait=10)
    message.reply({"status": 200, "content": "sent"})
def drain(message):
    layer.receive("full")
    message.reply({"status": 200, "content": "drained"})
channel_routing = [
    route("http.request", fill, path="/fill"), route("http.request", wait, path="/wait"), route("http.request", drain, path="/drain"),
]
`)
	s.want("/fill", 500, `channel "full" is full`)
	done := make(chan reply, 1)
	go func() { done <- s.get("/wait") }()
	s.want("/drain", 200, "drained")
	if r := <-done; r.body != "sent" {
		t.Errorf("%v", r)
	}
}

func TestLayerFunctions(t *testing.T) {
	s := serve(t, `
def index(message):
    out = []
    layer.send("jobs", {"n": 1})
    out.append(layer.receive(["none", "jobs"])[1]["n"])
    out.append(layer.receive("jobs"))
    out.append(layer.receive("jobs", timeout=0.01))
    name = layer.new_channel("reply?")
    layer.group_add("g", name)
    layer.group_add("g", Channel("c"))
    out.append(len(layer.group_channels("g")))
    layer.group_discard("g", "c")
    layer.send_group("g", {"x": (1, 2)})
    out.append(layer.receive_many(name, block=True)[1]["x"])
    out.append(layer.channel_statistics("jobs")["messages_count"])
    out.append(layer.global_statistics()["messages_count"] > 2)
    out.append("groups" in layer.extensions)
    out.append([layer.group_expiry, layer.expiry, layer.capacity])
    layer.flush()
    out.append(layer.group_channels("g"))
    message.reply({"status": 200, "content": str(out)})
channel_routing = {"http.request": index}
`)
	s.want("/", 200, `[1, (None, None), (None, None), 2, [1, 2], 1, True, True, [86400, 60, 1000], []]`)
}

func TestGroupsReachTheirMembers(t *testing.T) {
	s := serve(t, `
def connect(message):
    message.reply({"accept": True})
    Group("all").add(message.reply_channel)
def receive(message):
    if message["text"] == "leave":
        Group("all").discard(message.reply_channel)
        message.reply({"text": "left %d" % len(Group("all").channels())})
    else:
        Group("all").send({"text": message["text"]})
channel_routing = {"websocket.connect": connect, "websocket.receive": receive}
`)
	a, b := s.dial("/"), s.dial("/")
	a.send("x")
	a.want("x")
	b.want("x")
	b.send("leave")
	b.want("left 1")
	a.send("y")
	a.want("y")
}

func TestStateIsSharedAndReturnsTheNewValue(t *testing.T) {
	s := serve(t, `
def index(message):
    out = [
        state.get("a"), state.get("a", 1), state.set("a", {"x": [1]}), state.get("a"),
        state.incr("n"), state.incr("n", 5), state.incr("n", -2),
        state.append("l", 1), state.append("l", 2), state.append("l", 3, keep=2),
        state.update("u", lambda old: old + 1, default=10), state.update("u", lambda old: old + 1),
        state.keys(), state.keys("l"),
    ]
    state.delete("a")
    out.append(state.get("a"))
    message.reply({"status": 200, "content": str(out)})
def nested(message):
    state.update("x", lambda old: state.incr("n"))
def sends(message):
    state.update("x", lambda old: Channel("c").send({}))
channel_routing = [
    route("http.request", nested, path="/nested"), route("http.request", sends, path="/sends"), route("http.request", index),
]
`)
	s.want("/", 200, `[None, 1, {"x": [1]}, {"x": [1]}, 1, 6, 4, [1], [1, 2], [2, 3], 11, 12, ["a", "l", "n", "u"], ["l"], None]`)
	s.want("/nested", 500, "cannot be called inside the function passed to state.update")
	s.want("/sends", 500, "cannot be called inside the function passed to state.update")
}

func TestSettingsOfFlagsTakePrecedenceOverTheEnvFile(t *testing.T) {
	c := setup{files: map[string]string{".env": "# comment\nA=file\nexport B=\"file b\"\n"}}
	c.script.Settings = map[string]string{"A": "flag"}
	s := c.serve(t, `channel_routing = [view("/", lambda request: settings["A"] + " " + settings["B"] + " " + settings.get("C", "none"))]`)
	s.want("/", 200, "flag file b none")
}

func TestHTTPSessionsBelongToTheBrowser(t *testing.T) {
	s := serve(t, `
def index(request):
    request.session["n"] = request.session.get("n", 0) + 1
    return str(request.session["n"])
def connect(message):
    message.reply({"accept": True})
def receive(message):
    message.reply({"text": str(message.http_session.get("n"))})
channel_routing = [view("/", index), route("websocket.connect", connect), route("websocket.receive", receive)]
`)
	r := s.want("/", 200, "1")
	cookie, _, _ := strings.Cut(r.header.Get("set-cookie"), ";")
	if !strings.HasPrefix(cookie, "sessionid_") || !strings.Contains(r.header.Get("set-cookie"), "HttpOnly") {
		t.Fatalf("the cookie is %q", r.header.Get("set-cookie"))
	}
	if r := s.get("/", "cookie", cookie); r.body != "2" {
		t.Errorf("the second time: %v", r)
	}
	if r := s.get("/", "cookie", cookie+"x"); r.body != "1" {
		t.Errorf("with a forged cookie: %v", r)
	}
	s.want("/", 200, "1")
	ws := s.dial("/", "cookie", cookie)
	ws.send("n?")
	ws.want("2")
	if r := s.get("/", "cookie", `other={"of": "another program"}; `+cookie); r.body != "3" {
		t.Errorf("with another malformed cookie: %v", r)
	}
}

func TestAnotherHandlerRespondsToAHeldRequest(t *testing.T) {
	s := serve(t, `
def wait(request):
    Group("waiting").add(request.reply_channel)
    hold(request)
def tell(request):
    Group("waiting").send({"status": 200, "content": "news"})
    return "told"
channel_routing = [view("/wait", wait), view("/tell", tell)]
`)
	done := make(chan reply, 1)
	go func() { done <- s.get("/wait") }()
	for {
		s.get("/tell") // the request may not be in the group yet
		select {
		case r := <-done:
			if r.body != "news" {
				t.Errorf("%v", r)
			}
			return
		default:
		}
	}
}

func TestWSGIServesRequestsThatMatchNoRoute(t *testing.T) {
	s := serve(t, `
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"], " ", environ["PATH_INFO"], " ", environ["wsgi.input"].read()]
channel_routing = [view("/view", lambda request: "view")]
`)
	s.want("/view", 200, "view")
	if r := s.do("POST", "/other", "body"); r.body != "POST /other body" {
		t.Errorf("%v\n%s", r, s.log)
	}
}

func TestLargeBodiesAreReadCompletely(t *testing.T) {
	s := serve(t, `channel_routing = [view("/", lambda request: str(len(request.body)))]`)
	if r := s.do("POST", "/", strings.Repeat("x", 3<<20)); r.body != "3145728" {
		t.Errorf("%v\n%s", r, s.log)
	}
}

func TestEverySendsMessages(t *testing.T) {
	s := serve(t, `
def tick(message):
    state.incr("ticks")
    log.info("tick " + message["n"])
channel_routing = [every(0.02, "ticks", {"n": "one"}), route("ticks", tick)]
`)
	s.log.has("tick one")
}

func TestSendLaterArrivesLater(t *testing.T) {
	s := serve(t, `
def index(message):
    Channel("later").send_later(0.03, {"reply_channel": message["reply_channel"]})
def later(message):
    message.reply({"status": 200, "content": "later"})
channel_routing = {"http.request": index, "later": later}
`)
	s.want("/", 200, "later")
}

func TestConsumeLaterPutsTheMessageBack(t *testing.T) {
	s := serve(t, `
def index(message):
    if state.incr("tries") < 3:
        message.consume_later()
        return
    message.reply({"status": 200, "content": "tries %d" % state.get("tries")})
def never(message):
    state.incr("never")
    message.consume_later()
channel_routing = [route("http.request", index)]
`)
	s.want("/", 200, "tries 3")
}

func TestHooksRunOnceForThePool(t *testing.T) {
	source := `
def on_start(): print("started " + str(state.incr("starts")))
def on_reload(): print("reloaded " + str(state.incr("reloads")))
def on_stop(): print("stopped")
channel_routing = [view("/", lambda request: "x")]
`
	s := serve(t, source)
	s.want("/", 200, "x")
	s.log.has("started 1")
	if err := s.reload(source + "\n"); err != nil {
		t.Fatal(err)
	}
	s.log.has("reloaded 1")
	s.log.lacks("started 2")
	s.log.lacks("stopped")
}

func TestLoadReadsOnlyFilesInTheFolder(t *testing.T) {
	s := setup{files: map[string]string{"lib/rooms.star": `
def join(name): return "joined " + name
names = []
`}}.serve(t, `
load("lib/rooms.star", "join", "names")
def grow(request):
    names.append(1)
channel_routing = [view("/", lambda request: join("x")), view("/grow", grow)]
`)
	s.want("/", 200, "joined x")
	s.want("/grow", 500, "state")
	for _, outside := range []string{"../x.star", "/etc/passwd", "lib/../../x.star"} {
		err := s.reload(`load("` + outside + `", "x")`)
		if err == nil {
			t.Errorf("%s was loaded", outside)
		}
	}
	s.want("/", 200, "joined x")
}
