package script_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/workerpool"
)

// slowSite serves a file and a stream that are longer than what waits for a client,
// with one worker.
func slowSite(t *testing.T) *site {
	t.Helper()
	return setup{
		pool:  workerpool.Options{Workers: 1},
		files: map[string]string{"big/file.bin": strings.Repeat("x", slowLength)},
	}.serve(t, fmt.Sprintf(`
def write_all(write):
    for i in range(%d):
        write("x" * 65536)
def stream(request):
    return StreamingHttpResponse(write_all)
def fast(request):
    return "fast"
channel_routing = [static("/big/", "big"), view("/stream", stream), view("/fast", fast)]
`, slowLength/65536))
}

const slowLength = 48 << 20

func TestAClientThatReadsSlowlyHoldsUpNoOthers(t *testing.T) {
	for _, path := range []string{"/big/file.bin", "/stream"} {
		s := slowSite(t)
		var slow []net.Conn
		for range 3 {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path)
			slow = append(slow, conn)
		}
		s.want("/fast", 200, "fast")
		for _, conn := range slow {
			conn.SetReadDeadline(time.Now().Add(time.Minute))
			if n, err := io.Copy(io.Discard, conn); n < slowLength || err != nil {
				t.Errorf("%s: a slow client got %d bytes, %v", path, n, err)
			}
		}
		s.want("/fast", 200, "fast")
	}
}

// TestAWebSocketHandlerWaitsForItsOwnClient checks that a handler loses no message to its
// own client, and that it does not wait for another one.
func TestAWebSocketHandlerWaitsForItsOwnClient(t *testing.T) {
	s := serve(t, `
def connect(message):
    Group("all").add(message.reply_channel)
    message.reply_channel.send({"accept": True})
def receive(message):
    if message["text"] == "own":
        for n in range(1500):
            message.reply_channel.send({"text": "%d " % n + "x" * 20000})
        return
    for name in Group("all").channels():
        if name == message.reply_channel.name:
            continue
        for n in range(1500):
            _, error = attempt(Channel(name).send, {"text": "x" * 20000})
            if error != None:
                message.reply_channel.send({"text": error.kind})
                return
channel_routing = [route("websocket.connect", connect), route("websocket.receive", receive)]
`)
	slow, other := s.dial("/"), s.dial("/")
	slow.conn.SetReadLimit(-1)
	slow.send("own")
	other.send("other")
	other.want("ChannelFull")
	next := 0
	for next < 1500 {
		text := slow.read()
		if n, _, ok := strings.Cut(text, " "); ok {
			if n != fmt.Sprint(next) {
				t.Fatalf("got message %s, want %d", n, next)
			}
			next++
		}
	}
}

// A trickle is a client that sends a bit more than 1 KiB every second.
type trickle struct{ left int }

func (c *trickle) Read(p []byte) (int, error) {
	time.Sleep(time.Second) // fake time of a bubble
	n := copy(p[:min(len(p), 1100)], strings.Repeat("x", c.left))
	if c.left -= n; c.left == 0 {
		return n, io.EOF
	}
	return n, nil
}

// TestAClientThatSendsItsBodySlowlyHoldsUpNoOthers checks that a view that waits for the
// body of its request holds no worker.
func TestAClientThatSendsItsBodySlowlyHoldsUpNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clients := newPipes()
		setup{listener: clients, pool: workerpool.Options{Workers: 1}}.serve(t, `
def body(request):
    return str(len(request.body))
def fast(request):
    return "fast"
channel_routing = [view("/body", body), view("/fast", fast)]
`)
		const fast, slow = 600_000, 60_000
		var slowly []*string
		for range 3 {
			head := fmt.Sprintf("POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", fast+slow)
			response, _ := clients.stream(t, io.MultiReader(strings.NewReader(head+strings.Repeat("x", fast)), &trickle{slow}))
			slowly = append(slowly, response)
		}
		time.Sleep(time.Second)
		if other := clients.get(t, "/fast"); *other != "200 OK fast" {
			t.Errorf("another request got %q", *other)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, response := range slowly {
			if *response != "200 OK 660000" {
				t.Errorf("a slow client got %.50q", *response)
			}
		}
	})
}

// TestAViewMayWaitLongerForItsBodyThanItMayRun checks that the handler timeout does not
// count the time in which the body of a request arrives, and counts the time after that.
func TestAViewMayWaitLongerForItsBodyThanItMayRun(t *testing.T) {
	wsgi := func(n string) string {
		return `
def application(environ, start_response):
    body = environ["wsgi.input"]
    n = ` + n + `
    start_response("200 OK", [])
    return [str(n)]
`
	}
	view := func(result string) string {
		return "def body(request):\n    return " + result + "\nchannel_routing = [view(\"/body\", body)]\n"
	}
	for name, test := range map[string]struct{ script, want string }{
		"body":   {view(`str(len(request.body))`), "200 OK 800000"},
		"form":   {view(`str(len(request.POST["x"]))`), "200 OK 799998"},
		"read":   {wsgi(`len(body.read())`), "200 OK 800000"},
		"pieces": {wsgi(`len([i for i in range(200) if len(body.read(4000)) == 4000])`), "200 OK 200"},
		"hangs":  {view(`sleep(70 if len(request.body) == 800000 else 0)`), "500 Internal Server Error"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clients := newPipes()
				setup{listener: clients, pool: workerpool.Options{HandlerTimeout: time.Minute}}.serve(t, test.script)
				const fast, slow = 600_000, 200_000 // the rest takes 182 s
				head := fmt.Sprintf("POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nx=", fast+slow)
				response, _ := clients.stream(t, io.MultiReader(strings.NewReader(head+strings.Repeat("x", fast-2)), &trickle{slow}))
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				if !strings.HasPrefix(*response, test.want) {
					t.Errorf("the client got %.100q, want %q", *response, test.want)
				}
			})
		})
	}
}

// TestViewsWhoseSlowBodiesHaveComeTakeTurns checks that views that have waited for their
// bodies work one after the other if there is one worker.
func TestViewsWhoseSlowBodiesHaveComeTakeTurns(t *testing.T) {
	for name, script := range map[string]string{
		"view": `
def body(request):
    n = len(request.body)
    sleep(10)
    return str(n)
channel_routing = [view("/body", body)]
`,
		"WSGI": `
def application(environ, start_response):
    n = len(environ["wsgi.input"].read())
    sleep(10)
    start_response("200 OK", [])
    return [str(n)]
`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clients := newPipes()
				var ended atomic.Int64
				handled := func(workerpool.Handled) { ended.Add(1) }
				setup{listener: clients, pool: workerpool.Options{Workers: 1, Handled: handled}}.serve(t, script)
				var all []*string
				for range 3 {
					head := "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 602000\r\n\r\n"
					response, _ := clients.stream(t, io.MultiReader(strings.NewReader(head+strings.Repeat("x", 600_000)), &trickle{2000}))
					all = append(all, response)
				}
				time.Sleep(3 * time.Second)
				for want := range int64(4) {
					synctest.Wait()
					if n := ended.Load(); n != want {
						t.Errorf("%d views have ended after %d s, want %d", n, 10*want, want)
					}
					time.Sleep(10 * time.Second)
				}
				for _, response := range all {
					if *response != "200 OK 602000" {
						t.Errorf("a client got %.50q", *response)
					}
				}
			})
		})
	}
}
