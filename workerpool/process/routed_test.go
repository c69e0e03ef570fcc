package process_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/internal/fileset"
	"asgibox/store"
	"asgibox/workerpool"
	"asgibox/workerpool/process"
	"asgibox/workerpool/script"
)

func TestPythonViewsRespond(t *testing.T) {
	s := serve(t, `
import time
from asgibox import HttpResponse, JsonResponse, StreamingHttpResponse, include, redirect, route, view

def index(request): return "<h1>Hello " + request.GET.get("name", "World") + "</h1>"
def room(request, room, n=0): return {"room": room, "n": n, "params": request.path_params}
def form(request): return (201, "got " + request.POST["a"] + " " + str(len(request.body)))
def cookies(request):
    r = HttpResponse("set", headers={"X-One": "1"})
    r.set_cookie("a", "b", httponly=True)
    return r
def stream(request):
    def pieces(write):
        for i in range(3):
            write("piece %d\n" % i)
    return StreamingHttpResponse(pieces, content_type="text/plain")
def upload(request):
    f = request.FILES["file"]
    return [f.name, f.size, request.POST["x"]]
def raw(message):
    message.reply_channel.send({"status": 202, "content": message["method"], "headers": [["x-raw", "é"]]})

channel_routing = [
    view("/", index),
    view("/rooms/<room>", room),
    view("/rooms/<room>/<int:n>", room),
    view("/form", form, methods=["POST"]),
    view("/cookies", cookies),
    view("/go", lambda request: redirect("/")),
    view("/stream", stream),
    view("/none", lambda request: None),
    view("/long", lambda request: b"x" * 1000000),
    view("/upload", upload, methods=["POST"]),
    include([view("/<int:n>", lambda request, n, lang: "%s %d" % (lang, n))], path="^/(?P<lang>en|de)"),
    route("http.request", raw, path="^/raw", method="PUT"),
]
`)
	s.want("/", 200, "<h1>Hello World</h1>")
	s.want("/?name=%C3%A9", 200, "Hello é")
	r := s.want("/rooms/a%20b", 200, `{"room":"a b","n":0,"params":{"room":"a b"}}`)
	if got := r.header.Get("content-type"); got != "application/json" {
		t.Errorf("the type of a dict is %q", got)
	}
	s.want("/rooms/a/7", 200, `{"room":"a","n":7,"params":{"room":"a","n":7}}`)
	s.want("/de/5", 200, "de 5")
	if r := s.do("POST", "/form", "a=x", "content-type", "application/x-www-form-urlencoded"); r.String() != "201 got x 3" {
		t.Errorf("%v", r)
	}
	body := strings.Repeat("y", 3<<20)
	if r := s.do("POST", "/form", "a=x&b="+body, "content-type", "application/x-www-form-urlencoded"); r.String() != "201 got x 3145734" {
		t.Errorf("%v", r)
	}
	if r := s.get("/form"); r.status != 405 || r.header.Get("allow") != "POST" {
		t.Errorf("a wrong method: %v %v", r, r.header)
	}
	if r := s.get("/cookies"); r.header.Get("set-cookie") != "a=b; Path=/; HttpOnly" || r.header.Get("x-one") != "1" {
		t.Errorf("%v", r.header)
	}
	if r := s.get("/go"); r.status != 302 || r.header.Get("location") != "/" {
		t.Errorf("%v %v", r, r.header)
	}
	s.want("/stream", 200, "piece 0\npiece 1\npiece 2\n")
	if r := s.get("/none"); r.status != 204 {
		t.Errorf("%v", r)
	}
	if r := s.get("/long"); len(r.body) != 1000000 {
		t.Errorf("%d bytes", len(r.body))
	}
	if r := s.do("HEAD", "/", ""); r.status != 200 || r.body != "" {
		t.Errorf("HEAD: %v", r)
	}
	part := "--B\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhello\r\n--B--\r\n"
	if r := s.do("POST", "/upload", part, "content-type", "multipart/form-data; boundary=B"); r.body != `["a.txt",5,"1"]` {
		t.Errorf("%v", r)
	}
	if r := s.do("POST", "/upload", strings.Replace(part, "a.txt", "a\x00", 1), "content-type", "multipart/form-data; boundary=B"); r.status != 400 {
		t.Errorf("a NUL in a header of a part: %v", r)
	}
	if r := s.do("PUT", "/raw", ""); r.status != 202 || r.body != "PUT" {
		t.Errorf("%v", r)
	}
	r = s.want("/romms/a", 404, "no route for GET /romms/a", `view("/rooms/<room>")`, "did you mean /rooms/a?")
	s.want("/raw", 404, "")
}

