package script_test

import (
	"strings"
	"testing"
)

func TestWhatSharedValuesHoldIsFrozen(t *testing.T) {
	s := serve(t, `
def counter():
    counts = {}
    def count(*args):
        counts["n"] = counts.get("n", 0) + 1
        return counts["n"]
    return count
stream = StreamingHttpResponse(counter())
headers = HttpResponse().headers
set_cookie = HttpResponse().set_cookie
def set_header(request): headers["a"] = "b"
channel_routing = [
    view("/view", counter()),
    include([include([view("/included", counter())])]),
    view("/stream", lambda request: stream),
    view("/headers", set_header),
    view("/cookie", lambda request: set_cookie("a", "b")),
    view("/", lambda request: "fine"),
]
`)
	const dict, response = "cannot insert into frozen hash table", "cannot change a frozen response"
	wantFailures(t, s, map[string]string{
		"/view": dict, "/included": dict, "/stream": dict, "/headers": response, "/cookie": response,
	})
}

// Each item of the list that make returns holds the one before, 900 levels down.
func TestWhetherAGlobalNestsTooDeeplyDoesNotDependOnItsName(t *testing.T) {
	s := serve(t, `channel_routing = [view("/", lambda request: "fine")]`)
	for _, globals := range []string{"a = make()\nz = a[-1]", "z = make()\na = z[-1]", "b = make()\na, z = b[0], b[-1]"} {
		err := s.reload(`
def make():
    heads, l = [], []
    for _ in range(20):
        for _ in range(900):
            l = [l]
        heads.append(l)
    return heads
channel_routing = []
` + globals)
		if err == nil || !strings.Contains(err.Error(), "it nests deeper than 1000") {
			t.Errorf("%s: %v", globals, err)
		}
	}
}
