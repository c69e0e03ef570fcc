package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"asgibox/asgi"
	"asgibox/httpfront"
	"asgibox/store"
	"asgibox/workerpool"
	"asgibox/workerpool/script"
)

// servers has the servers for -serve: the baselines, the layer with consumers in
// Go, and applications in Starlark without the command line. The latter are for
// profiles only: measurements use the program itself.
var servers = map[string]func(ctx context.Context, l net.Listener) error{
	"nethttp":      plain(http.HandlerFunc(hello)),
	"nethttp-tls":  plainTLS(http.HandlerFunc(hello)),
	"nethttp-bulk": plain(http.HandlerFunc(bulk)),
	"coder-echo":   plain(http.HandlerFunc(plainEcho)),
	"coder-hub":    plain(&hub{conns: map[*websocket.Conn]bool{}}),
	"go-hello":     consumer(goHello, asgi.HTTPRequest),
	"go-echo":      consumer(goEcho, asgi.WebSocketConnect, asgi.WebSocketReceive, asgi.WebSocketDisconnect),
	"go-group":     consumer(goGroup, asgi.WebSocketConnect, asgi.WebSocketReceive, asgi.WebSocketDisconnect),
	"script-hello": starlark("examples/hello.star"),
	"script-echo":  starlark("benchmarks/apps/echo.star"),
	"script-group": starlark("benchmarks/apps/group.star"),
	"script-view":  starlark("benchmarks/apps/view.star"),
	"script-bulk":  starlark("benchmarks/apps/bulk.star"),
}

// serverNames returns the names of all servers, for help and errors.
func serverNames() string {
	return strings.Join(slices.Sorted(maps.Keys(servers)), ", ")
}

// serve runs one of the servers until ctx ends. It prints the address as the
// first line.
func serve(ctx context.Context, o options) error {
	run, ok := servers[o.serve]
	if !ok {
		return fmt.Errorf("unknown server %q; the servers are %s", o.serve, serverNames())
	}
	if o.cpuprofile != "" {
		f, err := os.Create(o.cpuprofile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
		defer writeAllocs(o.cpuprofile + ".allocs")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return run(ctx, l)
}

// writeAllocs writes a profile of all allocations since the start.
func writeAllocs(file string) {
	f, err := os.Create(file)
	if err == nil {
		err = errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func plain(h http.Handler) func(context.Context, net.Listener) error {
	return func(ctx context.Context, l net.Listener) error {
		s := &http.Server{Handler: h}
		stop := context.AfterFunc(ctx, func() { s.Close() })
		defer stop()
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}

func hello(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "Hello World!") }

func plainEcho(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, data, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), kind, data) != nil {
			return
		}
	}
}

// hub is a simple broadcast server, which sends to one connection after another.
type hub struct {
	mu    sync.Mutex // guards conns
	conns map[*websocket.Conn]bool
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	h.set(c, true)
	defer c.CloseNow()
	defer h.set(c, false)
	for {
		kind, data, err := c.Read(r.Context())
		if err != nil {
			return
		}
		for _, member := range h.members() {
			member.Write(r.Context(), kind, data)
		}
	}
}

func (h *hub) set(c *websocket.Conn, connected bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if connected {
		h.conns[c] = true
	} else {
		delete(h.conns, c)
	}
}

func (h *hub) members() []*websocket.Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*websocket.Conn, 0, len(h.conns))
	for c := range h.conns {
		all = append(all, c)
	}
	return all
}

// A consume is a handler in Go.
type consume func(ctx context.Context, layer *store.Store, c *asgi.Cause, d asgi.Delivery) error

// consumer returns a server with the protocol server, a layer and sixteen workers
// in Go, which run on the goroutines of connections if these are lent.
func consumer(handle consume, channels ...string) func(context.Context, net.Listener) error {
	return func(ctx context.Context, l net.Listener) error {
		layer := store.Memory(store.Options{})
		defer layer.Close(context.Background())
		var workers sync.WaitGroup
		defer workers.Wait()
		for range 16 {
			workers.Go(func() {
				run := func(d asgi.Delivery) []string {
					c := asgi.NewCause(0)
					c.Take(d)
					if err := handle(ctx, layer, c, d); err != nil {
						fmt.Fprintln(os.Stderr, err)
					}
					return channels
				}
				for {
					d, ok, err := layer.ReceiveOrRun(ctx, asgi.NewCause(0), run, channels...)
					if err != nil {
						return
					}
					if ok {
						run(d)
					}
				}
			})
		}
		return front(ctx, layer, l)
	}
}

func front(ctx context.Context, layer asgi.Layer, l net.Listener) error {
	f, err := httpfront.New(layer, httpfront.Options{Grace: time.Second})
	if err != nil {
		return err
	}
	return f.Serve(ctx, l)
}

func goHello(ctx context.Context, layer *store.Store, c *asgi.Cause, d asgi.Delivery) error {
	response, err := asgi.NewMessage(asgi.Field{Key: asgi.KeyStatus, Value: 200}, asgi.Field{Key: asgi.KeyContent, Value: "Hello World!"})
	if err != nil {
		return err
	}
	return layer.Send(ctx, c, d.Message.Text(asgi.KeyReplyChannel), response)
}

var accept = asgi.MustMessage(asgi.Field{Key: asgi.KeyAccept, Value: true})

func goEcho(ctx context.Context, layer *store.Store, c *asgi.Cause, d asgi.Delivery) error {
	switch d.Channel {
	case asgi.WebSocketConnect:
		return layer.Send(ctx, c, d.Message.Text(asgi.KeyReplyChannel), accept)
	case asgi.WebSocketReceive:
		text, _ := d.Message.Get(asgi.KeyText)
		reply, err := asgi.NewMessage(asgi.Field{Key: asgi.KeyText, Value: text})
		if err != nil {
			return err
		}
		return layer.Send(ctx, c, d.Message.Text(asgi.KeyReplyChannel), reply)
	}
	return nil
}

func goGroup(ctx context.Context, layer *store.Store, c *asgi.Cause, d asgi.Delivery) error {
	reply := d.Message.Text(asgi.KeyReplyChannel)
	switch d.Channel {
	case asgi.WebSocketConnect:
		return errors.Join(layer.GroupAdd(ctx, c, "all", reply), layer.Send(ctx, c, reply, accept))
	case asgi.WebSocketReceive:
		text, _ := d.Message.Get(asgi.KeyText)
		m, err := asgi.NewMessage(asgi.Field{Key: asgi.KeyText, Value: text})
		if err != nil {
			return err
		}
		return layer.SendGroup(ctx, c, "all", m)
	case asgi.WebSocketDisconnect:
		return layer.GroupDiscard(ctx, c, "all", reply)
	}
	return nil
}

// starlark returns a server that runs an application in a pool with a layer in
// memory.
func starlark(app string) func(context.Context, net.Listener) error {
	return func(ctx context.Context, l net.Listener) error {
		layer := store.Memory(store.Options{})
		defer layer.Close(context.Background())
		log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
		loader := script.NewLoader(filepath.FromSlash(app), script.Options{Layer: layer, Log: log})
		pool, err := workerpool.New(layer, loader, workerpool.Options{Log: log})
		if err != nil {
			return err
		}
		if _, err := pool.Reload(ctx); err != nil {
			return err
		}
		ended := make(chan error, 1)
		go func() { ended <- pool.Run(ctx) }()
		err = front(ctx, layer, l)
		return errors.Join(err, <-ended)
	}
}