func TestPythonApplicationsServeFilesAndTemplates(t *testing.T) {
	s := setup{files: map[string]string{
		"static/app.css": "body {}", "static/hidden.py": "secret", ".env": "SECRET=1",
		"page.html": "<p>{{.name}} {{range .items}}<i>{{.}}</i>{{end}}</p>", "broken.html": "<p>\n{{.nmae}}</p>",
	}}.serve(t, `
from asgibox import FileResponse, render, static, view
channel_routing = [
    static("/static/", "static"),
    static("/all/", "."),
    view("/page", lambda request: render("page.html", {"name": "<é>", "items": (1, 2.5, b"x")})),
    view("/broken", lambda request: render("broken.html", {"name": 1})),
    view("/file", lambda request: FileResponse("static/app.css", as_attachment=True)),
    view("/missing", lambda request: FileResponse("static/ap.css")),
    view("/outside", lambda request: FileResponse("../x")),
]
`)
	r := s.want("/static/app.css", 200, "body {}")
	if r.header.Get("content-type") != "text/css; charset=utf-8" || r.header.Get("etag") == "" {
		t.Errorf("%v", r.header)
	}
	if r := s.get("/static/app.css", "range", "bytes=0-3"); r.status != 206 || r.body != "body" {
		t.Errorf("a range: %v", r)
	}
	if err := os.Symlink("app.py", filepath.Join(s.dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/static/hidden.py", "/all/app.py", "/all/.env", "/static/../app.py", "/static/none", "/all/link.txt"} {
		if r := s.get(path); r.status != 404 {
			t.Errorf("%s: %v", path, r)
		}
	}
	s.want("/page", 200, "<p>&lt;é&gt; <i>1</i><i>2.5</i><i>x</i></p>")
	s.want("/broken", 500, `the context has no "nmae"`, "did you mean .name?", "broken.html:2", "app.py:7")
	r = s.want("/file", 200, "body {}")
	if r.header.Get("content-disposition") != `attachment; filename="app.css"` || r.header.Get("etag") == "" {
		t.Errorf("%v", r.header)
	}
	if r := s.get("/file", "if-none-match", r.header.Get("etag")); r.status != 304 {
		t.Errorf("%v", r)
	}
	s.want("/missing", 500, `did you mean "static/app.css"?`, "app.py:9")
	s.want("/outside", 500, "leads outside the application's folder")
	if !s.loader.Uses("page.html") {
		t.Error("the loader does not know that the application uses page.html")
	}
}

func TestPythonSessionsAreThoseOfStarlark(t *testing.T) {
	s := serve(t, `
from asgibox import Channel, hold, route, view
def count(request):
    request.session["n"] = request.session.get("n", 0) + 1
    return str(request.session["n"])
def login(request):
    request.session.cycle()
    if "fail" in request.GET:
        raise ValueError("no")
    if "pass" in request.GET:
        Channel("other").send({"to": request.reply_channel})
    elif "hold" in request.GET:
        hold(request)
    else:
        return "in"
def connect(message):
    message.channel_session["seen"] = []
    message.reply_channel.send({"accept": True})
def receive(message):
    message.channel_session["seen"].append(message["text"])
    message.http_session["n"] += 10
    message.reply({"text": "%s %d" % (message.channel_session["seen"], message.http_session["n"])})
channel_routing = [view("/count", count), view("/login", login), route("websocket.connect", connect), route("websocket.receive", receive)]
`)
	r := s.get("/count")
	cookie, _, _ := strings.Cut(r.header.Get("set-cookie"), ";")
	if r.body != "1" || !strings.Contains(r.header.Get("set-cookie"), "HttpOnly") {
		t.Fatalf("%v %v", r, r.header)
	}
	if r := s.get("/count", "cookie", cookie); r.body != "2" {
		t.Errorf("%v", r)
	}
	if r := s.get("/count", "cookie", cookie+"x"); r.body != "1" {
		t.Errorf("with a wrong signature: %v", r)
	}
	ws := s.dial("/", "cookie", cookie)
	ws.send("a")
	ws.want("['a'] 12")
	ws.send("b")
	ws.want("['a', 'b'] 22")
	if r := s.get("/count", "cookie", cookie); r.body != "23" {
		t.Errorf("%v", r)
	}
	r = s.get("/login", "cookie", cookie)
	fresh, _, _ := strings.Cut(r.header.Get("set-cookie"), ";")
	if r := s.get("/count", "cookie", cookie); r.body != "1" {
		t.Errorf("the old cookie still works: %v", r)
	}
	if r := s.get("/count", "cookie", fresh); r.body != "24" {
		t.Errorf("the new cookie: %v", r)
	}
	r = s.get("/login?fail=1", "cookie", fresh)
	fresh, _, _ = strings.Cut(r.header.Get("set-cookie"), ";")
	if c := s.get("/count", "cookie", fresh); r.status != 500 || c.body != "25" {
		t.Errorf("after a failure: %v, %v", r, c)
	}
	for n, query := range []string{"hold=1", "pass=1"} {
		r = s.get("/login?"+query, "cookie", fresh)
		fresh, _, _ = strings.Cut(r.header.Get("set-cookie"), ";")
		if c := s.get("/count", "cookie", fresh); !strings.Contains(r.body, "the response needs the new cookie of the session") || c.body != fmt.Sprint(26+n) {
			t.Errorf("%s: %v, %v", query, r, c)
		}
	}
	// A session that Starlark's host has made.
	content := asgi.MustMessage(asgi.Field{Key: "n", Value: 41}).Dict
	host, port, _ := strings.Cut(strings.TrimPrefix(s.url, "http://"), ":")
	var number int64
	for _, c := range port {
		number = number*10 + int64(c-'0')
	}
	server, err := asgi.NewList(host, number)
	if err != nil {
		t.Fatal(err)
	}
	cookie, err = script.NewLoader("app.star", script.Options{Layer: s.layer}).NewSession(context.Background(), content, server)
	if err != nil {
		t.Fatal(err)
	}
	cookie, _, _ = strings.Cut(cookie, ";")
	if r := s.get("/count", "cookie", cookie); r.body != "42" {
		t.Errorf("%v", r)
	}
}

// numbered is a chat whose handlers take different times.
const numbered = `
import random, time
from asgibox import Group, WebsocketConsumer, every, route, route_class, state, view

def connect(message, room):
    message.reply_channel.send({"accept": True})
    message.channel_session["room"] = room
    Group("room-" + room).add(message.reply_channel)
def receive(message):
    time.sleep(random.random() / 100)
    Group("room-" + message.channel_session["room"]).send({"text": message["text"]})
def disconnect(message):
    Group("room-" + message.channel_session["room"]).discard(message.reply_channel)
    state.incr("left")
channel_routing = [
    route("websocket.connect", connect, path=r"^/chat/(?P<room>\w+)$"),
    route("websocket.receive", receive, path=r"^/chat/"),
    route("websocket.disconnect", disconnect, path=r"^/chat/"),
    view("/", lambda request: "VERSION"),
]
`

func TestPythonKeepsTheOrderOfEachConnection(t *testing.T) {
	s := serve(t, numbered)
	a, b := s.dial("/chat/x"), s.dial("/chat/x")
	const n = 40
	for i := range n {
		a.send(string(rune('A' + i)))
	}
	for i := range n {
		want := string(rune('A' + i))
		a.want(want)
		b.want(want)
	}
	a.conn.Close(1000, "")
	s.until("the disconnect is handled", func() bool { return s.state("left") == int64(1) })
	if _, resp, err := s.tryDial("/other"); err == nil || resp.StatusCode != 404 {
		t.Errorf("an unrouted handshake: %v %v", resp, err)
	}
}

func TestPythonReloadsKeepSocketsOpenAndFailNoRequest(t *testing.T) {
	s := serve(t, strings.ReplaceAll(numbered, "VERSION", "1"))
	var sockets []*socket
	for range 50 {
		sockets = append(sockets, s.dial("/chat/x"))
	}
	var failed atomic.Int64
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if r, err := s.try("GET", "/", ""); err != nil || r.status != http.StatusOK {
					failed.Add(1)
					t.Errorf("a request failed: %v %v", r, err)
					return
				}
			}
		})
	}
	for i := range 3 {
		version := string(rune('2' + i))
		if err := s.reload(strings.ReplaceAll(numbered, "VERSION", version)); err != nil {
			t.Fatal(err)
		}
		s.want("/", 200, version)
		sockets[0].send(version)
		for _, ws := range sockets {
			ws.want(version)
		}
	}
	if err := s.reload("def ("); err == nil {
		t.Error("a file that is no Python was loaded")
	}
	s.want("/", 200, "4")
	close(stop)
	load.Wait()
}

