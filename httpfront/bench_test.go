//go:build unix

package httpfront

import (
	"bufio"
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"asgibox/asgi"
	"asgibox/store"
)

// Each benchmark measures plain net/http and this server with the same clients
// in the same process, so that the ratio holds on any machine. cpu-µs/op is the
// CPU time of the whole process, including clients.

var hubSockets = flag.Int("hub-sockets", 200, "members of the group in BenchmarkGroupSend")

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure runs f and reports the CPU time per operation.
func measure(b *testing.B, f func()) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	f()
	b.StopTimer()
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
}

// plain serves a handler with net/http alone.
func plain(b *testing.B, h http.Handler) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &http.Server{Handler: h}
	done := make(chan bool)
	go func() { s.Serve(l); close(done) }()
	b.Cleanup(func() { s.Close(); <-done })
	return l.Addr().String()
}

// layered serves through a layer with a number of Go workers.
func layered(b *testing.B, workers int, o Options) (addr string, front *Server, layer *store.Store) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	layer = store.Memory(store.Options{Capacity: 100_000})
	front, err = New(layer, o)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { front.Serve(ctx, l) })
	hello := asgi.MustMessage(asgi.Field{Key: "content", Value: "Hello World!"}, asgi.Field{Key: "status", Value: 200})
	accept := asgi.MustMessage(asgi.Field{Key: "accept", Value: true})
	for range workers {
		all.Go(func() { fourLines(ctx, layer, hello, accept) })
	}
	b.Cleanup(func() { stop(); all.Wait(); layer.Close(context.Background()) })
	return l.Addr().String(), front, layer
}

// fourLines is the four-line application of the specification, and an echo, in
// Go.
func fourLines(ctx context.Context, layer *store.Store, hello, accept asgi.Message) {
	for {
		cause := asgi.NewCause(0)
		d, err := layer.Receive(ctx, cause, "http.request", "websocket.connect", "websocket.receive")
		if err != nil {
			return
		}
		reply := hello
		switch d.Channel {
		case "websocket.connect":
			reply = accept
		case "websocket.receive":
			v, _ := d.Message.Get("text")
			reply, _ = asgi.NewMessage(asgi.Field{Key: "text", Value: v})
		}
		layer.Send(ctx, cause, d.Message.Text("reply_channel"), reply)
	}
}

func helloHandler(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "Hello World!") }

// handOff measures the minimum cost of this architecture: the handler sends the
// request to another goroutine and waits for its response.
func handOff(b *testing.B, workers int) http.Handler {
	jobs := make(chan chan string)
	for range workers {
		go func() {
			for answer := range jobs {
				answer <- "Hello World!"
			}
		}()
	}
	b.Cleanup(func() { close(jobs) })
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer := make(chan string, 1)
		jobs <- answer
		io.WriteString(w, <-answer)
	})
}

const benchRequest = "GET /hello?a=b HTTP/1.1\r\nHost: localhost:8000\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\nAccept-Language: en\r\n\r\n"

// requests makes n requests over one connection.
func requests(b *testing.B, addr string, n func() bool) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Error(err)
		return
	}
	defer conn.Close()
	buf := make([]byte, 4096)
	for n() {
		conn.Write([]byte(benchRequest))
		for got := 0; ; {
			m, err := conn.Read(buf[got:])
			if err != nil {
				b.Error(err)
				return
			}
			if got += m; got > 12 && string(buf[got-12:got]) == "Hello World!" {
				break
			}
		}
	}
}

// countdown returns a function that returns true n times.
func countdown(n int) func() bool {
	var left atomic.Int64
	left.Store(int64(n))
	return func() bool { return left.Add(-1) >= 0 }
}

func BenchmarkRequest(b *testing.B) {
	for _, clients := range []int{1, 16} {
		run := func(name, addr string, b *testing.B) {
			b.Run(name, func(b *testing.B) {
				n := countdown(b.N)
				measure(b, func() {
					var all sync.WaitGroup
					for range clients {
						all.Go(func() { requests(b, addr, n) })
					}
					all.Wait()
				})
			})
		}
		suffix := map[int]string{1: "one-client", 16: "16-clients"}[clients]
		run("plain/"+suffix, plain(b, http.HandlerFunc(helloHandler)), b)
		run("hand-off/"+suffix, plain(b, handOff(b, 16)), b)
		addr, _, _ := layered(b, 16, Options{})
		run("layer/"+suffix, addr, b)
	}
}

func plainEcho(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, p, err := c.Read(r.Context())
		if err != nil {
			return
		}
		if err := c.Write(r.Context(), kind, p); err != nil {
			return
		}
	}
}

