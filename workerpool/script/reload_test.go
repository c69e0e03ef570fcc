package script_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

const echoes = `
version = %d
def index(message):
    message.reply_channel.send({"status": 200, "content": "v%%d" %% version})
def connect(message):
    message.reply_channel.send({"accept": True})
def receive(message):
    session = message.channel_session
    session["seen"] = session.get("seen", 0) + 1
    message.reply_channel.send({"text": "%%s %%d %%d" %% (message["text"], session["seen"], version)})
channel_routing = {
    "http.request": index,
    "websocket.connect": connect,
    "websocket.receive": receive,
}
`

func TestReloadUnderLoadLosesAndReordersNoMessages(t *testing.T) {
	const sockets, messages, clients, reloads = 10, 500, 8, 100
	s := serve(t, fmt.Sprintf(echoes, 1))
	var failed, requests atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	var load, talk sync.WaitGroup
	for range clients {
		load.Go(func() {
			for ctx.Err() == nil {
				r := s.get("/")
				requests.Add(1)
				if r.status != 200 || !strings.HasPrefix(r.body, "v") {
					failed.Add(1)
					t.Errorf("a request failed: %v", r)
				}
			}
		})
	}
	for range sockets {
		conn := s.dial("/")
		talk.Go(func() { converse(t, conn.conn, messages) })
	}
	for n := 2; n <= reloads+1; n++ {
		if err := s.reload(fmt.Sprintf(echoes, n)); err != nil {
			t.Fatal(err)
		}
	}
	talk.Wait()
	cancel()
	load.Wait()
	t.Logf("%d requests, %d socket messages, %d reloads; failed %d", requests.Load(), sockets*messages, reloads, failed.Load())
	s.want("/", 200, "v"+strconv.Itoa(reloads+1))
}

// converse sends messages without waiting and checks that each gets one reply,
// in order.
func converse(t *testing.T, conn *websocket.Conn, messages int) {
	ctx := context.Background()
	var window = make(chan struct{}, 20)
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := range messages {
			window <- struct{}{}
			if err := conn.Write(ctx, websocket.MessageText, []byte(strconv.Itoa(i))); err != nil {
				t.Errorf("message %d: %v", i, err)
				return
			}
		}
	})
	defer sending.Wait()
	for i := range messages {
		_, data, err := conn.Read(ctx)
		if err != nil {
			t.Errorf("reply %d: %v", i, err)
			return
		}
		var n, seen, version int
		fmt.Sscanf(string(data), "%d %d %d", &n, &seen, &version)
		if n != i || seen != i+1 {
			t.Errorf("reply %d is %q", i, data)
			return
		}
		<-window
	}
}

func TestReloadOfLoopsUnderLoadFailsNoRequest(t *testing.T) {
	source := strings.ReplaceAll(fourLines, "Hello World!", "v%d")
	s := serve(t, fmt.Sprintf(source, 0))
	ctx, cancel := context.WithCancel(context.Background())
	var load sync.WaitGroup
	var requests atomic.Int64
	for range 8 {
		load.Go(func() {
			for ctx.Err() == nil {
				if r := s.get("/"); r.status != http.StatusOK {
					t.Errorf("a request failed: %v", r)
				}
				requests.Add(1)
			}
		})
	}
	for n := 1; n <= 100; n++ {
		if n%10 == 0 { // a routed application in between
			if err := s.reload(fmt.Sprintf(echoes, n)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.reload(fmt.Sprintf(source, n)); err != nil {
			t.Fatal(err)
		}
		s.want("/", 200, "v")
	}
	cancel()
	load.Wait()
	t.Logf("%d requests", requests.Load())
	s.want("/", 200, "v100")
}

func TestTheFirstResponseAfterAReloadIsByNewCode(t *testing.T) {
	s := serve(t, "channel_routing = [view('/', lambda request: '0')]")
	var longest time.Duration
	for n := range 20 {
		start := time.Now()
		text := strings.Repeat("x", n+1)
		if err := s.reload("channel_routing = [view('/', lambda request: '" + text + "')]"); err != nil {
			t.Fatal(err)
		}
		if r := s.get("/"); r.body != text {
			t.Errorf("after reload %d the response is %v", n, r)
		}
		longest = max(longest, time.Since(start))
	}
	t.Logf("at most %v, settling time not included", longest)
}
