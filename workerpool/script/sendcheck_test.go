package script_test

import (
	"strings"
	"testing"

	"asgibox/workerpool/script"
)

// messageProblems are sent messages, the channel of the message that they reply
// to, and the expected text.
var messageProblems = []struct{ channel, send, want string }{
	{"http.request", `{"status": 200, "contnt": "x"}`, `did you mean "content"?`},
	{"http.request", `{"content": "x"}`, "must have a status"},
	{"http.request", `{"status": "200"}`, `"status" must be an int, not text`},
	{"http.request", `{"status": 99}`, "between 200 and 999, not 99"},
	{"http.request", `{"status": 200, "content": 5}`, `"content" must be text or bytes, not an integer`},
	{"http.request", `{"status": 200, "headers": {"a": "b"}}`, "a list of [name, value] pairs"},
	{"http.request", `{"status": 200, "headers": [["a"]]}`, "a list of [name, value] pairs"},
	{"http.request", `{"status": 200, "more_content": 1}`, "must be a bool"},
	{"websocket.connect", `{"txt": "x"}`, `did you mean "text"?`},
	{"websocket.connect", `{"text": ""}`, "does not accept a handshake"},
	{"websocket.connect", `{"accept": 1}`, `"accept" must be a bool`},
	{"websocket.connect", `{"text": "a", "bytes": b"b"}`, "both text and bytes"},
	{"websocket.connect", `{"text": b"x"}`, `"text" must be text, not a byte string`},
	{"websocket.connect", `{"text": {"a": 1}}`, "or as JSON"},
	{"websocket.connect", `{"close": 999}`, "999 is not a close code"},
	{"websocket.connect", `{"close": "x"}`, "a bool or a code"},
}

func TestMessageProblemsAreReportedAtTheSendingLine(t *testing.T) {
	for _, c := range messageProblems {
		source := "def handler(message):\n    message.reply_channel.send(" + c.send + ")\n" +
			"channel_routing = {\"" + c.channel + "\": handler}\n"
		s := setup{script: script.Options{Strict: true}}.serve(t, source)
		if c.channel == "http.request" {
			r := s.get("/")
			if r.status != 500 || !strings.Contains(r.body, c.want) || !strings.Contains(r.body, "app.star:2") {
				t.Errorf("%s: %v", c.send, r)
			}
			continue
		}
		conn, _, err := s.tryDial("/")
		if err == nil {
			conn.CloseNow()
			t.Errorf("%s: accepted", c.send)
		}
		s.log.has("level=ERROR")
		if text := strings.ReplaceAll(s.log.String(), `\"`, `"`); !strings.Contains(text, c.want) {
			t.Errorf("%s: the log is %s", c.send, text)
		}
	}
}

func TestMessageProblemsAreWarningsUnlessStrict(t *testing.T) {
	s := serve(t, `
def index(message):
    message.reply({"status": 200, "content": "x", "extra": 1})
channel_routing = {"http.request": index}
`)
	s.want("/", 200, "x")
	s.log.has("level=WARN")
	s.log.has("app.star:3")
	if strings.Count(s.log.String(), "message has an unknown key") != 1 {
		t.Errorf("%s", s.log)
	}
	s.want("/", 200, "x")
	if strings.Count(s.log.String(), "message has an unknown key") != 1 {
		t.Errorf("logged twice: %s", s.log)
	}
}

func TestAReplyToAClosedConnectionLogsAWarning(t *testing.T) {
	s := serve(t, `
def connect(message):
    message.reply({"accept": True})
def disconnect(message):
    message.reply({"text": "too late"})
    state.set("who", message["reply_channel"])
def index(message):
    Channel(state.get("who")).send({"text": "even later"})
    message.reply({"status": 200, "content": "x"})
    message.reply({"content": "y"})
channel_routing = {"websocket.connect": connect, "websocket.disconnect": disconnect, "http.request": index}
`)
	s.dial("/").conn.CloseNow()
	s.log.has("app.star:5")
	s.log.has("this connection has ended")
	for !strings.Contains(s.log.String(), "app.star:8") {
		s.want("/", 200, "x")
	}
	s.log.has("already complete")
}

func TestAnEmptyMessageLogsAWarning(t *testing.T) {
	s := serve(t, `
def receive(message):
    message.reply({"text": message["bytes"]})
    message.reply({"text": "sent"})
channel_routing = {"websocket.receive": receive}
`)
	ws := s.dial("/")
	ws.send("a")
	ws.want("sent")
	s.log.has("the message contains nothing to send")
	s.log.has("at=app.star:3")
}

func TestCorrectMessagesLogNoWarning(t *testing.T) {
	s := setup{script: script.Options{Strict: true}}.serve(t, `
def index(message):
    message.reply({"status": 200, "headers": [("x-a", "b"), [b"x-c", b"d"]], "content": "a", "more_content": True})
    message.reply({"content": b"b"})
def connect(message):
    message.reply({"accept": True, "text": "hi", "bytes": None})
    message.reply({"bytes": b"", "close": 0})
    message.reply({"text": "bye", "close": 4000, "reason": "done"})
channel_routing = {"http.request": index, "websocket.connect": connect}
`)
	s.want("/", 200, "ab")
	ws := s.dial("/")
	ws.want("hi")
	ws.wantClosed(4000)
	s.log.lacks("level=WARN")
	s.log.lacks("level=ERROR")
}

func TestViewsWorkInStrictMode(t *testing.T) {
	s := setup{script: script.Options{Strict: true}}.serve(t, `
def index(request):
    r = JsonResponse({"a": 1})
    r.set_cookie("x", "y")
    return r
channel_routing = [view("/", index)]
`)
	s.want("/", 200, `{"a":1}`)
}

func TestAReplyAfterACloseLogsAWarning(t *testing.T) {
	s := serve(t, `
def receive(message):
    message.reply({"close": True})
    message.reply({"text": "too late"})
channel_routing = {"websocket.receive": receive}
`)
	ws := s.dial("/")
	ws.send("x")
	ws.wantClosed(1000)
	s.log.has("app.star:4")
}
