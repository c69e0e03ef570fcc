package script_test

import (
	"strings"
	"testing"

	"asgibox/workerpool"
)

const viewsWithoutReturn = `
def missing(request):
    render_nothing = "x"
def nested(request):
    def inner():
        return None
    inner()
def other(request):
    if request.GET.get("x"):
        return "x"
def helper(): pass
def passes(request): return helper()
def branches(request):
    if request.path == "/":
        return "x"
    else:
        return helper()
def bare(request):
    if request.path: return
def explicit(request): return None
def empty(request): return HttpResponse(status=204)
def replied(request): request.reply_channel.send({"status": 200, "content": "replied"})
channel_routing = [view("/" + f, fn) for f, fn in {
    "missing": missing, "nested": nested, "other": other, "passes": passes, "branches": branches, "bare": bare, "explicit": explicit, "empty": empty,
    "replied": replied, "lambda": lambda request: None,
}.items()]
`

func TestAViewThatEndsWithoutReturnGetsAnErrorPage(t *testing.T) {
	s := serve(t, viewsWithoutReturn)
	for path, place := range map[string]string{"/missing": "app.star:2", "/nested": "app.star:4", "/other": "app.star:8"} {
		r := s.get(path, "accept", "text/html")
		if r.status != 500 || !strings.Contains(r.body, "is a return missing?") || !strings.Contains(r.body, place) || !strings.Contains(r.body, "HttpResponse(status=204)") {
			t.Errorf("%s: %v", path, r)
		}
	}
	for _, path := range []string{"/bare", "/explicit", "/empty", "/lambda", "/passes", "/branches"} {
		s.want(path, 204, "")
	}
	s.want("/replied", 200, "replied")
}

func TestNoWatchdogAllowsViewsWithoutReturn(t *testing.T) {
	setup{pool: workerpool.Options{NoWatchdog: true}}.serve(t, viewsWithoutReturn).want("/missing", 204, "")
}