func TestANewerReloadKillsPythonThatLoadsForEver(t *testing.T) {
	s := setup{process: process.Options{Processes: 1, Threads: 4, LoadTimeout: time.Hour, Grace: time.Hour}}.serve(t, strings.ReplaceAll(numbered, "VERSION", "1"))
	var reloads sync.WaitGroup
	const forever = "open('reached', 'w').close()\nwhile True: pass\n"
	s.write("part.py", forever)
	for _, source := range []string{
		forever,
		"import part",
		numbered + "\ndef on_reload():\n    open('reached', 'w').close()\n    while True: pass\n",
		forever,
	} {
		_ = os.Remove(filepath.Join(s.dir, "reached"))
		s.write("app.py", source)
		reloads.Go(func() {
			if _, err := s.pool.Reload(context.Background()); err != nil {
				t.Error(err)
			}
		})
		s.until("the program loops", func() bool {
			_, err := os.Stat(filepath.Join(s.dir, "reached"))
			return err == nil
		})
		s.want("/", 200, "1")
	}
	if !s.loader.Uses("part.py") {
		t.Error("a file whose import does not end does not count as used")
	}
	if err := s.reload(strings.ReplaceAll(numbered, "VERSION", "2")); err != nil {
		t.Fatal(err)
	}
	reloads.Wait()
	s.want("/", 200, "2")
	s.until("the other processes have ended", func() bool { return len(s.loader.Processes()) == 1 })
}

