package script_test

import (
	"net/url"
	"strings"
	"testing"

	"asgibox/store"
	"asgibox/workerpool/script"
)

const loginApp = `
def login(request):
    request.session["user"] = "ann"
    if request.GET.get("cycle"):
        request.session.cycle()
    return str(request.session)
def failing(request):
    request.session["tries"] = 1
    if request.GET.get("cycle"):
        request.session.cycle()
    fail("no")
def held(request):
    if request.GET.get("cycle"):
        request.session.cycle()
    request.session["held"] = True
    hold(request)
    if request.GET.get("begun"):
        layer.send(request.reply_channel.name, {"status": 200, "content": "begun"})
def passes(message):
    message.http_session["held"] = True
    Channel("other").send({"to": message.reply_channel})
def long(request):
    request.session["long"] = "x" * 200000
    if request.GET.get("cycle"):
        request.session.cycle()
    return "x"
def show(request):
    return str(sorted(request.session.items()))
def visit(request):
    request.session["data"] = "x" * 100
    layer.send("other", {})
    request.session["more"] = True
    return "visited"
def late(request):
    def write(write):
        write("begun")
        write(str(attempt(request.session.cycle)[1]))
    return StreamingHttpResponse(write)
def slow(request):
    request.session["slow"] = True
    state.set("in", 1)
    for _ in range(20000):
        if state.get("out"):
            break
        sleep(0.001)
    return "slow"
def release(request):
    state.set("out", 1)
    return str(state.get("in"))
def connect(message):
    message.reply({"accept": True})
def receive(message):
    message.reply({"text": str(attempt(message.http_session.cycle)[1])})
channel_routing = [view("/login", login), view("/show", show), view("/visit", visit), view("/late", late), view("/failing", failing), view("/held", held), route("http.request", passes, path="^/passes$"), view("/long", long), view("/slow", slow), view("/release", release),
    route("websocket.connect", connect), route("websocket.receive", receive)]
`

// cookieOf returns the name and value of the cookie that a response sets, or "".
func cookieOf(r reply) string {
	cookie, _, _ := strings.Cut(r.header.Get("set-cookie"), ";")
	return cookie
}

func TestALoginSurvivesAFloodOfSessions(t *testing.T) {
	c := setup{store: store.Options{MaxSessions: 10}}
	s := c.serve(t, loginApp)
	login := cookieOf(s.get("/login"))
	s.get("/show", "cookie", login)
	for range 50 {
		s.want("/visit", 200, "visited") // saves the session twice
	}
	if r := s.get("/show", "cookie", login); r.body != `[("user", "ann")]` {
		t.Errorf("after the flood: %v", r)
	}
	if n := len(keys(t, s, "session/")); n != 10 {
		t.Errorf("there are %d sessions", n)
	}
}

// Without its cookie, a session that a failing handler has made or renewed is lost.
func TestAnErrorReplyHasTheCookieOfTheSession(t *testing.T) {
	s := serve(t, loginApp)
	cookie := cookieOf(s.get("/login"))
	for _, path := range []string{"/failing", "/failing?cycle=1"} {
		r := s.get(path, "cookie", cookie)
		if r.status != 500 || cookieOf(r) == "" || (cookieOf(r) == cookie) != (path == "/failing") {
			t.Errorf("%s: %v, the cookie is %q", path, r.status, cookieOf(r))
		}
		cookie = cookieOf(r)
		if r := s.get("/show", "cookie", cookie); r.body != `[("tries", 1), ("user", "ann")]` {
			t.Errorf("after %s: %s", path, r.body)
		}
	}
	if r := s.get("/show", "cookie", cookieOf(s.get("/failing"))); r.body != `[("tries", 1)]` {
		t.Errorf("a new session: %s", r.body)
	}
}

