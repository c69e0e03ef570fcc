package process_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"asgibox/workerpool/process"
)

// asgiHello is an ASGI 3 application without a framework.
const asgiHello = `
async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/fail":
        raise ValueError("oops")
    if scope["path"] == "/nothing":
        return
    kind = b"text/html" if scope["path"] == "/html" else b"text/plain"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind), (b"content-length", b"18")]})
    await send({"type": "http.response.body", "body": b"<body>hello</body>"})
`

func TestAnASGIApplicationWithoutAFramework(t *testing.T) {
	c := setup{}
	c.pages.Overlay = true
	s := c.serve(t, asgiHello)
	for path, want := range map[string]bool{"/": false, "/html": true} {
		if r := s.get(path); strings.Contains(r.body, "/__asgibox__/page.js") != want || r.status != 200 {
			t.Errorf("%s: %v", path, r)
		}
	}
	s.want("/fail", 500, "ValueError: oops", "app.py:5")
	s.want("/nothing", 500, "without a response")
	if _, resp, err := s.tryDial("/"); err == nil || resp.StatusCode != 500 {
		t.Errorf("a handshake: %v %v", resp, err)
	}
}

func TestAHandshakeIsRefusedWithAResponse(t *testing.T) {
	s := serve(t, `
async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return
    await receive()
    if scope["path"] == "/deny":
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x", b"y")]})
        await send({"type": "websocket.http.response.body", "body": b"no"})
    elif scope["path"] == "/close":
        await send({"type": "websocket.close"})
    else:
        await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][1], "headers": [(b"x", b"y")]})
        await send({"type": "websocket.close", "code": 4000, "reason": "bye"})
`)
	for path, status := range map[string]int{"/deny": 401, "/close": 403} {
		_, resp, err := s.tryDial(path)
		if err == nil || resp.StatusCode != status || (status == 401) != (resp.Header.Get("x") == "y") {
			t.Errorf("%s: %v %v", path, resp, err)
		}
	}
	conn, resp, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(s.url, "http"), &websocket.DialOptions{Subprotocols: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if resp.Header.Get("x") != "y" || conn.Subprotocol() != "b" {
		t.Errorf("headers %v", resp.Header)
	}
	(&socket{t, conn, s}).wantClosed(4000)
}

// asgiCounter replies to each message with the number of the version and the message.
func asgiCounter(version int) string {
	return fmt.Sprintf(`
import asyncio
async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return
    while True:
        event = await receive()
        if event["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        elif event["type"] == "websocket.receive":
            if int(event["text"]) %% 7 == 0:
                await asyncio.sleep(0.002)
            await send({"type": "websocket.send", "text": "%d " + event["text"]})
        else:
            return
`, version)
}

// TestNoMessageIsLostOrReorderedByHandOvers reloads an application while clients send
// messages all the time.
func TestNoMessageIsLostOrReorderedByHandOvers(t *testing.T) {
	c := setup{process: process.Options{Resume: true, Grace: time.Minute}}
	c.pool.Grace = time.Minute
	s := c.serve(t, asgiCounter(1))
	const clients, reloads = 8, 4
	done := make(chan struct{})
	var running sync.WaitGroup
	for range clients {
		c := s.dial("/")
		var sent int
		stopped := make(chan struct{})
		running.Go(func() {
			defer close(stopped)
			for {
				select {
				case <-done:
					return
				default:
				}
				sent++
				if err := c.conn.Write(context.Background(), websocket.MessageText, fmt.Append(nil, sent)); err != nil {
					t.Error(err)
					return
				}
				time.Sleep(200 * time.Microsecond)
			}
		})
		running.Go(func() {
			version := 1
			for want := 1; ; want++ {
				select {
				case <-stopped:
					if want > sent {
						return
					}
				default:
				}
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				_, b, err := c.conn.Read(ctx)
				cancel()
				if err != nil {
					t.Error(err)
					return
				}
				var v, n int
				if _, err := fmt.Sscan(string(b), &v, &n); err != nil || n != want || v < version {
					t.Errorf("received %q, want message %d of version %d or later", b, want, version)
					return
				}
				version = v
			}
		})
	}
	for i := range reloads {
		if err := s.reload(asgiCounter(i + 2)); err != nil {
			t.Error(err)
		}
	}
	close(done)
	running.Wait()
}

func TestTasksOfAnASGIApplicationAreShown(t *testing.T) {
	s := setup{process: process.Options{Processes: 1}}.serve(t, asgiCounter(1))
	s.dial("/")
	s.until("a process shows its task", func() bool {
		all := s.loader.Processes()
		return len(all) == 1 && all[0].Jobs == 1 && all[0].Kind == "asgi3"
	})
}
