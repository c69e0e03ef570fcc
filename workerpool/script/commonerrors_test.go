package script_test

import (
	"strings"
	"testing"
	"time"

	"asgibox/workerpool"

	"github.com/coder/websocket"
)

// Errors that new users often make. Both browser and log must say what to do.
func TestCommonErrorsAreExplainedInBrowserAndLog(t *testing.T) {
	const page = "def index(request):\n    return \"hi\"\n\n"
	for _, c := range []struct{ mistake, source, browser, log string }{
		{"a typo in a name", "def index(request):\n    return nmae(request)\ndef name(request): pass\nchannel_routing = [view(\"/\", index)]\n",
			"nmae is not defined|did you mean name?|app.star:2:12", "did you mean name?"},
		{"import json", "import json\n" + page + "channel_routing = [view(\"/\", index)]\n",
			"Starlark has no import|leave the line out; json is built in|app.star:1:1", "json is built in"},
		{"a class", page + "class Room:\n    pass\nchannel_routing = [view(\"/\", index)]\n",
			"Starlark has no classes|store related values in a dict|app.star:4:1", "no classes"},
		{"a wrong pattern", page + "channel_routing = [view(\"/<itn:id>\", index)]\n",
			"but there is no kind|did you mean &lt;int:id&gt;?|app.star:4:24", "did you mean <int:id>?"},
		{"a parameter that is not captured", "def index(request, id):\n    return id\nchannel_routing = [view(\"/<int:nr>\", index)]\n",
			"has no parameter &#34;nr&#34;|app.star:3:24", `has no parameter \"nr\"`},
		{"no status", "def index(message):\n    message.reply({\"content\": \"hi\"})\nchannel_routing = [route(\"http.request\", index)]\n",
			"the first message of a response must have", "at=app.star:2"},
		{"an endless loop", "def index(request):\n    while True:\n        pass\nchannel_routing = [view(\"/\", index)]\n",
			"the handler ran longer than 200ms (--handler-timeout)|check for a loop that never ends|app.star:2:5|in index", "--handler-timeout"},
		{"a full channel", "def index(request):\n    for n in range(2000):\n        Channel(\"jobs\").send({\"n\": n})\nchannel_routing = [view(\"/\", index)]\n",
			"channel &#34;jobs&#34; is full|check that a consumer reads it|app.star:3:29", "is full"},
		{"an answer that is none", "def index(request):\n    return 5\nchannel_routing = [view(\"/\", index)]\n",
			"the view returned an int, which is not a response|return text, bytes|app.star:1", "app.star:1"},
		{"an answer the wrong way round", "def index(request):\n    return (\"hi\", 200)\nchannel_routing = [view(\"/\", index)]\n",
			"the status must come first|write the status first: (status, body)|app.star:1", "app.star:1"},
		{"a function in JSON", "def index(request):\n    return {\"f\": index}\nchannel_routing = [view(\"/\", index)]\n",
			"json.encode: in dict key &#34;f&#34;: cannot encode function as JSON|app.star:1", "app.star:1"},
		{"a redirect to nowhere", "def index(request):\n    return redirect(\"\")\nchannel_routing = [view(\"/\", index)]\n",
			"the URL is empty|redirect(&#34;/&#34;)|app.star:2", "app.star:2"},
		{"a list at the top", "seen = []\ndef index(request):\n    seen.append(1)\nchannel_routing = [view(\"/\", index)]\n",
			"cannot append to frozen list|store values that change in state|app.star:3:16", "store values that change in state"},
		{"a file that is not there", "load(\"ap.star\", \"x\")\n" + page + "channel_routing = [view(\"/\", index)]\n",
			"ap.star: there is no such file|did you mean &#34;app.star&#34;?|app.star:1:1", "no such file"},
		{"a module's other name", "def index(request):\n    return json.loads(\"{}\")\nchannel_routing = [view(\"/\", index)]\n",
			"has no .loads|write json.decode(text)|app.star:2:16", "json.decode"},
	} {
		t.Run(c.mistake, func(t *testing.T) {
			s := setup{pool: workerpool.Options{HandlerTimeout: 200 * time.Millisecond}}.serve(t, c.source)
			r := s.get("/", "accept", "text/html")
			if r.status != 500 {
				t.Errorf("answered %v", r)
			}
			for want := range strings.SplitSeq(c.browser, "|") {
				if !strings.Contains(r.body, want) {
					t.Errorf("the page does not say %q:\n%s", want, r.body)
				}
			}
			s.log.has(c.log)
		})
	}
}

func TestWebSocketErrorsAreReportedImmediately(t *testing.T) {
	s := serve(t, `
def forgets(message):
    message.channel_session["a"] = 1
def accepts(message):
    message.reply({"accept": True})
def receive(message):
    if message["text"] == "bytes":
        message.reply({"text": b"data"})
        message.reply({"text": "after"})
    else:
        fail("on purpose")
channel_routing = [
    route("websocket.connect", forgets, path="^/forgets"),
    route("websocket.connect", accepts),
    route("websocket.receive", receive),
]
`)
	if _, resp, err := s.tryDial("/forgets"); err == nil || resp.StatusCode != 500 {
		t.Errorf("a handshake that is forgotten: %v", resp)
	}
	s.log.has("add message.reply_channel.send")

	ws := s.dial("/")
	ws.send("bytes")
	ws.want("after")
	s.log.has(`must be text, not a byte string`)
	s.log.has("at=app.star:8")

	ws.send("fail")
	if reason := ws.wantClosed(websocket.StatusInternalError); reason == "" {
		t.Error("the socket closes without a reason")
	}
	s.log.has("app.star:11:13: fail: on purpose")
}