// If another handler sends the response, the cookie is not sent.
func TestAHandlerThatHoldsCannotLoseTheCookieOfTheSession(t *testing.T) {
	s := serve(t, loginApp)
	first := cookieOf(s.get("/login"))
	if r := s.get("/passes"); r.status != 500 || !strings.Contains(r.body, "the response needs the new cookie") || cookieOf(r) == "" {
		t.Errorf("a consumer that passes its reply channel on: %v", r)
	}
	for _, c := range []struct{ path, cookie string }{{"/held?", ""}, {"/held?cycle=1&", first}} {
		r := s.get(c.path, "cookie", c.cookie)
		if r.status != 500 || !strings.Contains(r.body, "the response needs the new cookie of the session") {
			t.Errorf("%s: %v", c.path, r)
		}
		if r := s.get("/show", "cookie", cookieOf(r)); !strings.Contains(r.body, `("held", True)`) {
			t.Errorf("after %s: %v", c.path, r)
		}
		if r := s.get(c.path+"begun=1", "cookie", c.cookie); r.body != "begun" || cookieOf(r) == "" {
			t.Errorf("%s that has begun its response: %v", c.path, r)
		}
	}
}

func TestASessionThatIsTooLongLeavesTheOldOne(t *testing.T) {
	s := setup{store: store.Options{MaxMessage: 100 << 10}}.serve(t, loginApp)
	cookie := cookieOf(s.get("/login"))
	for _, path := range []string{"/long", "/long?cycle=1"} {
		for _, sent := range []string{"", cookie} {
			if r := s.get(path, "cookie", sent); r.status != 500 || !strings.Contains(r.body, "too large") {
				t.Errorf("%s: %v", path, r)
			}
		}
	}
	if r := s.get("/show", "cookie", cookie); r.body != `[("user", "ann")]` {
		t.Errorf("the old session: %v", r)
	}
	s.log.lacks("lost")
}

func TestCycleRenewsTheIDOfASession(t *testing.T) {
	s := serve(t, loginApp)
	before := cookieOf(s.get("/visit"))
	after := cookieOf(s.get("/login?cycle=1", "cookie", before))
	if after == "" || after == before {
		t.Fatalf("the cookie was %q and is %q", before, after)
	}
	if r := s.get("/show", "cookie", after); !strings.Contains(r.body, `("more", True), ("user", "ann")`) {
		t.Errorf("with the new id: %v", r)
	}
	if r := s.get("/show", "cookie", before); r.body != "[]" {
		t.Errorf("with the old id: %v", r)
	}
	if all := keys(t, s, "session/"); len(all) != 1 {
		t.Errorf("the sessions are %v", all)
	}
	again := cookieOf(s.get("/login?cycle=1", "cookie", after)) // changes nothing else
	if again == "" || again == after {
		t.Errorf("the second time, the cookie is %q", again)
	}
	if r := s.get("/login?cycle=1"); cookieOf(r) == "" || r.body != `{"user": "ann"}` {
		t.Errorf("a new session: %v", r)
	}
}

func TestCycleNeedsAResponseThatHasNotStarted(t *testing.T) {
	s := serve(t, loginApp)
	cookie := cookieOf(s.get("/login"))
	if r := s.get("/late", "cookie", cookie); !strings.Contains(r.body, "begunsession.cycle: the response has started") {
		t.Errorf("%v", r)
	}
	ws := s.dial("/", "cookie", cookie)
	ws.send("x")
	ws.want("session.cycle: a message on websocket.receive cannot set a cookie; call it for an HTTP request")
}

func TestAHandlerCannotBringBackARenewedSession(t *testing.T) {
	s := serve(t, loginApp)
	before := cookieOf(s.get("/visit"))
	slow := make(chan reply)
	go func() { slow <- s.get("/slow", "cookie", before) }()
	for keys(t, s, "state/in") == nil {
		s.get("/show")
	}
	after := cookieOf(s.get("/login?cycle=1", "cookie", before))
	s.get("/release")
	if r := <-slow; r.status != 200 || cookieOf(r) != "" {
		t.Errorf("the slow handler: %v, cookie %q", r, cookieOf(r))
	}
	s.log.has("the changes of the session are lost")
	for cookie, want := range map[string]string{before: "[]", after: `("user", "ann")`} {
		if r := s.get("/show", "cookie", cookie); !strings.Contains(r.body, want) || strings.Contains(r.body, "slow") {
			t.Errorf("%v, want %s", r, want)
		}
	}
}

