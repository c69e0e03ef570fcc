package script_test

import (
	"fmt"
	"strings"
	"testing"

	"asgibox/workerpool/script"
)

const handlerLine = "def f(message): message.reply_channel.send({\"accept\": True})\n"

// misspelt maps misspelt channels to the intended ones.
var misspelt = map[string]string{
	"websocket.recieve":   "websocket.receive",
	"websocket.received":  "websocket.receive",
	"web_socket.receive":  "websocket.receive",
	"Websocket.Receive":   "websocket.receive",
	"websockets.connect":  "websocket.connect",
	"websocket.conect":    "websocket.connect",
	"websocket.disconect": "websocket.disconnect",
	"websocket.dsconnect": "websocket.disconnect",
	"websocket.message":   "websocket.receive",
	"websocket.open":      "websocket.connect",
	"http.requst":         "http.request",
	"http.requests":       "http.request",
	"https.request":       "http.request",
	"http_request":        "http.request",
	"htpp.request":        "http.request",
	"http.dissconnect":    "http.disconnect",
	"udp.recieve":         "udp.receive",
}

func TestAMisspeltProtocolChannelLogsAWarningAtLoad(t *testing.T) {
	for channel, intended := range misspelt {
		s := serve(t, fmt.Sprintf("%schannel_routing = [\n    route(%q, f),\n]\n", handlerLine, channel))
		for _, want := range []string{"level=WARN", fmt.Sprintf(`did you mean \"%s\"?`, intended), "at=app.star:3"} {
			if !strings.Contains(s.log.String(), want) {
				t.Errorf("%s: the log lacks %s:\n%s", channel, want, s.log)
			}
		}
		s = serve(t, fmt.Sprintf("%schannel_routing = {\n    \"a\": f,\n    '%s': f,\n}\n", handlerLine, channel))
		s.log.has("at=app.star:4")
	}
}

func TestAMisspeltMethodLogsAWarningAtLoad(t *testing.T) {
	const app = "def f(request): return \"\"\nchannel_routing = [\n    view(\"/\", f, methods=%s),\n]\n"
	for methods, intended := range map[string]string{`["GET", "PSOT"]`: "POST", `"delet"`: "DELETE", `["HAED"]`: "HEAD"} {
		s := serve(t, fmt.Sprintf(app, methods))
		for _, want := range []string{"level=WARN", fmt.Sprintf(`did you mean \"%s\"?`, intended), "at=app.star:3"} {
			if !strings.Contains(s.log.String(), want) {
				t.Errorf("%s: the log lacks %s:\n%s", methods, want, s.log)
			}
		}
		err := setup{script: script.Options{Strict: true}}.serve(t, "").reload(fmt.Sprintf(app, methods))
		if err == nil || !strings.Contains(err.Error(), "app.star:3:") {
			t.Errorf("%s, strict: %v", methods, err)
		}
	}
	for _, methods := range []string{`["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]`, `["PROPFIND", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK"]`, `["PURGE", "BREW"]`, `"QUERY"`} {
		if s := serve(t, fmt.Sprintf(app, methods)); strings.Contains(s.log.String(), "level=WARN") {
			t.Errorf("%s: %s", methods, s.log)
		}
	}
}

func TestAMisspeltProtocolChannelIsAnErrorIfStrict(t *testing.T) {
	for _, routing := range []string{`[route("websocket.recieve", f)]`, `{"websocket.recieve": f}`, `[include([route("websocket.recieve", f)], path="^/a")]`} {
		s := setup{script: script.Options{Strict: true}}.serve(t, "channel_routing = [view(\"/\", lambda request: \"old\")]\n")
		err := s.reload(handlerLine + "channel_routing = " + routing + "\n")
		if err == nil || !strings.Contains(err.Error(), "app.star:2:") || !strings.Contains(err.Error(), `did you mean "websocket.receive"?`) {
			t.Errorf("%s: %v", routing, err)
		}
		s.want("/", 200, "old")
	}
}

func TestOtherChannelsLogNoWarning(t *testing.T) {
	for _, channel := range []string{
		"jobs", "mail.send", "chat.receive", "chat.connect", "tcp.receive", "ftp.request", "sms.receive", "irc.connect", "http.fetch", "http.response",
		"http.retry", "websocket.broadcast", "websocket.history", "request", "receive", "connect", "room.disconnect", "user.request", "work.http.request",
		"http.request", "websocket.receive", "websocket.connect", "websocket.disconnect", "http.disconnect", "udp.receive",
	} {
		s := setup{script: script.Options{Strict: true}}.serve(t, fmt.Sprintf("%schannel_routing = [route(%q, f)]\n", handlerLine, channel))
		if s.log.lacks("level=WARN"); t.Failed() {
			t.Fatal(channel)
		}
	}
}

func TestNoCheckTurnsOffSpellingWarnings(t *testing.T) {
	s := setup{script: script.Options{NoCheck: true}}.serve(t, handlerLine+"channel_routing = [route(\"http.requst\", f)]\n")
	s.log.lacks("level=WARN")
}

func TestAClockWithoutARouteLogsAWarningWithItsLine(t *testing.T) {
	s := serve(t, handlerLine+"channel_routing = [\n    route(\"tick\", f),\n    every(3600, \"tikc\"),\n]\n")
	s.log.has(`no route reads \"tikc\" (did you mean \"tick\"?)`)
	s.log.has("at=app.star:4")
}