func dialSocket(b testing.TB, addr string, headers ...string) *client {
	return (&netServer{t: b, addr: addr}).socket(b, headers...)
}

func BenchmarkEcho(b *testing.B) {
	for _, clients := range []int{1, 16} {
		run := func(name, addr string) {
			b.Run(name, func(b *testing.B) {
				sockets := make([]*client, clients)
				for i := range sockets {
					sockets[i] = dialSocket(b, addr)
				}
				n := countdown(b.N)
				out := text("how many roads must a man walk down").bytes()
				measure(b, func() {
					var all sync.WaitGroup
					for _, c := range sockets {
						all.Go(func() {
							buf := make([]byte, 37)
							for n() {
								c.Write(out)
								if _, err := io.ReadFull(c.r, buf); err != nil {
									b.Error(err)
									return
								}
							}
						})
					}
					all.Wait()
				})
			})
		}
		suffix := map[int]string{1: "one-client", 16: "16-clients"}[clients]
		run("plain/"+suffix, plain(b, http.HandlerFunc(plainEcho)))
		addr, _, _ := layered(b, 16, Options{})
		run("layer/"+suffix, addr)
	}
}

// A hub sends to its sockets in a loop, as the examples of most libraries do.
type hub struct {
	mu    sync.Mutex
	conns map[*websocket.Conn]bool
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	h.mu.Lock()
	h.conns[c] = true
	h.mu.Unlock()
	c.Read(r.Context())
}

func (h *hub) send(text []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		c.Write(context.Background(), websocket.MessageText, text)
	}
}

func (h *hub) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.conns)
}

// BenchmarkGroupSend counts one delivery to one socket as one operation.
func BenchmarkGroupSend(b *testing.B) {
	const line = "the answer, my friend, is blowing in the wind"
	h := &hub{conns: make(map[*websocket.Conn]bool)}
	addr := plain(b, h)
	b.Run("plain", func(b *testing.B) {
		groupSend(b, addr, h.size, func() { h.send([]byte(line)) })
		h.mu.Lock()
		clear(h.conns)
		h.mu.Unlock()
	})
	layerGroup(b, "layer", line, Options{})
	layerGroup(b, "compressed", strings.Repeat(line, 50), Options{Compression: true}, "Sec-WebSocket-Extensions: permessage-deflate\r\n")
}

func layerGroup(b *testing.B, name, line string, o Options, headers ...string) {
	addr, front, layer := layered(b, 16, o)
	m := asgi.MustMessage(asgi.Field{Key: "text", Value: line})
	b.Run(name, func(b *testing.B) {
		joined := false
		groupSend(b, addr, front.Sockets, func() {
			if !joined {
				(&netServer{t: b, front: front, layer: layer}).members("all")
				joined = true
			}
			layer.SendGroup(context.Background(), nil, "all", m)
		}, headers...)
	})
}

// groupSend sends until there were b.N deliveries. It stays at most a few sends
// ahead of the slowest reader.
func groupSend(b *testing.B, addr string, members func() int, send func(), headers ...string) {
	const ahead = 20
	rounds := b.N / *hubSockets + 1
	room := make(chan bool, ahead**hubSockets)
	var all sync.WaitGroup
	for range *hubSockets {
		c := dialSocket(b, addr, headers...)
		c.r = bufio.NewReaderSize(c.Conn, 4096)
		all.Go(func() {
			size := 0 // of each frame
			for range rounds {
				if size == 0 {
					head, _ := c.r.Peek(2)
					size = len(head) + int(head[1]) // the frame is short
				}
				if _, err := c.r.Discard(size); err != nil {
					b.Error(err)
					return
				}
				room <- true
			}
		})
	}
	for members() < *hubSockets {
		runtime.Gosched() // a socket becomes a member only after its accept
	}
	measure(b, func() {
		out := 0
		for range rounds {
			send()
			for out += *hubSockets; out > (ahead-1)**hubSockets; out-- {
				<-room
			}
		}
		for ; out > 0; out-- {
			<-room
		}
		all.Wait()
	})
}

// BenchmarkIdleSocket reports the memory of an idle socket, for the server and
// the client together. The client's part is the same for both servers.
func BenchmarkIdleSocket(b *testing.B) {
	run := func(name, addr string) {
		b.Run(name, func(b *testing.B) {
			before := inUse()
			clients := make([]*client, 1000)
			for i := range clients {
				clients[i] = dialSocket(b, addr)
			}
			for b.Loop() {
			}
			b.ReportMetric(float64(inUse()-before)/float64(len(clients)), "B/socket")
		})
	}
	run("plain", plain(b, http.HandlerFunc(plainEcho)))
	addr, _, _ := layered(b, 1, Options{})
	run("layer", addr)
}
