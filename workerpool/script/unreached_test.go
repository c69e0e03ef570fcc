package script_test

import (
	"strings"
	"testing"
)

const routable = `def f(message): message.reply({"status": 200, "content": "f"})
def g(request): return "g"
def h(request, name): return "h"
`

func TestAnUnreachedRouteLogsAWarning(t *testing.T) {
	for routing, want := range map[string]string{
		`[route("http.request", f),
 view("/", g)]`: `view(\"/\") is never reached: route(\"http.request\") in line 4`,
		`[view("/<name>", h),
 view("/new", g)]`: `view(\"/new\") is never reached: view(\"/<name>\") in line 4`,
		`[view("/a", g),
 view("/a", g, methods=["POST"])]`: `is never reached: view(\"/a\") in line 4`,
		`[route("http.request", f, path="^/a"),
 view("/about", g)]`: `view(\"/about\") is never reached`,
		`[route("jobs", f),
 route("jobs", f, kind="x")]`: `is never reached: route(\"jobs\") in line 4`,
	} {
		s := serve(t, routable+"channel_routing = "+routing+"\n")
		if log := s.log.String(); !strings.Contains(log, want) || !strings.Contains(log, "at=app.star:5") || strings.Count(log, "never reached") != 1 {
			t.Errorf("%s: the log lacks %s:\n%s", routing, want, log)
		}
	}
}

func TestRoutesInCorrectOrderLogNoWarning(t *testing.T) {
	for _, routing := range []string{
		`[view("/new", g), view("/<name>", h), route("http.request", f)]`,
		`[view("/a", g, methods=["GET"]), view("/a", g, methods=["POST"])]`,
		`[view("/a", g, methods=["GET"]), view("/a", g)]`,
		`[route("http.request", f, method="POST"), view("/a", g)]`,
		`[route("jobs", f), route("mail", f)]`,
		`[route("http.request", f, query_string="a=1"), view("/a", g)]`,
	} {
		s := serve(t, routable+"channel_routing = "+routing+"\n")
		s.log.lacks("level=WARN")
	}
}

func TestRoutingErrorsNameTheLineThatSetsTheRouting(t *testing.T) {
	s := serve(t, routable+"channel_routing = [view(\"/\", g)]\n")
	for source, want := range map[string]string{
		"\nchannel_routing = None\n":                        "app.star:2:1: channel_routing is None, not a list of routes",
		"\nchannel_routing = [1]\n":                         "app.star:2:1: channel_routing[0] is an int, not a route",
		"\nchanel_routing = []\n":                           "app.star:2:1: app.star does not set channel_routing",
		"\n\napplication = 3\n":                             "app.star:3:1: application is an int",
		"x = \"\xff\"\n":                                    "app.star:1: the file is not UTF-8",
		"load(\"lib\", \"x\")\n":                            "lib: there is no such file (did you mean \"lib.star\"?)",
		"channel_routing = [view(\"/<a>\", lambda r: 1)]\n": "(lambda request, a: …)",
	} {
		s.write("lib.star", "x = 1\n")
		if err := s.reload(source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", source, err, want)
		}
	}
	if err := s.reload("\ufeff" + routable + "channel_routing = [view(\"/\", lambda request: \"marked\")]\n"); err != nil {
		t.Errorf("with a byte order mark: %v", err)
	}
	s.want("/", 200, "marked")
}