func TestPythonRoutesLimitTheirHandlers(t *testing.T) {
	s := serve(t, `
import time
from asgibox import route, state
def work(message):
    now = state.incr("now")
    state.append("seen", now)
    time.sleep(0.02)
    state.incr("now", -1)
    state.incr("done")
channel_routing = [route("jobs", work, concurrency=2)]
`)
	for range 12 {
		s.message("jobs")
	}
	s.until("all jobs are done", func() bool { return s.state("done") == int64(12) })
	for _, now := range s.state("seen").(asgi.List).All() {
		if now.(int64) > 2 {
			t.Errorf("%v jobs ran at once", now)
		}
	}
}

func TestPythonClocksHooksAndHeldReplies(t *testing.T) {
	s := serve(t, `
from asgibox import Channel, every, hold, route, state, view
def on_start(): state.append("hooks", "start")
def on_reload(): state.append("hooks", "reload")
def on_stop(): state.append("hooks", "stop")
def tick(message): state.incr("ticks", message["n"])
def wait(request):
    Channel("waiting").send({"to": request.reply_channel})
    hold(request)
def answer(message): Channel(message["to"]).send({"status": 200, "content": "later"})
def later(message):
    if state.incr("tries") < 3:
        message.consume_later()
    else:
        message.reply_channel.send({"status": 200, "content": "third"})
Channel("loaded").send({})
channel_routing = [
    every(0.02, "tick", {"n": 1}), route("tick", tick), view("/wait", wait), route("waiting", answer),
    route("http.request", later, path="^/later"), route("loaded", lambda message: state.incr("loaded")),
]
`)
	s.until("the clock ticks", func() bool { n, _ := s.state("ticks").(int64); return n >= 2 })
	s.want("/wait", 200, "later")
	s.want("/later", 200, "third")
	s.until("the message of the top level is handled", func() bool { n, _ := s.state("loaded").(int64); return n >= 1 })
	source, err := os.ReadFile(s.dir + "/app.py")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.reload(string(source)); err != nil {
		t.Fatal(err)
	}
	s.until("the hooks have run", func() bool {
		hooks, _ := s.state("hooks").(asgi.List)
		return hooks.Len() == 2 && hooks.At(0) == "start" && hooks.At(1) == "reload"
	})
	s.stop()
	if hooks, _ := s.state("hooks").(asgi.List); hooks.Len() != 3 || hooks.At(2) != "stop" {
		t.Errorf("the hooks that have run: %v\n%s", hooks, s.log)
	}
}

func TestAPythonViewThatPassesOnItsReplyChannelStaysOpen(t *testing.T) {
	s := serve(t, `
import time
from asgibox import Channel, route, view
def passes(request):
    Channel("later").send({"to": request.reply_channel})
def later(message):
    time.sleep(0.05)  # the view has ended
    Channel(message["to"]).send({"status": 200, "content": "later"})
channel_routing = [view("/", passes), route("later", later)]
`)
	s.want("/", 200, "later")
}

