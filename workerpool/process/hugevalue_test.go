package process_test

import (
	"fmt"
	"strings"
	"testing"

	"asgibox/workerpool"
	"asgibox/workerpool/process"
)

// TestAHugeTextOfASmallValueFailsOnlyItsHandler checks each way in which a handler can have
// a value encoded. The values contain one list, or one text, so many times that their text
// would not fit into the memory.
func TestAHugeTextOfASmallValueFailsOnlyItsHandler(t *testing.T) {
	s := setup{process: process.Options{Processes: 1, Threads: 1}, pool: workerpool.Options{Workers: 1}}.serve(t, `
import os
from types import MappingProxyType
from asgibox import Channel, Group, HttpResponse, JsonResponse, JsonWebsocketConsumer, layer, render, state, view
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
except ImportError:
    pass

def shared(leaf, wrap=lambda value: value):
    value = [leaf] * 10
    for _ in range(12):
        value = [wrap(value)] * 10
    return value

text = "x" * 1000000
lists, texts = shared(0), [text] * 10000

def session(request):
    request.session["a"] = lists

cases = {}
cases["longer than 16 MiB"] = [
    lambda r: JsonResponse(lists), lambda r: {"a": lists}, lambda r: [tuple(lists), {1}], lambda r: JsonResponse(texts),
    lambda r: [{text: 1}] * 10000, lambda r: shared(0, lambda value: {1: value}), lambda r: shared("x" * 1000, lambda value: MappingProxyType({"a": value})),
    lambda r: shared(0.5), lambda r: [[10 ** 4000] * 1000] * 1000, lambda r: JsonWebsocketConsumer.encode_json(lists),
]
cases["--max-message"] = [
    lambda r: layer.send("a", {"a": lists}), lambda r: layer.send("a", {"a": texts}), lambda r: layer.send("a", {"a": [text.encode()] * 10000}),
    lambda r: layer.send("a", {"a": [{text: 1}] * 10000}), lambda r: Channel("a").send(shared(0, lambda value: {"a": value})[0]), lambda r: Group("a").send({"a": lists}),
    lambda r: r.reply_channel.send({"a": texts}), lambda r: state.set("a", lists), lambda r: render("a.html", {"a": texts}), session,
]
cases["headers"] = [
    lambda r: HttpResponse(headers=[("x-a", text)] * 50), lambda r: HttpResponse(headers={"x-a": ["1"] * 2000}),
]
cases["ValueError"] = [lambda r: render("a.html", {"a": [text.encode()] * 10000})]
cases["must be a number"] = [
    lambda r: HttpResponse(status=lists), lambda r: layer.send("a", {}, delay=lists),
]
def case(request, n):
    for text, functions in cases.items():
        if n < len(functions):
            state.set("want", text)
            return functions[n](request)
        n -= len(functions)
    return (404, "")
def application(environ, start_response):
    start_response("200 OK", [("X-A", text)] * 1000)
    return []
channel_routing = [view("/", lambda request: str(os.getpid())), view("/<int:n>", case)]
`)
	pid := s.get("/").body
	for n := 0; ; n++ {
		r := s.get(fmt.Sprint("/", n))
		if r.status == 404 {
			break
		}
		want, _ := s.state("want").(string)
		if r.status != 500 || !strings.Contains(r.body, want) {
			t.Errorf("case %d: got %.500v, want 500 and %s", n, r, want)
		}
	}
	s.want("/wsgi", 500, "the headers have")
	s.want("/", 200, pid)
}
