package script_test

import (
	"strings"
	"testing"
)

func TestChannelSessionsEndWithTheirConnection(t *testing.T) {
	s := serve(t, `
def connect(message):
    message.reply({"accept": True})
    message.channel_session["a"] = [1]
def receive(message):
    message.channel_session["a"].append(2)
    message.reply({"text": str(message.channel_session["a"])})
def disconnect(message):
    print("at the end", message.channel_session["a"])
channel_routing = {"websocket.connect": connect, "websocket.receive": receive, "websocket.disconnect": disconnect}
`)
	ws := s.dial("/")
	ws.send("x")
	ws.want("[1, 2]")
	if n := len(keys(t, s, "channel/")); n != 1 {
		t.Errorf("%d sessions are stored", n)
	}
	ws.conn.CloseNow()
	s.log.has("at the end [1, 2]")
	for len(keys(t, s, "channel/")) > 0 { // deleted right after the handler
		s.get("/")
	}
}

func TestADisconnectThatIsPutBackHasItsSession(t *testing.T) {
	s := serve(t, `
def connect(message):
    message.channel_session["a"] = [1]
    message.reply({"accept": True})
def disconnect(message):
    if state.incr("tries") == 1:
        message.consume_later()
        return
    print("at the end", message.channel_session["a"])
channel_routing = {"websocket.connect": connect, "websocket.disconnect": disconnect}
`)
	s.dial("/").conn.CloseNow()
	s.log.has("at the end [1]")
	for len(keys(t, s, "channel/")) > 0 { // deleted right after the handler
		s.get("/")
	}
}

func TestChannelSessionsOfALoopEndWithTheirConnection(t *testing.T) {
	s := serve(t, `while True:
    channel, message = layer.receive(["http.request", "websocket.connect", "websocket.disconnect"], block=True)
    if channel == "http.request":
        message.reply({"status": 200})
    elif channel == "websocket.connect":
        message.channel_session["a"] = [1]
        message.reply({"accept": True})
    else:
        print("at the end", message.channel_session["a"])
`)
	ws := s.dial("/")
	if n := len(keys(t, s, "channel/")); n != 1 {
		t.Errorf("%d sessions are stored", n)
	}
	ws.conn.CloseNow()
	s.log.has("at the end [1]")
	for n := 0; len(keys(t, s, "channel/")) > 0; n++ { // deleted at the next receive
		if s.get("/"); n == 1000 {
			t.Fatal("the session of a connection that has ended is stored")
		}
	}
}

func TestASessionIsNotStoredForAConnectionThatHasEnded(t *testing.T) {
	s := serve(t, `
def connect(message):
    message.reply({"accept": True})
def receive(message):
    layer.receive("go", block=True)
    message.channel_session["a"] = 1
    Channel("done").send({})
def disconnect(message):
    print("left")
def index(request):
    layer.receive("none", timeout=0.01)
    layer.send("go", {})
    layer.receive("done", block=True)
    return "ok"
channel_routing = [
    route("websocket.connect", connect), route("websocket.receive", receive, ordered=False), route("websocket.disconnect", disconnect),
    view("/", index),
]
`)
	ws := s.dial("/")
	ws.send("x")
	ws.conn.CloseNow()
	s.log.has("left")
	s.want("/", 200, "ok")
	if n := len(keys(t, s, "channel/")); n != 0 {
		t.Errorf("%d sessions are stored", n)
	}
}

func keys(t *testing.T, s *site, prefix string) []string {
	t.Helper()
	all, err := s.layer.Keys(t.Context(), nil, prefix)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAChangedSessionIsSavedBeforeTheNextSend(t *testing.T) {
	s := serve(t, `
def index(message):
    message.channel_session["n"] = 1
    Channel("other").send({"reply_channel": message["reply_channel"]})
    message.channel_session["n"] = 2
    hold(message)
def other(message):
    message.reply({"status": 200, "content": str(message.channel_session["n"])})
channel_routing = {"http.request": index, "other": other}
`)
	r := s.get("/")
	if r.body != "1" && r.body != "2" {
		t.Errorf("%v", r)
	}
}

func TestHTTPSessionsMergeByKey(t *testing.T) {
	s := serve(t, `
def index(request):
    before = request.session.get("n")
    if request.GET.get("slow"):
        request.session["slow"] = True
        state.set("in", 1)
        for i in range(10000):
            if state.get("out"):
                break
            sleep(0.001)
    elif request.GET.get("in"):
        return str(state.get("in"))
    else:
        request.session["n"] = 7
        state.set("out", 1)
    return str(sorted(request.session.items()))
def show(request):
    return str(sorted(request.session.items()))
channel_routing = [view("/", index), view("/show", show)]
`)
	cookie, _, _ := strings.Cut(s.get("/").header.Get("set-cookie"), ";")
	s.get("/reset")
	done := make(chan struct{})
	if err := s.layer.Delete(t.Context(), nil, "state/out"); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		s.get("/?slow=1", "cookie", cookie)
	}()
	for s.get("/?in=1").body != "1" {
	}
	s.get("/", "cookie", cookie)
	<-done
	if r := s.get("/show", "cookie", cookie); r.body != `[("n", 7), ("slow", True)]` {
		t.Errorf("%v", r)
	}
}
