package script_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"asgibox/httpfront"
	"asgibox/workerpool"
	"asgibox/workerpool/script"
)

func TestARequestWithoutAReplyGetsAnErrorImmediately(t *testing.T) {
	s := serve(t, `
def silent(message):
    pass
def to_group(message):
    Group("g").add(message.reply_channel)
channel_routing = [
    route("http.request", silent, path="^/silent"), route("websocket.connect", silent, path="^/silent"),
    route("http.request", to_group, path="^/group"), route("websocket.connect", to_group, path="^/group"),
]
`)
	r := s.want("/silent", 500, "silent (app.star:2) returned without replying")
	if !strings.Contains(r.body, "message.reply_channel.send") {
		t.Errorf("the page does not say what to add: %v", r)
	}
	if _, resp, err := s.tryDial("/silent"); err == nil || resp.StatusCode != 500 {
		t.Errorf("a silent handshake: %v %v", resp, err)
	}
}

func TestAPassedReplyChannelCountsAsAReply(t *testing.T) {
	s := serve(t, `
def in_message(message): Channel("other").send({"to": message.reply_channel})
def in_list(message): layer.send("other", {"all": [{"to": message["reply_channel"]}]})
def in_state(message): state.set("who", message.reply_channel)
def in_append(message): state.append("all", message["reply_channel"])
def in_session(message): message.channel_session["me"] = message["reply_channel"]
def in_group(message): Group("g").add(message.reply_channel)
def held(message): hold(message)
def later(message): message.reply_channel.send_later(100, {"status": 200})
def answer_held(message):
    for name in ["in_message", "in_list", "in_state", "in_append", "in_session", "in_group", "held", "later"]:
        pass
channel_routing = [
    route("http.request", in_message, path="^/in_message$"), route("http.request", in_list, path="^/in_list$"),
    route("http.request", in_state, path="^/in_state$"), route("http.request", in_append, path="^/in_append$"),
    route("http.request", in_session, path="^/in_session$"), route("http.request", in_group, path="^/in_group$"),
    route("http.request", held, path="^/held$"), route("http.request", later, path="^/later$"),
]
`)
	for _, path := range []string{"/in_message", "/in_list", "/in_state", "/in_append", "/in_session", "/in_group", "/held", "/later"} {
		client := http.Client{Timeout: 30 * time.Millisecond}
		if resp, err := client.Get(s.url + path); err == nil {
			t.Errorf("%s: status %d\n%s", path, resp.StatusCode, s.log)
			resp.Body.Close()
		}
	}
	s.log.lacks("returned without")
}

func TestAViewWithoutReturnThatPassesOnItsReplyChannelStaysOpen(t *testing.T) {
	s := serve(t, `
def passes(request):
    Channel("later").send({"to": request.reply_channel, "text": request.GET["by"]})
def stores(request):
    state.set("who", request.reply_channel)
    Channel("later").send({"stored": True, "text": "from the state"})
def joins(request):
    Group("waiting").add(request.reply_channel)
    Channel("later").send({"text": "group"})
def later(message):
    sleep(0.05) # the view has ended
    to = Group("waiting")
    if "to" in message:
        to = Channel(message["to"])
    elif "stored" in message:
        to = Channel(state.get("who"))
    to.send({"status": 200, "content": message["text"]})
channel_routing = [view("/passes", passes), view("/stores", stores), view("/joins", joins), route("later", later)]
`)
	s.want("/passes?by=another", 200, "another")
	s.want("/stores", 200, "from the state")
	s.want("/joins", 200, "group")
}

func TestAPushIsNoPartOfTheResponse(t *testing.T) {
	s := setup{script: script.Options{Strict: true}}.serve(t, `
def pushes(message):
    message.reply_channel.send({"request": {"path": "/x"}})
    message.reply_channel.send({"status": 200, "content": "page"})
def only(message):
    message.reply_channel.send({"request": {"path": "/x"}})
channel_routing = [route("http.request", pushes, path="^/pushes$"), route("http.request", only, path="^/only$")]
`)
	s.want("/pushes", 200, "page")
	s.want("/only", 500, "returned without replying")
}

func TestAHandshakeThatOnlyJoinsAGroupLogsAWarning(t *testing.T) {
	c := setup{front: httpfront.Options{ConnectTimeout: 50 * time.Millisecond}}
	s := c.serve(t, `
def connect(message):
    Group("g").add(message.reply_channel)
channel_routing = {"websocket.connect": connect}
`)
	_, resp, err := s.tryDial("/")
	if err == nil || resp.StatusCode != 403 {
		t.Errorf("%v %v", resp, err)
	}
	s.log.has("only joined a group")
}

