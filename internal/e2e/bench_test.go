package e2e

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// benchApp has a page and a socket for each kind of load.
const benchApp = `
def page(request):
    state.incr("requests")
    return "hello"

def requests(request):
    return str(state.get("requests", 0))

def connect(message):
    Group("all").add(message.reply_channel)
    message.reply_channel.send({"accept": True})

def echo(message):
    message.reply_channel.send({"text": message["text"]})

def broadcast(message):
    Group("all").send({"text": message["text"]})

channel_routing = [
    view("/", page),
    view("/requests", requests),
    route("websocket.connect", connect),
    route("websocket.receive", echo, path="^/echo$"),
    route("websocket.receive", broadcast, path="^/broadcast$"),
]
`

// benchResult is the part of the JSON of asgibox bench that the tests check.
type benchResult struct {
	Completed, NotStarted, Failed int
	Statuses                      map[string]int
}

// due returns the number of operations that were due.
func (r benchResult) due() int { return r.Completed + r.NotStarted }

// bench runs asgibox bench with --json.
func bench(t *testing.T, args ...string) (r benchResult) {
	t.Helper()
	status, out := runCommand(t, append([]string{"bench", "--json"}, args...)...)
	if status != 0 {
		t.Fatalf("%q: status %d: %s", args, status, out)
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if r.Failed > 0 {
		t.Errorf("%q: %s", args, out)
	}
	return r
}

func TestBenchCountsWhatTheServerCounts(t *testing.T) {
	p := start(t, benchApp)
	sockets := "ws" + strings.TrimPrefix(p.url, "http")
	served := 0
	for _, rate := range []string{"0", "200"} {
		load := []string{"-c", "4", "-d", "200ms", "-r", rate}
		requests := bench(t, append(load, p.url+"/")...)
		served += requests.Completed
		if _, body := p.get("/requests"); body != strconv.Itoa(served) || requests.Statuses["200"] != requests.Completed {
			t.Errorf("rate %s: the application has counted %s requests, bench %d: %+v", rate, body, served, requests)
		}
		echoes := bench(t, append(load, sockets+"/echo")...)
		deliveries := bench(t, append(load, "--broadcast", sockets+"/broadcast")...)
		got := []int{requests.due(), echoes.due(), deliveries.due()}
		if rate == "200" && !slices.Equal(got, []int{40, 40, 160}) || slices.Contains(got, 0) {
			t.Errorf("rate %s: %d requests, echoes and deliveries", rate, got)
		}
	}
}
