package script_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"asgibox/workerpool"
	"asgibox/workerpool/script"
)

func TestConcurrencyAndOrderOfARoute(t *testing.T) {
	s := serve(t, `
def one(request):
    n = state.incr("running")
    state.update("most", lambda most: max(most, n), default=0)
    sleep(0.002)
    state.incr("running", -1)
    return str(state.get("most"))
def receive(message):
    sleep(0.05 if message["text"] == "slow" else 0)
    message.reply({"text": message["text"]})
channel_routing = [
    view("/", one, concurrency=2),
    route("websocket.receive", receive, path="^/ordered"),
    route("websocket.receive", receive, ordered=False),
]
`)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { s.get("/") })
	}
	all.Wait()
	s.want("/", 200, "2")
	ordered, unordered := s.dial("/ordered"), s.dial("/unordered")
	for _, ws := range []*socket{ordered, unordered} {
		ws.send("slow")
		ws.send("quick")
	}
	ordered.want("slow")
	ordered.want("quick")
	unordered.want("quick")
	unordered.want("slow")
}

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
		t.Errorf("%d sessions are kept", n)
	}
	ws.conn.CloseNow()
	s.log.has("at the end [1, 2]")
	for len(keys(t, s, "channel/")) > 0 { // deleted right after the handler
		s.get("/")
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

func TestAChangedSessionIsStagedBeforeTheNextSend(t *testing.T) {
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

func TestStrictOptionIsNotNeededForViews(t *testing.T) {
	s := setup{script: script.Options{Strict: true}}.serve(t, `
def index(request):
    r = JsonResponse({"a": 1})
    r.set_cookie("x", "y")
    return r
channel_routing = [view("/", index)]
`)
	s.want("/", 200, `{"a":1}`)
}

func TestRepliesAfterAStrayCloseAreComplainedOf(t *testing.T) {
	s := serve(t, `
def receive(message):
    message.reply({"close": True})
    message.reply({"text": "too late"})
channel_routing = {"websocket.receive": receive}
`)
	ws := s.dial("/")
	ws.send("x")
	ws.wantClosed(1000)
	s.log.has("app.star:4")
}

func TestExcludedChannelsAreLeftToOthers(t *testing.T) {
	c := setup{pool: workerpool.Options{ExcludeChannels: []string{"jobs*"}}}
	s := c.serve(t, `
def index(request):
    Channel("jobs").send({"n": 1})
    return "sent"
def job(message): print("done here")
channel_routing = [view("/", index), route("jobs", job)]
`)
	s.want("/", 200, "sent")
	stats, err := s.layer.ChannelStatistics(t.Context(), "jobs")
	if err != nil || stats.MessagesPending != 1 {
		t.Errorf("%+v, %v", stats, err)
	}
}

func TestTheFirstAnswerAfterAReloadIsByNewCode(t *testing.T) {
	s := serve(t, "channel_routing = [view('/', lambda request: '0')]")
	var longest time.Duration
	for n := range 20 {
		began := time.Now()
		text := strings.Repeat("x", n+1)
		if err := s.reload("channel_routing = [view('/', lambda request: '" + text + "')]"); err != nil {
			t.Fatal(err)
		}
		if r := s.get("/"); r.body != text {
			t.Errorf("after reload %d the answer is %v", n, r)
		}
		longest = max(longest, time.Since(began))
	}
	t.Logf("at most %v, settling time not included", longest)
}