func TestPythonErrorsAreShownWithTheirLines(t *testing.T) {
	s := serve(t, `
from asgibox import Group, route, view
def helper(n):
    secret = "x" * 3
    return 10 // n
def fail(request): return helper(0)
def silent(message): pass
def forgot(request):
    "page"
def big(request): return object()
def typo(request): return reqest.path
def bad(request): return request.json()
channel_routing = [
    view("/fail", fail), route("http.request", silent, path="^/silent"), view("/forgot", forgot), view("/big", big),
    view("/typo", typo), view("/json", bad), route("websocket.connect", fail, path="^/fail"), route("websocket.receive", silent, path="^/nothing"),
    route("websocket.connect", lambda m: m.reply({"accept": True})), route("websocket.receive", fail),
]
`)
	s.want("/fail", 500, "ZeroDivisionError", "app.py:5", "return 10 // n", "helper", "app.py:6")
	s.want("/silent", 500, "silent (app.py:7) returned without replying", "app.py:7")
	s.want("/forgot", 500, "forgot (app.py:8) ended without return: is a return missing?")
	s.want("/big", 500, "the view returned a value of type object, which is not a response")
	s.want("/typo", 500, "did you mean request?")
	s.want("/json", 400, "the body is not JSON")
	if _, resp, err := s.tryDial("/fail"); err == nil || resp.StatusCode != 500 {
		t.Errorf("a handshake whose handler fails: %v %v", resp, err)
	}
	ws := s.dial("/x")
	ws.send("x")
	ws.wantClosed(1011)
	s.log.has("ZeroDivisionError")
}

func TestWrongPythonRoutesFailToLoad(t *testing.T) {
	s := serve(t, "channel_routing = []\n")
	for source, texts := range map[string][]string{
		"from asgibox import *\ndef f(message): pass\nchannel_routing = [\n    route('websocket.receive', f, path='(?=x)'),\n]": {"app.py:4", "is not a regular expression", "RE2"},
		"from asgibox import *\ndef f(message): pass\nchannel_routing = [\n    route('websocket.receive', f, pth='x')]":         {"app.py:4", `no key "pth" to match; did you mean "path"?`},
		"from asgibox import *\ndef f(request): pass\nchannel_routing = [\n    view('/<room>', f)]":                             {"app.py:4", `has no parameter "room", which the pattern captures`, "def f(request, room):"},
		"from asgibox import *\ndef f(request, x): pass\nchannel_routing = [\n    view('/', f)]":                                {"app.py:4", `needs an argument "x", which no pattern captures`},
		"from asgibox import *\nchannel_routing = [\n    view('rooms', print)]":                                                 {"app.py:3", "must begin with /"},
		"from asgibox import *\nchannel_routing = [\n    static('/s/', 'nothing')]":                                             {"app.py:3", "there is no folder nothing"},
		"from asgibox import *\nchannel_routing = [\n    route('bad name', print)]":                                             {"app.py:3"},
		"from asgibox import *\nchannel_routing = [\n    route('a', print())]":                                                  {"app.py:3", "the consumer is of type NoneType, not a function"},
		"x = 1\ndef f(:\n": {"app.py:2", "SyntaxError"},
	} {
		err := s.reload(source)
		if err == nil {
			t.Errorf("%q was loaded", source)
			continue
		}
		for _, text := range texts {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%q: the error is %v, and lacks %q", source, err, text)
			}
		}
	}
	s.want("/", 404, "the application has no routes for http.request")
	if !s.loader.Uses("nothing/file.txt") || s.loader.Uses("other/file.txt") {
		t.Error("a file in a missing folder of static must load the application again")
	}
}

func TestSuspiciousPythonRoutesAreReported(t *testing.T) {
	s := serve(t, `
from asgibox import every, route, view
def f(message): message.reply({"accept": True})
def g(message): message.reply({"text": "x"})
channel_routing = [
    route("websocket.connect", f, path="^/live"),
    route("websocket.receive", g, path="^/lvie"),
    route("websocket.recieve", g),
    view("/", lambda request: "x"), view("/", lambda request: "y"),
    every(60, "tick"), route("jobs", g, kind="mail"),
]
`)
	for _, text := range []string{"gets no messages", `did you mean \"websocket.receive\"?`, "is never reached", `no route reads \"tick\"`, "at=app.py:7", "at=app.py:8", "at=app.py:9"} {
		s.log.has(text)
	}
	s.message("jobs", asgi.Field{Key: "kind", Value: "male"})
	s.log.has("a message was dropped: no route for jobs; tried")
}