func TestApplicationsOnTwoPortsHaveTheirOwnSessions(t *testing.T) {
	a, b := serve(t, loginApp), serve(t, loginApp)
	cookies := cookieOf(a.get("/login"))
	cookies += "; " + cookieOf(b.get("/login", "cookie", cookies))
	for _, s := range []*site{a, b} {
		address, err := url.Parse(s.url)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(cookies, "sessionid_"+address.Port()+"=") {
			t.Errorf("the cookies of %s are %q", s.url, cookies)
		}
		if r := s.get("/show", "cookie", cookies); r.body != `[("user", "ann")]` {
			t.Errorf("%s: %v", s.url, r)
		}
	}
	c := setup{script: script.Options{SessionCookie: "who"}}
	named := c.serve(t, loginApp)
	cookie := cookieOf(named.get("/login"))
	if !strings.HasPrefix(cookie, "who=") {
		t.Errorf("the cookie is %q", cookie)
	}
	if r := named.get("/show", "cookie", cookie); r.body != `[("user", "ann")]` {
		t.Errorf("%v", r)
	}
}

// TestAForeignCookieDoesNotHideTheSession checks that another site of the domain
// cannot log a user out with a cookie of the same name.
func TestAForeignCookieDoesNotHideTheSession(t *testing.T) {
	s := serve(t, loginApp)
	login := cookieOf(s.get("/login"))
	name, _, _ := strings.Cut(login, "=")
	for _, cookies := range []string{name + "=old.x; " + login, name + "=; " + login, login + "; " + name + "=new.x"} {
		if r := s.get("/show", "cookie", cookies); r.body != `[("user", "ann")]` {
			t.Errorf("%s: %v", cookies, r)
		}
	}
}

func TestASessionBehavesLikeADict(t *testing.T) {
	s := serve(t, `
def index(request):
    s = request.session
    s["b"], s["a"] = 1, [2]
    s.update({"c": 3})
    s.pop("c")
    copy = dict(s)
    return str([s, len(s), "a" in s, "x" in s, s.get("x"), list(s), s.items(), s | {"d": 4}, {"a": 0} | s, json.encode(copy), bool(s), "cycle" in dir(s), request.session == s])
def sent(request):
    layer.send("other", {"session": request.session})
    state.set("session", request.session)
    return request.session
channel_routing = [view("/", index), view("/sent", sent)]
`)
	r := s.get("/")
	want := `[{"b": 1, "a": [2]}, 2, True, False, None, ["b", "a"], [("b", 1), ("a", [2])], {"b": 1, "a": [2], "d": 4}, {"a": [2], "b": 1}, ` +
		`"{\"b\":1,\"a\":[2]}", True, True, True]`
	if r.body != want {
		t.Errorf("got  %s\nwant %s", r.body, want)
	}
	if r := s.get("/sent", "cookie", cookieOf(r)); r.status != 200 || r.header.Get("content-type") != "application/json" {
		t.Errorf("%v", r)
	}
	s.log.lacks("level=ERROR")
}

func TestFullStateIsAnErrorOfTheHandler(t *testing.T) {
	c := setup{store: store.Options{StateMemory: 10_000}}
	s := c.serve(t, `
def index(request):
    for i in range(1000):
        _, err = attempt(state.set, "key%d" % i, "x")
        if err:
            return "%s after %d: %s" % (err.kind, i, err.message)
def add(request):
    state.append("one more", 1)
channel_routing = [view("/", index), view("/add", add)]
`)
	s.want("/", 200, "StateFull after 35: state full: with")
	s.want("/add", 500, "state full: with")
	s.want("/", 200, "StateFull after 35")
}
