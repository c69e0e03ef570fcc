//go:build unix

package script_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/store"
	"asgibox/workerpool"
	"asgibox/workerpool/script"
)

// BenchmarkRequest sends requests to an application through the layer, without
// sockets, and waits for the responses. 64 requests run at a time. The first
// case is the baseline: a minimal worker in Go. The last one is a frame of a
// WebSocket.
func BenchmarkRequest(b *testing.B) {
	b.Run("go", func(b *testing.B) { benchGo(b) })
	for _, c := range []struct{ name, source string }{
		{"loop", fourLines},
		{"consumer", `
def index(message):
    message.reply_channel.send({"content": "Hello World!", "status": 200})
channel_routing = {"http.request": index}
`},
		{"view", `
def index(request):
    return "Hello World!"
channel_routing = [view("/1", index)]
`},
		{"view with a capture, tenth in the list", `
def index(request, id):
    return "Hello World!"
def other(request): return ""
channel_routing = [view("/other/%d" % n, other) for n in range(9)] + [view("/<int:id>", index)]
`},
		{"echo", `
def receive(message):
    message.reply_channel.send({"text": message["text"]})
channel_routing = {"websocket.receive": receive}
`},
	} {
		b.Run(c.name, func(b *testing.B) {
			dir := b.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "app.star"), []byte(c.source), 0o644); err != nil {
				b.Fatal(err)
			}
			layer := store.Memory(store.Options{})
			defer layer.Close(context.Background())
			l := script.NewLoader(filepath.Join(dir, "app.star"), script.Options{Layer: layer, Log: slog.New(slog.DiscardHandler)})
			pool, err := workerpool.New(layer, l, workerpool.Options{})
			if err != nil {
				b.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			var running sync.WaitGroup
			running.Go(func() { pool.Run(ctx) })
			defer running.Wait()
			defer stop()
			if c.name == "echo" {
				benchMessages(b, layer, asgi.WebSocketReceive, frameFrom)
				return
			}
			benchMessages(b, layer, asgi.HTTPRequest, requestTo)
		})
	}
}

// benchGo measures a worker that only receives requests and sends responses.
func benchGo(b *testing.B) {
	layer := store.Memory(store.Options{})
	defer layer.Close(context.Background())
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	response := asgi.MustMessage(asgi.Field{Key: "content", Value: "Hello World!"}, asgi.Field{Key: "status", Value: 200})
	for range 16 {
		running.Go(func() {
			for {
				c := asgi.NewCause(0)
				d, err := layer.Receive(ctx, c, "http.request")
				if err != nil {
					return
				}
				layer.Send(ctx, c, d.Message.Text("reply_channel"), response)
			}
		})
	}
	defer running.Wait()
	defer stop()
	benchMessages(b, layer, asgi.HTTPRequest, requestTo)
}

// requestTo returns a request like those of browsers.
func requestTo(reply string) asgi.Message {
	headers := []any{}
	for _, h := range [][2]string{
		{"host", "localhost:8000"}, {"user-agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"},
		{"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, {"accept-language", "en"},
		{"accept-encoding", "gzip, deflate, br, zstd"}, {"connection", "keep-alive"}, {"sec-fetch-mode", "navigate"},
	} {
		headers = append(headers, []any{asgi.Bytes(h[0]), asgi.Bytes(h[1])})
	}
	return asgi.MustMessage(
		asgi.Field{Key: "reply_channel", Value: reply}, asgi.Field{Key: "http_version", Value: "1.1"},
		asgi.Field{Key: "method", Value: "GET"}, asgi.Field{Key: "scheme", Value: "http"}, asgi.Field{Key: "path", Value: "/1"},
		asgi.Field{Key: "query_string", Value: asgi.Bytes("")}, asgi.Field{Key: "root_path", Value: ""},
		asgi.Field{Key: "headers", Value: headers}, asgi.Field{Key: "body", Value: asgi.Bytes("")},
		asgi.Field{Key: "body_channel", Value: nil}, asgi.Field{Key: "client", Value: []any{"127.0.0.1", 50000}},
		asgi.Field{Key: "server", Value: []any{"127.0.0.1", 8000}},
	)
}

// frameFrom returns a frame of a WebSocket with 64 characters.
func frameFrom(reply string) asgi.Message {
	return asgi.MustMessage(
		asgi.Field{Key: "reply_channel", Value: reply}, asgi.Field{Key: "path", Value: "/chat"},
		asgi.Field{Key: "bytes", Value: nil}, asgi.Field{Key: "text", Value: strings.Repeat("x", 64)},
		asgi.Field{Key: "order", Value: 1},
	)
}

// benchMessages sends 64 messages at a time, waits for the replies, and reports
// the CPU time of one.
func benchMessages(b *testing.B, layer *store.Store, channel string, message func(reply string) asgi.Message) {
	const clients = 64
	replies := make([]chan struct{}, clients)
	requests := make([]asgi.Message, clients)
	for i := range replies {
		replies[i] = make(chan struct{}, 1)
		requests[i] = message("bench!" + strconv.Itoa(i))
	}
	unbind, err := layer.Bind("bench!", func(d asgi.Delivery) error {
		i, err := strconv.Atoi(d.Channel[len("bench!"):])
		if err == nil && d.Message.Int("status") < 300 {
			replies[i] <- struct{}{}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	defer unbind()
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	var all sync.WaitGroup
	for i := range clients {
		n := b.N / clients
		if i < b.N%clients {
			n++
		}
		all.Go(func() {
			for range n {
				if err := layer.Send(context.Background(), asgi.NewCause(asgi.NewTrace()), channel, requests[i], asgi.Volatile); err != nil {
					b.Error(err)
					return
				}
				<-replies[i]
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

func cpu() time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		return 0
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
