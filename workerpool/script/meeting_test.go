package script_test

import (
	"strings"
	"testing"

	"asgibox/asgi"
	"asgibox/workerpool/script"
)

const socketHandlers = `def connect(message): message.reply({"accept": True})
def receive(message): message.reply({"text": "taken"})
`

func TestRoutesThatNoConnectionReachesAreReported(t *testing.T) {
	for routes, meet := range map[string]bool{
		`route("websocket.connect", connect, path=r"^/live$"), route("websocket.receive", receive, path=r"^/lvie$")`:                      false,
		`route("websocket.connect", connect, path=r"^/a/\d+$"), route("websocket.receive", receive, path=r"^/a/[a-z]+$")`:                 false,
		`route("websocket.connect", connect, path=r"^/a$"), route("websocket.receive", receive, path=r"^/a/")`:                            false,
		`include([route("websocket.connect", connect, path=r"^/b$")], path="^/a"), route("websocket.receive", receive, path="/b")`:        false,
		`route("websocket.connect", connect, path=r"^/a"), route("websocket.disconnect", receive, path=r"^/b")`:                           false,
		`route("websocket.connect", connect, path=r"^/a/\w+/$"), route("websocket.receive", receive, path=r"^/a/(?P<x>[^/]+)", text="x")`: true,
		`include([route("websocket.connect", connect, path=r"^/b$")], path="^/a"), route("websocket.receive", receive, path="/a/b")`:      true,
		`route("websocket.connect", connect, path=r"^/live$"), route("websocket.receive", receive)`:                                       true,
		`route("websocket.connect", connect), route("websocket.receive", receive, path="^/x$")`:                                           true,
		`route("websocket.connect", connect, path="(?i)^/LIVE$"), route("websocket.receive", receive, path="^/live$")`:                    true,
		`route("websocket.receive", receive, path="^/x$")`:                                                                                true,
	} {
		source := strings.ReplaceAll(socketHandlers, "receive(message)", "receive(message, x=1)") + "channel_routing = [" + routes + "]\n"
		s := serve(t, source)
		if log := s.log.String(); strings.Contains(log, "gets no messages") == meet || !meet && !strings.Contains(log, "at=app.star:3") {
			t.Errorf("%s: the log is\n%s", routes, log)
		}
		err := setup{script: script.Options{Strict: true}}.serve(t, socketHandlers+"channel_routing = []\n").reload(source)
		if (err == nil) != meet {
			t.Errorf("%s: in strict mode: %v", routes, err)
		}
	}
}

func TestAFrameWithoutRouteLogsAWarningOnce(t *testing.T) {
	s := serve(t, socketHandlers+`channel_routing = [
    route("websocket.connect", connect),
    route("websocket.receive", receive, path=r"^/lvie$"),
    route("jobs", receive, kind="mail"),
]
`)
	ws := s.dial("/live")
	for range 2 {
		ws.send("x")
	}
	other := s.dial("/lvie")
	other.send("x")
	other.want("taken")
	const want = `no route for websocket.receive /live; tried route(\"websocket.receive\", path=r\"^/lvie$\") (route(\"websocket.receive\", path=r\"^/lvie$\") nearly matches)`
	s.log.has(want)
	s.log.has("at=app.star:5")
	ws.conn.CloseNow()
	s.dial("/live").send("x")
	if err := s.layer.Send(t.Context(), nil, "jobs", asgi.MustMessage(asgi.Field{Key: "kind", Value: "male"})); err != nil {
		t.Fatal(err)
	}
	s.log.has("no route for jobs; tried")
	if log := s.log.String(); strings.Count(log, want) != 1 || strings.Count(log, "level=WARN") != 2 {
		t.Errorf("%s", log)
	}
}
