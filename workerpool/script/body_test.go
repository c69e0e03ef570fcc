package script_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/httpfront"
	"asgibox/store"
	"asgibox/workerpool"
)

// post returns a request with a body.
func post(path string, size int) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", path, size, strings.Repeat("x", size))
}

// TestABodyIsWholeOrAnError checks that a handler that reads a long body late gets
// all of it or an error, and that its worker is free again.
func TestABodyIsWholeOrAnError(t *testing.T) {
	const source = `
def upload(request):
    sleep(20)
    return HttpResponse(str(len(request.body)))

def again(request):
    sleep(20)
    attempt(lambda: request.body)
    return HttpResponse(str(len(request.body)))

def stream(request):
    request.reply_channel.send({"status": 202})
    sleep(20)
    print("read %d" % len(request.body))

def flush(request):
    sleep(1)
    layer.flush()
    return HttpResponse(str(len(request.body)))

channel_routing = [
    view("/upload", upload),
    view("/again", again),
    view("/stream", stream),
    view("/flush", flush),
    view("/", lambda request: HttpResponse("hello")),
]
`
	const whole, cut = "200 OK 4000000", "the rest of the request body will not come"
	for name, c := range map[string]struct {
		path    string
		size    int
		timeout time.Duration // of the request
		leaves  bool          // the client leaves after the server has read some
		want    string        // response
		log     string
	}{
		"the pieces outlive the expiry":               {path: "/upload", size: 4_000_000, want: whole},
		"the client leaves while the channel is full": {path: "/upload", size: 4_000_000, leaves: true, log: cut},
		"a failed read fails again":                   {path: "/again", size: 4_000_000, leaves: true, log: cut},
		"the request is over before all has come":     {path: "/upload", size: 4_000_000, timeout: 8 * time.Second, want: "503", log: cut},
		"the request is long over":                    {path: "/upload", size: 1_000_000, timeout: 8 * time.Second, want: "503", log: cut},
		"the response comes first":                    {path: "/stream", size: 1_000_000, want: "202", log: cut},
		"a flush":                                     {path: "/flush", size: 4_000_000, want: "500", log: "a part of the request body was lost"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clients := newPipes()
				s := setup{
					listener: clients,
					store:    store.Options{Expiry: 2 * time.Second},
					pool:     workerpool.Options{Workers: 1, HandlerTimeout: time.Hour},
					front:    httpfront.Options{HTTPTimeout: c.timeout},
				}.serve(t, source)
				response, leave := clients.send(t, post(c.path, c.size))
				if c.leaves {
					leave()
				}
				time.Sleep(30 * time.Second)
				synctest.Wait()
				if !strings.HasPrefix(*response, c.want) {
					t.Errorf("got %q, want %q", *response, c.want)
				}
				if c.log != "" {
					s.log.has(c.log)
				}
				if other := clients.get(t, "/"); *other != "200 OK hello" {
					t.Errorf("another request got %q", *other)
				}
			})
		})
	}
}
