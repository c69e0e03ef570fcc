package script_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"asgibox/workerpool"
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

// TestConcurrencyHoldsAcrossGenerations adds a route with a limit before another
// one, whose handler runs.
func TestConcurrencyHoldsAcrossGenerations(t *testing.T) {
	source := `
def one(request):
    state.incr("running")
    for _ in range(100000):
        if state.get("go"):
            break
        sleep(0.001)
    return str(state.incr("running", -1))
def running(request): return str(state.get("running", 0))
def go(request): return str(state.set("go", True))
channel_routing = [
    %s
    view("/", one, concurrency=1),
    view("/running", running),
    view("/go", go),
]
`
	s := serve(t, fmt.Sprintf(source, ""))
	var all sync.WaitGroup
	all.Go(func() { s.want("/", 200, "0") })
	for s.get("/running").body != "1" {
		time.Sleep(time.Millisecond)
	}
	if err := s.reload(fmt.Sprintf(source, "view('/other', go, concurrency=1),")); err != nil {
		t.Fatal(err)
	}
	all.Go(func() { s.want("/", 200, "0") })
	for waiting := false; !waiting && s.get("/running").body != "2"; {
		stats, err := s.layer.ChannelStatistics(t.Context(), "http.request")
		waiting = err != nil || stats.MessagesPending == 1
	}
	s.want("/running", 200, "1")
	s.want("/go", 200, "True")
	all.Wait()
}

func TestExcludedChannelsAreNotReceived(t *testing.T) {
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