func TestADyingPythonProcessFailsOnlyItsOwnRequests(t *testing.T) {
	s := serve(t, `
import os, time
from asgibox import route, state, view
def slow(request, me):
    state.set("pid/" + me, os.getpid())
    while not state.get("go"):
        time.sleep(0.01)
    return "finished"
def job(message):
    state.incr("jobs")
    state.set("job", os.getpid())
    while not state.get("go"):
        time.sleep(0.01)
def die(request): os._exit(3)
channel_routing = [view("/slow/<me>", slow), route("jobs", job), view("/die", die), view("/", lambda request: "alive")]
`)
	replies := make(chan reply, 8)
	pids := map[int64]int{}
	for _, me := range []string{"a", "b", "c", "d", "e", "f"} { // more than a process has threads
		go func() {
			r, err := s.try("GET", "/slow/"+me, "")
			if err != nil {
				t.Errorf("%s: %v", me, err)
			}
			replies <- r
		}()
	}
	for _, me := range []string{"a", "b", "c", "d", "e", "f"} {
		s.until(me+" runs", func() bool { return s.state("pid/"+me) != nil })
		pids[s.state("pid/"+me).(int64)]++
	}
	if len(pids) != 2 {
		t.Fatalf("the requests run in %v", pids)
	}
	victim := s.state("pid/a").(int64)
	kill(t, victim)
	for range pids[victim] {
		if r := <-replies; r.status != 500 || !strings.Contains(r.body, "killed") {
			t.Errorf("a request of the killed process: %v", r)
		}
	}
	s.want("/", 200, "alive")
	s.layer.Set(context.Background(), nil, "state/go", true, 0)
	for range 6 - pids[victim] {
		if r := <-replies; r.String() != "200 finished" {
			t.Errorf("a request of the other process: %v", r)
		}
	}
	s.want("/die", 500, "exit status 3")
	s.layer.Delete(context.Background(), nil, "state/go")
	s.message("jobs")
	s.until("the job runs", func() bool { return s.state("job") != nil })
	kill(t, s.state("job").(int64))
	s.layer.Set(context.Background(), nil, "state/go", true, 0)
	s.log.has(`channel=jobs consumer="job (app.py:9)"`)
	s.want("/", 200, "alive")
	if n := s.state("jobs"); n != int64(1) {
		t.Errorf("the job ran %v times, want at most once", n)
	}
}

func TestAPythonHandlerThatRunsTooLongIsEnded(t *testing.T) {
	s := setup{pool: workerpool.Options{HandlerTimeout: 200 * time.Millisecond}, process: process.Options{HandlerTimeout: 200 * time.Millisecond}}.serve(t, `
from asgibox import view
def endless(request):
    try:
        while True:
            pass
    finally:
        open(__file__ + ".ended", "w").close()
channel_routing = [view("/endless", endless), view("/", lambda request: "alive")]
`)
	s.want("/endless", 500, "the handler ran longer than 200ms")
	s.until("the handler has got an exception", func() bool {
		_, err := os.Stat(filepath.Join(s.dir, "app.py.ended"))
		return err == nil
	})
	s.until("another request is handled in time", func() bool { return s.get("/").status == 200 })
}

// TestWhatAPythonRouteGetsCanBeEncoded checks that all mappings are dicts, as users of
// Django expect.
func TestWhatAPythonRouteGetsCanBeEncoded(t *testing.T) {
	s := serve(t, `
import json
from asgibox import route, state, view
def encode(*mappings):
    assert all(isinstance(m, dict) for m in mappings)
    return json.dumps(mappings, sort_keys=True)
def page(request, room):
    request.session["n"] = 1
    state.set("form", request.POST)
    meta = {key: request.META[key] for key in ("QUERY_STRING", "HTTP_X_A")}
    result = encode(request.GET, request.POST, meta, request.COOKIES, request.path_params, request.session)
    encode(request.META, request.headers, request.FILES, state.get("form"))
    del request.message["query_string"], request.message["headers"], request.message["body"]  # bytes
    encode(request.message)
    return result
def connect(message):
    message.channel_session["n"] = 2
    message.reply_channel.send({"accept": True})
def receive(message):
    encode(message, message.http_session)
    message.reply_channel.send({"text": encode(message.channel_session)})
channel_routing = [view("/<room>", page), route("websocket.connect", connect), route("websocket.receive", receive)]
`)
	r := s.do("POST", "/a?b=1&b=2", "c=%C3%A9", "content-type", "application/x-www-form-urlencoded", "x-a", "d", "cookie", "e=f")
	if want := `[{"b": "1"}, {"c": "\u00e9"}, {"HTTP_X_A": "d", "QUERY_STRING": "b=1&b=2"}, {"e": "f"}, {"room": "a"}, {"n": 1}]`; r.body != want {
		t.Errorf("got %v, want %s\n%s", r, want, s.log)
	}
	ws := s.dial("/")
	ws.send("hello")
	ws.want(`[{"n": 2}]`)
}

