package script_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

func asCloseError(err error, target *websocket.CloseError) bool { return errors.As(err, target) }

const fourLines = `while True:
    _, request = layer.receive_many("http.request", block=True)
    response = {"content": "Hello World!", "status": 200}
    layer.send(request['reply_channel'], response)
`

func TestTheLoopOfFourLines(t *testing.T) {
	s := serve(t, fourLines)
	for range 50 {
		s.want("/", 200, "Hello World!")
	}
}

func TestALoopThatFailsSendsAnErrorPageAndContinues(t *testing.T) {
	s := serve(t, `while True:
    _, request = layer.receive("http.request", block=True)
    if request["path"] == "/bad":
        [][1]
    layer.send(request["reply_channel"], {"content": "fine", "status": 200})
`)
	for range 20 {
		r := s.want("/bad", 500, "out of range")
		if !strings.Contains(r.body, "app.star:4") {
			t.Errorf("the page lacks the place: %v", r)
		}
		s.want("/", 200, "fine")
	}
}

func TestRoutesForHandshakeReceiveAndDisconnect(t *testing.T) {
	s := serve(t, `
def connect(message, room):
    message.channel_session["room"] = room
    Group("chat-" + room).add(message.reply_channel)
    message.reply_channel.send({"accept": True})

def receive(message):
    Group("chat-" + message.channel_session["room"]).send({"text": message["text"]})

def disconnect(message):
    room = message.channel_session["room"]
    Group("chat-" + room).discard(message.reply_channel)
    log.info("left", room=room)

channel_routing = [
    route("websocket.connect", connect, path=r"^/chat/(?P<room>\w+)/$"),
    route("websocket.receive", receive, path=r"^/chat/"),
    route("websocket.disconnect", disconnect, path=r"^/chat/"),
]
`)
	a, b := s.dial("/chat/one/"), s.dial("/chat/one/")
	b.send("first")
	b.want("first")
	a.want("first")
	a.conn.Close(websocket.StatusNormalClosure, "")
	s.log.has("room=one")
	_, resp, err := s.tryDial("/elsewhere/")
	if err == nil || resp == nil || resp.StatusCode != 404 {
		t.Errorf("the response to an unrouted handshake is %v", resp)
	}
}
