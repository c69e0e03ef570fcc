package script_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"asgibox/workerpool"
)

// endless are handlers that go on for ever after the client has received "x".
var endless = map[string]string{
	"write and sleep": `
def run(write):
    while True:
        write("x\n")
        sleep(0.1)
`,
	"write inside attempt": `
def run(write):
    while True:
        attempt(write, "x\n")
`,
	"attempt around everything": `
def forever(write):
    while True:
        write("x\n")
        sleep(0.1)

def run(write):
    while True:
        attempt(forever, write)
`,
	"sleep": `
def run(write):
    write("x\n")
    sleep(3600)
`,
	"receive": `
def run(write):
    write("x\n")
    layer.receive("jobs", block=True)
`,
	"http": `
def run(write):
    write("x\n")
    http.get("SILENT", timeout=3600)
`,
	"a message loop": `
def run(write):
    pass

def consumer(message):
    message.reply_channel.send({"status": 200, "content": "x\n", "more_content": True})
    while True:
        message.reply_channel.send({"content": "x\n", "more_content": True})
        sleep(0.1)
`,
}

const endlessRoutes = `
def ping(request):
    return HttpResponse("pong")

def socket(message):
    while True:
        message.reply_channel.send({"text": "x"})
        sleep(0.1)

channel_routing = [
    view("/ping", ping),
    view("/stream", lambda request: StreamingHttpResponse(run)),
    route("http.request", consumer, path="^/stream$"),
    route("websocket.connect", lambda message: message.reply_channel.send({"accept": True})),
    route("websocket.receive", socket),
]
`

// TestAnEndlessHandlerEndsWhenItsClientLeaves uses as many clients as there are
// workers, so that the server responds again only if all handlers have ended.
func TestAnEndlessHandlerEndsWhenItsClientLeaves(t *testing.T) {
	silent := silentServer(t)
	for name, source := range endless {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			routes := endlessRoutes
			if strings.Contains(source, "def consumer") {
				routes = strings.Replace(routes, `    view("/stream", lambda request: StreamingHttpResponse(run)),`+"\n", "", 1)
			} else {
				routes = strings.Replace(routes, `    route("http.request", consumer, path="^/stream$"),`+"\n", "", 1)
			}
			s := setup{pool: workerpool.Options{Workers: 2, HandlerTimeout: -1}}.serve(t, strings.ReplaceAll(source, "SILENT", silent)+routes)
			for range 2 {
				resp, err := http.Get(s.url + "/stream")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(resp.Body, make([]byte, 2)); err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
			}
			s.want("/ping", 200, "pong")
			s.wantNoFailure()
		})
	}
}

func TestAnEndlessSocketHandlerEndsWhenItsClientLeaves(t *testing.T) {
	s := setup{pool: workerpool.Options{Workers: 2, HandlerTimeout: -1}}.serve(t, strings.Replace(endlessRoutes, `    view("/stream", lambda request: StreamingHttpResponse(run)),
    route("http.request", consumer, path="^/stream$"),
`, "", 1))
	for range 2 {
		c := s.dial("/")
		c.send("start")
		c.want("x")
		c.conn.CloseNow()
	}
	s.want("/ping", 200, "pong")
	s.wantNoFailure()
}

// TestAnEndlessHandlerEndsWhenItsResponseHasNoBody uses clients that stay. The
// connection of each continues to work.
func TestAnEndlessHandlerEndsWhenItsResponseHasNoBody(t *testing.T) {
	s := setup{pool: workerpool.Options{Workers: 2, HandlerTimeout: -1}}.serve(t, `
def consumer(message):
    message.reply_channel.send({"status": int(message["path"][1:]), "more_content": True})
    while True:
        message.reply_channel.send({"content": "x", "more_content": True})
        sleep(0.01)

channel_routing = [
    view("/ping", lambda request: HttpResponse("pong")),
    route("http.request", consumer),
]
`)
	for _, path := range []string{"/200", "/204", "/205", "/304"} {
		method := "GET"
		if path == "/200" {
			method = "HEAD"
		}
		r, err := http.NewRequest(method, s.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	s.want("/ping", 200, "pong")
	s.wantNoFailure()
}

func (s *site) wantNoFailure() {
	s.t.Helper()
	s.log.has("a handler was ended because its client has left")
	s.log.lacks("level=ERROR")
	s.log.lacks("level=WARN")
}

// silentServer returns the URL of a server that never responds.
func silentServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return "http://" + l.Addr().String()
}