func TestPythonHandlersGetTheErrorsOfTheLayer(t *testing.T) {
	c := setup{}
	c.store.Capacity = 2
	s := c.serve(t, `
import asgibox
from asgibox import Channel, Group, layer, settings, state, view
def full(request):
    try:
        for i in range(10):
            Channel("full").send({})
    except layer.ChannelFull as error:
        return type(error).__name__
def name(request):
    try:
        Channel("bad name").send({})
    except asgibox.InvalidName as error:
        return type(error).__name__
def value(request):
    try:
        Channel("x").send({"a": [object()]})
    except asgibox.InvalidMessage as error:
        return str(error)
def groups(request):
    Group("g").add("x!y")
    return Group("g").channels() + [layer.new_channel("a?")[:2], layer.capacity]
def color(request): return settings["color"] + settings.get("none", "!") + str(dict(settings))
channel_routing = [view("/full", full), view("/name", name), view("/value", value), view("/groups", groups), view("/color", color),
                   view("/missing", lambda request: settings["colour"])]
`)
	s.want("/full", 200, "ChannelFull")
	s.want("/name", 200, "InvalidName")
	s.want("/value", 200, "a[0]: a value of type object is not allowed in a message")
	s.want("/groups", 200, `["x!y","a?",2]`)
	s.want("/color", 200, "blue!{'color': 'blue'}")
	s.want("/missing", 500, "pass --set colour=")
}

func TestAWSGIFunctionHandlesRequestsWithoutAPythonRoute(t *testing.T) {
	s := serve(t, `
from asgibox import view
def application(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    if environ["PATH_INFO"] == "/fail":
        raise ValueError("no")
    return [b"wsgi " + environ["PATH_INFO"].encode("latin-1")]
channel_routing = [view("/", lambda request: "view"), view("/post", lambda request: "x", methods=["POST"])]
`)
	s.want("/", 200, "view")
	s.want("/other", 200, "wsgi /other")
	s.want("/fail", 500, "ValueError: no", "app.py:6", "application (app.py:3)")
	s.want("/post", 405, "")
	if _, resp, err := s.tryDial("/"); err == nil || resp.StatusCode != 404 {
		t.Errorf("a handshake: %v %v", resp, err)
	}
	if err := s.reload("def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'only']\n"); err != nil {
		t.Fatal(err)
	}
	s.want("/", 200, "only")
}

func TestPagesOfPythonViewsGetTheScript(t *testing.T) {
	c := setup{files: map[string]string{"page.html": "<body>{{.n}}</body>", "file.html": "<body>file</body>"}}
	c.pages.Overlay = true
	s := c.serve(t, `
from asgibox import FileResponse, HttpResponse, render, view
channel_routing = [
    view("/", lambda request: "<body>text</body>"), view("/render", lambda request: render("page.html", {"n": 5})),
    view("/file", lambda request: FileResponse("file.html")), view("/plain", lambda request: HttpResponse("<body></body>", content_type="text/plain")),
]
`)
	for path, want := range map[string]bool{"/": true, "/render": true, "/file": true, "/plain": false} {
		if r := s.get(path); strings.Contains(r.body, "/__asgibox__/page.js") != want || r.status != 200 {
			t.Errorf("%s: %v", path, r)
		}
	}
	s.want("/__asgibox__/state", 200, "version")
}

func TestMistakesInMessagesOfPythonAreReportedWithTheirLines(t *testing.T) {
	const source = `
from asgibox import Channel, Group, route
def request(message):
    message.reply_channel.send({"status": 200, "contnt": "x"})
def connect(message):
    message.reply_channel.send({"accept": True})
    for _ in range(2):
        message.reply_channel.send({"txt": "x"})
    Channel("jbos").send({})
    Group("g").add(message.reply_channel)
    Group("g").send({"text": 5})
    message.reply_channel.send({"close": 1000})
channel_routing = [route("http.request", request), route("websocket.connect", connect), route("jobs", request)]
`
	s := serve(t, source)
	s.want("/", 200)
	s.dial("/").wantClosed(1000)
	for _, text := range []string{
		`unknown key \"contnt\"; did you mean \"content\"?`, "at=app.py:4",
		`unknown key \"txt\"`, "at=app.py:8",
		`no route or reader receives from \"jbos\"; did you mean \"jobs\"?`, "at=app.py:9",
		`\"text\" must be text, not`, "at=app.py:11",
	} {
		s.log.has(text)
	}
	if n := strings.Count(s.log.String(), "at=app.py:8"); n != 1 {
		t.Errorf("line 8 was reported %d times", n)
	}
	s = setup{process: process.Options{Strict: true}}.serve(t, source)
	s.want("/", 500, "InvalidMessage", "unknown key", "app.py:4")
	s = setup{process: process.Options{NoCheck: true}}.serve(t, source)
	s.want("/", 200)
	if strings.Contains(s.log.String(), "app.py:4") {
		t.Errorf("checks are off, but\n%s", s.log)
	}
}

