package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const floodApp = `
def page(message):
    message.reply_channel.send({"status": 200, "content": str(len(message["body"]))})

def connect(message):
    message.reply_channel.send({"accept": True})

def receive(message):
    sleep(0.05)

def remember(request):
    request.session["long"] = "x" * 30000
    return "remembered"

def grow(message):
    kept = []
    for _ in range(40): # memory is checked between the steps
        kept.append("a" * 15000000)
    message.reply_channel.send({"status": 200})

channel_routing = [
    route("http.request", grow, path="^/grow$"),
    view("/session", remember),
    route("http.request", page),
    route("websocket.connect", connect),
    route("websocket.receive", receive),
]
`

const mib = 1 << 20

// maxResident is the memory in bytes that the server may use.
const maxResident = 600 * mib

const floodSocket = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// TestFloodsStayWithinMemory floods one server in several ways, one after
// another. The server must stay within maxResident, and serve a request within
// patience, which a client without a limit would make impossible.
func TestFloodsStayWithinMemory(t *testing.T) {
	p := startPlain(t, floodApp, "--store", "memory")
	for _, f := range []flood{
		{name: "bodies", clients: 4000, head: "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 510000\r\n\r\n",
			data: make([]byte, 500_000), times: 1, refusal: "HTTP/1.1 408 "},
		{name: "frames", clients: 1500, head: floodSocket, upgrade: true,
			data: maskedFrame(mib)[:mib-1000], times: 1, refusal: "\x88\x14\x03\xf5"},
		{name: "sessions", clients: 10,
			data: []byte("GET /session HTTP/1.1\r\nHost: h\r\n\r\n"), times: 3000,
			tail: "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", refusal: "HTTP/1.1 503 "},
		{name: "lanes", clients: 2000, head: floodSocket, upgrade: true,
			data: maskedFrame(40 << 10), times: 100, refusal: "\x88\x14\x03\xf5"},
	} {
		t.Run(f.name, func(t *testing.T) {
			t.Logf("the slowest request took %v", f.run(t, p))
			p.checkMemory(t)
		})
	}
}

// A flood is a number of clients that send as much as they can.
type flood struct {
	name    string
	clients int
	head    string // the first bytes of each client
	upgrade bool   // each client waits for the head of a response
	data    []byte // each client sends it some times
	times   int
	tail    string // the last bytes, after which the server closes the connection
	refusal string // the first bytes that the server sends to a client that it refuses
}

// run runs the flood until the server refuses a client or has read everything.
// It returns the time of the slowest plain request.
func (f *flood) run(t *testing.T, p *process) (slowest time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	var clients sync.WaitGroup
	var sent atomic.Int64
	refused := make(chan struct{}, f.clients)
	for range f.clients {
		clients.Go(func() { f.client(ctx, p, &sent, refused) })
	}
	for done := false; !done; done = done || int(sent.Load()) == f.clients {
		slowest = max(slowest, p.plainRequest(t))
		select {
		case <-refused:
			done = true
		case <-ctx.Done():
			t.Error("the server has neither refused a client nor read everything")
			done = true
		case <-time.After(100 * time.Millisecond):
		}
	}
	slowest = max(slowest, p.plainRequest(t))
	cancel()
	clients.Wait()
	return slowest
}

func (f *flood) client(ctx context.Context, p *process, sent *atomic.Int64, refused chan<- struct{}) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		return // the server need not accept all
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	io.WriteString(conn, f.head)
	r := bufio.NewReaderSize(conn, 512)
	if f.upgrade {
		if _, err := http.ReadResponse(r, nil); err != nil {
			return
		}
	}
	var replies sync.WaitGroup
	defer replies.Wait()
	replies.Go(func() {
		if first, _ := r.Peek(len(f.refusal)); string(first) == f.refusal {
			refused <- struct{}{}
		}
		io.Copy(io.Discard, r)
	})
	for range f.times {
		if _, err := conn.Write(f.data); err != nil {
			return
		}
	}
	if f.tail != "" {
		io.WriteString(conn, f.tail)
		replies.Wait()
	}
	sent.Add(1)
}

// maskedFrame returns a binary frame with n bytes, which a mask of zeros does
// not change.
func maskedFrame(n int) []byte {
	head := []byte{0x82, 0xff, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	return append(head, make([]byte, 4+n)...)
}

// TestParallelUploadsAllSucceed sends more at once than the server has memory
// for.
func TestParallelUploadsAllSucceed(t *testing.T) {
	const uploads, size = 1000, 510_000
	p := startPlain(t, floodApp)
	body := make([]byte, size)
	results := make(chan error, uploads)
	for range uploads {
		go func() {
			r, err := http.Post(p.url, "application/octet-stream", bytes.NewReader(body))
			if err != nil {
				results <- err
				return
			}
			defer r.Body.Close()
			if text, err := io.ReadAll(r.Body); string(text) != strconv.Itoa(size) {
				results <- fmt.Errorf("%s: %s, %v", r.Status, text, err)
				return
			}
			results <- nil
		}()
	}
	failed, last := 0, error(nil)
	for range uploads {
		if err := <-results; err != nil {
			failed, last = failed+1, err
		}
	}
	if failed > 0 {
		t.Errorf("%d of %d uploads failed: %v", failed, uploads, last)
	}
	p.checkMemory(t)
}

// TestMemoryOfAFailedHandlerIsReturned checks that a server that does nothing
// soon uses little memory, though a handler has used much.
func TestMemoryOfAFailedHandlerIsReturned(t *testing.T) {
	p := startPlain(t, floodApp, "--memory", "450MiB")
	p.get("/grow")
	if most := p.memory(t, "VmHWM"); most < 400*mib {
		t.Fatalf("the handler has used only %d MiB", most/mib)
	}
	p.eventually("the memory is returned", func() bool { return p.memory(t, "VmRSS") < 250*mib })
}

// plainRequest returns the time that a plain request takes.
func (p *process) plainRequest(t *testing.T) time.Duration {
	t.Helper()
	started := time.Now()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	if _, err := getBody(&client, p.url); err != nil {
		t.Error(err)
	}
	return time.Since(started)
}

// checkMemory fails the test if the server has used too much memory.
func (p *process) checkMemory(t *testing.T) {
	t.Helper()
	most := p.memory(t, "VmHWM")
	t.Logf("the server has used %d MiB", most/mib)
	if most > maxResident {
		t.Errorf("the server has used %d MiB, want at most %d MiB", most/mib, maxResident/mib)
	}
}

// memory returns a value of the process's status in bytes: VmRSS is the memory
// that it uses, and VmHWM the most that it has used.
func (p *process) memory(t *testing.T, name string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), name+":")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// startPlain runs a server that is built without the race detector, which uses
// several times the memory.
func startPlain(t *testing.T, app string, args ...string) *process {
	t.Helper()
	path := filepath.Join(t.TempDir(), "asgibox")
	if out, err := exec.Command("go", "build", "-o", path, "asgibox").CombinedOutput(); err != nil {
		t.Fatalf("go build asgibox: %v\n%s", err, out)
	}
	return startBinary(t, path, writeApp(t, app), args...)
}