func TestAHandshakeWithAnIgnoredReplyIsRefusedImmediately(t *testing.T) {
	s := serve(t, `
def bytes_as_text(message): message.reply({"accept": True, "text": b"hi"})
def text_as_bytes(message): message.reply({"bytes": "hi"})
def both(message): message.reply({"text": "hi", "bytes": b"hi"})
def misspelt(message): message.reply({"accept": True, "txt": "hi"})
channel_routing = [route("websocket.connect", fn, path="^/%d$" % n) for n, fn in enumerate([bytes_as_text, text_as_bytes, both, misspelt])]
`)
	for path, why := range map[string]string{
		"/0": "its text is not a string", "/1": "", "/2": "it has both text and bytes", "/3": "is unknown",
	} {
		_, resp, err := s.tryDial(path)
		if why == "" {
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		if err == nil || resp.StatusCode != 500 {
			t.Errorf("%s: %v %v", path, resp, err)
		}
		s.log.has(why)
	}
}

func TestNoWatchdogSendsNoErrorForAMissingReply(t *testing.T) {
	c := setup{pool: workerpool.Options{NoWatchdog: true}, front: httpfront.Options{HTTPTimeout: 50 * time.Millisecond}}
	s := c.serve(t, `
def silent(message): pass
channel_routing = {"http.request": silent}
`)
	if r := s.get("/"); r.status != 503 {
		t.Errorf("%v", r)
	}
}

func TestTheErrorPageOfAFailureShowsTheTraceback(t *testing.T) {
	s := serve(t, `
def helper(x):
    return x["missing"]

def index(message):
    if message["path"] == "/late":
        message.reply({"status": 200, "content": "started", "more_content": True})
    helper({})

def connect(message):
    if message["path"] == "/refuse":
        helper({})
    message.reply({"accept": True})

def receive(message):
    helper({})

channel_routing = {"http.request": index, "websocket.connect": connect, "websocket.receive": receive}
`)
	r := s.get("/")
	for _, part := range []string{"app.star:3", `key "missing" not in dict`, "return x[", "index"} {
		if !strings.Contains(r.body, part) {
			t.Errorf("the text page lacks %q: %v", part, r)
		}
	}
	if r.status != 500 || !strings.HasPrefix(r.header.Get("content-type"), "text/plain") {
		t.Errorf("%v %v", r.status, r.header)
	}
	r = s.get("/", "accept", "text/html,*/*")
	if !strings.HasPrefix(r.header.Get("content-type"), "text/html") || !strings.Contains(r.body, `<script src="/__asgibox__/page.js" data-version="1"></script>`) {
		t.Errorf("browsers get %v", r)
	}
	resp, err := http.Get(s.url + "/late")
	if err == nil {
		defer resp.Body.Close()
		if _, err = resp.Body.Read(make([]byte, 100)); err == nil {
			_, err = resp.Body.Read(make([]byte, 100))
		}
	}
	if err == nil {
		t.Error("a stream whose handler failed was not closed")
	}
	if _, resp, err := s.tryDial("/refuse"); err == nil || resp.StatusCode != 500 {
		t.Errorf("a handshake whose handler failed: %v %v", resp, err)
	}
	ws := s.dial("/")
	ws.send("x")
	if reason := ws.wantClosed(1011); reason == "" {
		t.Error("closed without a reason")
	}
}

func TestAnErrorPageDetectsThatTheApplicationWasFixed(t *testing.T) {
	s := serve(t, "channel_routing = [view('/', lambda request: nothing)]")
	r := s.want("/", 500, "nothing")
	before := s.get("/__asgibox__/state")
	if before.status != 200 || r.status != 500 {
		t.Errorf("%v", before)
	}
	if err := s.reload("channel_routing = [view('/', lambda request: 'fixed')]"); err != nil {
		t.Fatal(err)
	}
	if after := s.get("/__asgibox__/state"); after.body == before.body || after.status != 200 {
		t.Errorf("before %v, after %v", before, after)
	}
	s.want("/", 200, "fixed")
}

func TestABrokenReloadKeepsTheOldCode(t *testing.T) {
	s := serve(t, "channel_routing = [view('/', lambda request: 'old')]")
	for _, broken := range []string{"def (", "import json", "x = y", "fail('no')", "x = 1", "channel_routing = 1",
		"channel_routing = [1]", "channel_routing = [route('http.request', 1)]", "application = 1"} {
		if err := s.reload(broken); err == nil {
			t.Errorf("%q was loaded", broken)
		}
		s.want("/", 200, "old")
	}
	if err := s.reload("channel_routing = [view('/', lambda request: 'new')]"); err != nil {
		t.Fatal(err)
	}
	s.want("/", 200, "new")
}

func TestAFailedFirstLoadServesTheError(t *testing.T) {
	s := serve(t, "channel_routing = [\n  view('/', indx),\n]\ndef index(request): pass\n")
	r := s.want("/any/path", 500, "indx")
	if !strings.Contains(r.body, "app.star:2") {
		t.Errorf("%v", r)
	}
	if _, resp, err := s.tryDial("/"); err == nil || resp.StatusCode != 500 {
		t.Errorf("a handshake: %v %v", resp, err)
	}
}

// The error page is a message too, so it must be short.
func TestAVeryLongErrorIsCut(t *testing.T) {
	s := serve(t, `
def long(request): return {}["k" * 5000000]
def failed(request): fail("\u00e9" * 5000000)
def line(request): return {}["`+strings.Repeat("k", 500_000)+`"]
channel_routing = [view("/", long), view("/failed", failed), view("/line", line), view("/held", lambda request: hold(1))]
channel_routing += [view("/" + "a" * 600 + str(i), long) for i in range(2500)]
`)
	for path, status := range map[string]int{"/": 500, "/failed": 500, "/line": 500, "/held": 500, "/nowhere": 404} {
		for _, accept := range []string{"text/plain", "text/html"} {
			if r := s.get(path, "Accept", accept); r.status != status || len(r.body) > 300_000 || !utf8.ValidString(r.body) {
				t.Errorf("%s: %d, %d bytes, %.300q", path, r.status, len(r.body), r.body)
			}
		}
	}
	s.want("/held", 500, "hold: the argument is an int; it must be the request or message")
}
