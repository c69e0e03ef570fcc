package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
)

const waitingApp = `
def slow(request):
    while not state.get("open"):
        sleep(0.01)
    return HttpResponse("slow")

def fast(request):
    return HttpResponse("fast")

def open(request):
    state.set("open", True)
    return HttpResponse("open")

def connect(message):
    message.reply_channel.send({"accept": True})

def receive(message):
    if message["text"].startswith("slow"):
        sleep(0.02)
    message.reply_channel.send({"text": message["text"]})

channel_routing = [
    view("/slow", slow, concurrency=1),
    view("/fast", fast),
    view("/open", open),
    route("websocket.connect", connect),
    route("websocket.receive", receive),
]
`

// statusOf requests a path and returns the status of the response.
func (p *program) statusOf(path string) int {
	res, err := http.Get(p.url + path)
	if err != nil {
		p.Error(err)
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

func TestTheCapacityOfRequestsHoldsForARouteWithALimit(t *testing.T) {
	p := start(t, waitingApp, "--store", "memory", "--channel-capacity", "http.request=3")
	p.waitFor("generation 1")
	statuses := make(chan int, 20)
	var requests sync.WaitGroup
	for range 20 {
		requests.Go(func() { statuses <- p.statusOf("/slow") })
	}
	for range 16 { // one runs and three wait
		if got := <-statuses; got != 503 {
			t.Errorf("status %d, want 503", got)
		}
	}
	for range 10 {
		if got := p.statusOf("/fast"); got != 200 {
			t.Errorf("status %d for another route, want 200", got)
		}
	}
	p.save("app.star", waitingApp+"\n") // the limit holds across generations
	p.waitFor("generation 2")
	if got := p.statusOf("/slow"); got != 503 {
		t.Errorf("status %d after a reload, want 503", got)
	}
	if got := p.statusOf("/open"); got != 200 {
		t.Fatalf("status %d", got)
	}
	requests.Wait()
	for range 4 {
		if got := <-statuses; got != 200 {
			t.Errorf("status %d, want 200", got)
		}
	}
}

func TestABurstOfFramesIsNotClosedAndHoldsUpNoOthers(t *testing.T) {
	p := start(t, waitingApp, "--store", "memory", "--workers", "2")
	burst, other := p.dial("/"), p.dial("/")
	const frames = 150
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for n := range frames {
			burst.send(fmt.Sprint("slow ", n))
		}
	}()
	for n := range 20 {
		if got := other.exchange(strconv.Itoa(n)); got != strconv.Itoa(n) {
			t.Fatalf("the other connection received %q", got)
		}
	}
	for n := range frames {
		if got := burst.receive(); got != fmt.Sprint("slow ", n) {
			t.Fatalf("frame %d: received %q", n, got)
		}
	}
	<-sent
}
