package apptest

import (
	"slices"
	"strings"
	"testing"
)

const counter = `
def connect(message):
    message.reply_channel.send({"accept": True})

def racy(message):
    n = state.get("n", 0)
    state.set("n", n + 1)

def safe(message):
    state.update("n", lambda n: n + 1, 0)

def slow(message):
    n = state.get("n", 0)
    sleep(1)
    state.set("n", n + 1)

def queue(request):
    for i in range(2):
        Channel(request.GET["job"]).send({})

def total(request):
    return str(state.get("n", 0))

channel_routing = [
    view("/queue", queue), view("/total", total),
    route("websocket.connect", connect),
    route("websocket.receive", safe),
    route("racy", racy), route("safe", safe), route("slow", slow),
]
`

func TestExploreFindsARaceOfJobs(t *testing.T) {
	tests := `
def test_it(client):
    client.get("/queue?job=racy")
    assert_equal(client.get("/total").text, "2")
`
	passes(t, counter, tests, Options{})
	r := fails(t, counter, tests, Options{Explore: 50}, "want: \"2\"")
	if r.Seed == 0 {
		t.Fatal("there is no seed")
	}
	switches := 0
	for _, s := range r.Steps {
		if s.Switched {
			switches++
		}
	}
	if switches != 1 {
		t.Errorf("%d switches, want 1:\n%s", switches, stepsText(r.Steps))
	}
	for range 5 {
		again := fails(t, counter, tests, Options{Seed: r.Seed}, r.Explanation.Message)
		if !slices.EqualFunc(again.Steps, r.Steps, func(a, b Step) bool { a.Place, b.Place = "", ""; return a == b }) {
			t.Errorf("seed %d does not repeat\n%s\nbut gives\n%s", r.Seed, stepsText(r.Steps), stepsText(again.Steps))
		}
	}
}

func TestExploreAcceptsUpdate(t *testing.T) {
	passes(t, counter, `
def test_jobs(client):
    client.get("/queue?job=safe")
    assert_equal(client.get("/total").text, "2")

def test_sockets(client):
    for ws in [client.websocket("/") for _ in range(3)]:
        ws.send("x")
        ws.send("y")
    assert_equal(client.get("/total").text, "6")
`, Options{Explore: 50})
}

func TestSleepLetsOthersGoOn(t *testing.T) {
	fails(t, counter, `
def test_it(client):
    client.get("/queue?job=slow")
    client.advance(5)
    assert_equal(client.get("/total").text, "2")
`, Options{}, "want: \"2\"")
}

func TestFaultsAreFoundOnlyIfAsked(t *testing.T) {
	dropped := `
def test_it(client):
    client.get("/queue?job=safe")
    assert_equal(client.state.get("n", 0), 2)
`
	passes(t, counter, dropped, Options{Explore: 50})
	r := fails(t, counter, dropped, Options{Explore: 50, Faults: true})
	if text := stepsText(r.Steps); !strings.Contains(text, "the message on safe is dropped") && !strings.Contains(text, "the channel safe is full") {
		t.Errorf("the steps do not show the fault:\n%s", text)
	}
	// The test accepts lost messages, but the application does not expect a full channel.
	full := `
def test_it(client):
    assert_status(client.get("/queue?job=safe"), 204)
`
	fails(t, strings.Replace(counter, "def total", "    return None\n\ndef total", 1), full, Options{Explore: 50, Faults: true},
		"made so by --faults")
}

func TestExploreFindsARaceOfALoop(t *testing.T) {
	app := `
while True:
    channel, message = layer.receive_many(["http.request", "job"], block=True)
    if channel == "job":
        n = state.get("n", 0)
        state.set("n", n + 1)
    else:
        layer.send("job", {})
        layer.send("job", {})
        layer.send(message["reply_channel"], {"status": 200, "content": "ok"})
`
	tests := `
def test_jobs(client):
    client.get("/")
    assert_equal(client.state.get("n"), 2)
`
	passes(t, app, tests, Options{})
	first := fails(t, app, tests, Options{Explore: 50}, "want: 2")
	for range 3 {
		again := fails(t, app, tests, Options{Explore: 50})
		if a, b := stepsText(first.Steps), stepsText(again.Steps); first.Seed != again.Seed || strings.Count(a, "\n") != strings.Count(b, "\n") {
			t.Errorf("seed %d gives\n%s\nand seed %d\n%s", first.Seed, a, again.Seed, b)
		}
	}
	if first.Output != "" {
		t.Errorf("the end of the test is logged:\n%s", first.Output)
	}
}

func TestMessagesAtOnce(t *testing.T) {
	fails(t, counter, `
def test_it(client):
    client.layer.send("racy", {})
    client.layer.send("racy", {})
    assert_equal(client.state.get("n"), 2)
`, Options{Explore: 50}, "want: 2")
}

func TestRequestsAtOnce(t *testing.T) {
	app := strings.Replace(counter, `return str(`, `racy(request)
    return str(`, 1)
	fails(t, app, `
def test_it(client):
    a, b = client.stream("/total"), client.stream("/total", method="POST", form={"x": 1})
    assert_equal(sorted([a.text, b.text]), ["1", "2"])
`, Options{Explore: 50}, "got:")
}
