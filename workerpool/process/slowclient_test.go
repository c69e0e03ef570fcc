package process_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"asgibox/workerpool"
	"asgibox/workerpool/process"
)

// TestAPythonHandlerOfAWebSocketWaitsForItsOwnClient checks that a handler loses no
// message to its own client, and that it waits neither for another one nor if it says so.
func TestAPythonHandlerOfAWebSocketWaitsForItsOwnClient(t *testing.T) {
	s := serve(t, `
from asgibox import Channel, Group, layer, route, state
def connect(message):
    Group("all").add(message.reply_channel)
    message.reply_channel.send({"accept": True})
def full(send):
    try:
        while True:
            send({"text": "x" * 20000})
    except layer.ChannelFull:
        return "ChannelFull"
def receive(message):
    own = message.reply_channel
    other = [Channel(name) for name in Group("all").channels() if name != own]
    if message["text"] == "layer":
        for n in range(1500):
            layer.send(own, {"text": "%d " % n + "x" * 20000})
    elif message["text"] == "channel":
        for n in range(1500):
            own.send({"text": "%d " % n + "x" * 20000})
    elif message["text"] == "other":
        own.send({"text": full(other[0].send)})
    else:
        state.set("error", full(lambda content: own.send(content, wait=0)))
channel_routing = [route("websocket.connect", connect), route("websocket.receive", receive)]
`)
	slow, other := s.dial("/"), s.dial("/")
	slow.conn.SetReadLimit(-1)
	for _, how := range []string{"layer", "channel"} {
		slow.send(how)
		other.send("other")
		other.want("ChannelFull")
		for next := 0; next < 1500; {
			text := slow.read()
			if n, _, ok := strings.Cut(text, " "); ok {
				if n != fmt.Sprint(next) {
					t.Fatalf("%s: got message %s, want %d", how, n, next)
				}
				next++
			}
		}
	}
	slow.send("no wait") // and read nothing
	s.until("the send fails", func() bool { return s.state("error") == "ChannelFull" })
}

// TestAPythonHandlerThatWaitsForASilentClientMakesWay checks that messages that wait get
// the thread of a handler whose client does not read, and that nothing else is lost.
func TestAPythonHandlerThatWaitsForASilentClientMakesWay(t *testing.T) {
	for kind, send := range map[string]string{
		"layer":   `layer.send(message.reply_channel, {"text": "x" * 20000})`,
		"channel": `message.reply_channel.send({"text": "x" * 20000})`,
	} {
		t.Run(kind, func(t *testing.T) {
			s := setup{process: process.Options{Processes: 1, Threads: 1}, pool: workerpool.Options{Workers: 1}}.serve(t, `
import os
from asgibox import layer, route, state, view
def connect(message):
    message.reply_channel.send({"accept": True})
def receive(message):
    state.set("runs", True)
    while True:
        `+send+`
channel_routing = [view("/", lambda request: str(os.getpid())), route("websocket.connect", connect), route("websocket.receive", receive)]
`)
			pid := s.get("/").body
			ws := s.dial("/")
			ws.conn.SetReadLimit(-1)
			ws.send("go")
			s.until("the handler runs", func() bool { return s.state("runs") == true })
			var requests sync.WaitGroup
			for range 2 { // more than there are threads, so that the pool hurries
				requests.Go(func() { s.want("/", 200, pid) })
			}
			requests.Wait()
			ws.wantClosed(1013)
			if text := s.log.String(); strings.Contains(text, "level=ERROR") {
				t.Errorf("a client that does not read is reported as an error:\n%s", text)
			}
		})
	}
}

// TestAPythonHandlerThatWaitsTooLongForItsClientIsEnded checks that the time limit of
// handlers ends the wait, and that the process goes on.
func TestAPythonHandlerThatWaitsTooLongForItsClientIsEnded(t *testing.T) {
	s := setup{process: process.Options{Processes: 1, Threads: 1}, pool: workerpool.Options{Workers: 1, HandlerTimeout: 300 * time.Millisecond}}.serve(t, `
import os
from asgibox import route, view
def connect(message):
    message.reply_channel.send({"accept": True})
def receive(message):
    while True:
        message.reply_channel.send({"text": "x" * 20000})
channel_routing = [view("/", lambda request: str(os.getpid())), route("websocket.connect", connect), route("websocket.receive", receive)]
`)
	pid := s.get("/").body
	ws := s.dial("/")
	ws.conn.SetReadLimit(-1)
	ws.send("go")
	s.log.has("a handler failed")
	ws.wantClosed(1011)
	s.want("/", 200, pid)
}

// TestAPythonHandlerMayWaitLongerForItsBodyThanItMayRun checks that the time limit of
// handlers does not count the time in which the body of a request arrives.
func TestAPythonHandlerMayWaitLongerForItsBodyThanItMayRun(t *testing.T) {
	s := setup{process: process.Options{Processes: 1, Threads: 4}, pool: workerpool.Options{HandlerTimeout: 2 * time.Second}}.serve(t, `
import time
from asgibox import state, view
def hang(request):
    while True:
        time.sleep(0.01)
def body(request):
    state.set("/view", True)
    return str(len(request.body))
def application(environ, start_response):
    state.set("/wsgi", True)
    n = len(environ["wsgi.input"].read())
    start_response("200 OK", [])
    return [str(n).encode()]
channel_routing = [view("/view", body), view("/hang", hang)]
`)
	const length, sent = 700_000, 600_000
	var uploads []net.Conn
	for _, path := range []string{"/view", "/wsgi"} {
		uploads = append(uploads, s.connect(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", path, length, strings.Repeat("x", sent))))
		s.until(path+" runs", func() bool { return s.state(path) == true })
	}
	s.want("/hang", 500) // it has run too long, and the others began before it
	for _, conn := range uploads {
		fmt.Fprint(conn, strings.Repeat("x", length-sent))
		response, err := io.ReadAll(conn)
		if !strings.HasPrefix(string(response), "HTTP/1.1 200") || !strings.HasSuffix(string(response), fmt.Sprint(length)) {
			t.Errorf("got %.200q, %v", response, err)
		}
	}
}
