package script_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/workerpool"
	"asgibox/workerpool/script"
)

// manyDicts takes about 20 MiB when it is decoded, and too many about 40.
var (
	manyDicts = "[" + strings.Repeat("{},", 32<<10) + "1]"
	tooMany   = "[" + strings.Repeat("{},", 64<<10) + "1]"
)

func TestHandlersShareTheMemoryForWhatClientsSend(t *testing.T) {
	s := setup{script: script.Options{Memory: 32 << 20}}.serve(t, `
def count(request):
    return str(len(request.json()))
def decode(request):
    return str([len(json.decode(request.text)) for _ in range(3)])
def hold(request):
    request.json()
    state.set("holds", True)
    layer.receive_many(["go"], block=True)
    return "held"
def holds(request):
    return str(state.get("holds"))
def release(request):
    Channel("go").send({})
    return "released"
channel_routing = [view("/count", count), view("/decode", decode), view("/hold", hold), view("/holds", holds), view("/release", release)]
`)
	post := func(path, body string, status int, text string) {
		t.Helper()
		r := s.do("POST", path, body)
		for status == 200 && strings.Contains(r.body, "other requests") { // the handler before has replied but not ended
			r = s.do("POST", path, body)
		}
		if r.status != status || !strings.Contains(r.body, text) {
			t.Errorf("POST %s: got %d, %.300s", path, r.status, r.body)
		}
	}
	for range 3 {
		post("/count", manyDicts, 200, "32769")
		post("/decode", manyDicts, 200, "[32769, 32769, 32769]")
		post("/count", tooMany, 413, "more than 32 MiB of memory (--memory)")
		post("/decode", tooMany, 500, "json.decode: this needs more than 32 MiB of memory (--memory)")
	}
	held := make(chan reply)
	go func() { held <- s.do("POST", "/hold", manyDicts) }()
	for s.get("/holds").body != "True" {
	}
	post("/count", manyDicts, 503, "other requests")
	post("/count", "[1]", 200, "1")
	s.get("/release")
	if r := <-held; r.body != "held" {
		t.Errorf("got %v", r)
	}
	post("/count", manyDicts, 200, "32769")
}

// TestAHandlerEndsAfterTheTextThatIsTooMuch decodes texts in fewer steps than there
// are between two inspections.
func TestAHandlerEndsAfterTheTextThatIsTooMuch(t *testing.T) {
	s := setup{script: script.Options{Memory: 32 << 20}}.serve(t, `
def keep(request):
    text = request.text
    return str(len([json.decode(text) for _ in range(24)]))
channel_routing = [view("/", keep)]
`)
	if r := s.do("POST", "/", "["+strings.Repeat("{},", 50<<10)+"1]"); r.status != 500 || !strings.Contains(r.body, "used more than 32 MiB of memory") {
		t.Errorf("got %d, %.300s", r.status, r.body)
	}
}

// TestSlowUploadsHoldUpNoOthers sends a long body after many clients have announced
// longer ones and sent a part.
func TestSlowUploadsHoldUpNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clients := newPipes()
		setup{listener: clients, script: script.Options{Memory: 64 << 20}, pool: workerpool.Options{Workers: 30}}.serve(t, `
channel_routing = [view("/", lambda request: str(len(request.body)))]
`)
		for range 20 {
			clients.send(t, fmt.Sprintf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", 20<<20, strings.Repeat("x", 600_000)))
		}
		response, _ := clients.send(t, post("/", 30_000_000))
		time.Sleep(time.Second)
		synctest.Wait()
		if *response != "200 OK 30000000" {
			t.Errorf("got %.300q", *response)
		}
	})
}

func TestALoopReleasesTheMemoryOfAMessage(t *testing.T) {
	s := setup{script: script.Options{Memory: 32 << 20}, pool: workerpool.Options{Workers: 1}}.serve(t, `
size = len(json.decode("[" + "{}," * 32768 + "1]"))
while True:
    _, request = layer.receive_many("http.request", block=True)
    n, error = attempt(json.decode, str(request["body"]))
    layer.send(request["reply_channel"], {"status": 200, "content": str(n and len(n)) + str(error)})
`)
	for range 4 {
		for body, want := range map[string]string{manyDicts: "32769None", tooMany: "more than 32 MiB"} {
			if r := s.do("POST", "/", body); !strings.Contains(r.body, want) {
				t.Errorf("got %.300s, want %s", r.body, want)
			}
		}
	}
}