func TestAReplyOfPythonThatFailsEndsItsHandler(t *testing.T) {
	s := serve(t, `
from asgibox import route, state
def page(message):
    message.reply_channel.send({"status": 200, "more_content": True})
    for n in range(1500):
        message.reply_channel.send({"content": (b"%d" % n).ljust(20000), "more_content": True})
    state.set("ended", True)
channel_routing = [route("http.request", page)]
`)
	conn := s.connect("GET / HTTP/1.0\r\n\r\n") // and read nothing, so that the channel gets full
	s.until("the handler ends", func() bool { return s.state("ended") == true })
	s.log.has("app.py:6: ChannelFull")
	content, _ := io.ReadAll(conn)
	_, body, _ := strings.Cut(string(content), "\r\n\r\n")
	if n := len(body) / 20000; n == 0 || n == 1500 {
		t.Errorf("%d replies arrived", n)
	}
	for n, piece := range slices.Collect(slices.Chunk([]byte(body), 20000)) {
		if want := strconv.Itoa(n) + " "; !strings.HasPrefix(string(piece), want) {
			t.Fatalf("got %.10s in place of message %d", piece, n)
		}
	}
}

func TestMessagesOfPythonNameTheLinesThatSendThem(t *testing.T) {
	s := serve(t, `
from asgibox import Channel, Group, layer, route, view
def page(request):
    Channel("jobs").send({})
    return "x"
def job(message):
    Group("g").send({"text": "x"})
    layer.send("others",
        {})
channel_routing = [view("/", page), route("jobs", job), route("others", lambda message: None)]
`)
	recorder := s.layer.Debug().Record(1000)
	defer recorder.Stop()
	s.want("/", 200, "x")
	places := map[string]string{}
	s.until("all messages are recorded", func() bool {
		events, _ := recorder.Fetch(nil)
		for _, e := range events {
			if e.Kind == store.Sent && e.Place != "" {
				channel, _, _ := strings.Cut(e.Channel, "!")
				places[channel] = e.Place
			}
		}
		return places["others"] != "" && len(places) >= 3
	})
	for channel, place := range places {
		want := map[string]string{"jobs": "app.py:4", "others": "app.py:8"}[channel]
		if strings.HasPrefix(channel, "asgibox.response") {
			want = "page (app.py:3)"
		}
		if place != want {
			t.Errorf("a message on %s was sent at %s, want %s", channel, place, want)
		}
	}
}

// kill ends a process at once.
func kill(t *testing.T, pid int64) {
	t.Helper()
	p, err := os.FindProcess(int(pid))
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPythonNamesThatClientsChooseAreForgotten renders many templates that do not exist.
func TestPythonNamesThatClientsChooseAreForgotten(t *testing.T) {
	var followed, awaited fileset.Set
	follow := func(path string, missing bool) {
		if missing {
			awaited.Keep(path)
		} else {
			followed.Keep(filepath.Base(path))
		}
	}
	s := setup{process: process.Options{Follow: follow}, files: map[string]string{"page.html": "ok"}}.serve(t, `
from asgibox import render, view
def misses(request):
    for i in range(1500):
        try:
            render("%d.html" % i)
        except Exception:
            pass
    return render("page.html")
channel_routing = [view("/", misses)]
`)
	s.want("/", 200, "ok")
	for name, want := range map[string]bool{"app.py": true, "page.html": true, "1499.html": true, "0.html": false} {
		if s.loader.Uses(name) != want {
			t.Errorf("uses %s: %v, want %v", name, !want, want)
		}
	}
	files := followed.Kept()
	if slices.ContainsFunc(files, func(name string) bool { return strings.HasSuffix(name, "9.html") }) || !slices.Contains(files, "page.html") {
		t.Errorf("watched: %q", files)
	}
	if n := len(awaited.Kept()); n != 1500 {
		t.Errorf("%d missing files were named", n)
	}
}
