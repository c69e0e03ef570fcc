package remote_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/asgitest"
	"asgibox/asgi/remote"
	"asgibox/internal/guard"
	"asgibox/store"
)

func TestClientConformance(t *testing.T) {
	asgitest.TestLayer(t, func(t testing.TB, s asgitest.Setup) asgi.Layer {
		return overPipes(t, memory(t, conforming(s)))
	}, lacking)
}

// TestClientConformanceOverTCP takes more than a minute, because it cannot use
// the fake clock of testing/synctest.
func TestClientConformanceOverTCP(t *testing.T) {
	if os.Getenv("ASGIBOX_LONG") == "" {
		t.Log("runs with ASGIBOX_LONG=1 only")
		return
	}
	asgitest.TestLayer(t, func(t testing.TB, s asgitest.Setup) asgi.Layer {
		server := serve(t, memory(t, conforming(s)), guard.Options{})
		c, err := remote.Dial(t.Context(), server.URL, remote.ClientOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}, lacking, asgitest.RealTime(100*time.Millisecond))
}

// lacking declares the features that the protocol does not have.
var lacking = asgitest.Without(asgitest.Push, asgitest.Lasting, asgi.ExtReaders, asgi.ExtPutBack, asgi.ExtAcceptors, asgi.ExtTicker)

// conforming returns the setup of a subtest as options of a store.
func conforming(s asgitest.Setup) store.Options {
	o := store.Options{
		Capacity:    s.Capacity,
		Expiry:      s.Expiry,
		GroupExpiry: s.GroupExpiry,
		MaxMessage:  s.MaxMessage,
		Memory:      s.Memory,
	}
	for _, p := range s.ChannelCapacity {
		o.ChannelCapacity = append(o.ChannelCapacity, store.PatternCapacity(p))
	}
	return o
}

func memory(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	s := store.Memory(o)
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// overPipes serves a layer over pipes and returns a client for it.
func overPipes(t testing.TB, layer asgi.Layer) *remote.Client {
	t.Helper()
	handler := remote.NewHandler(layer, remote.Options{Version: "test"})
	c, err := remote.Dial(t.Context(), "http://pipe", remote.ClientOptions{HTTP: pipeServer(t, handler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		handler.Close()
	})
	return c
}

// pipeServer serves over pipes in memory, which work in bubbles of synctest. It
// returns an HTTP client that uses them.
func pipeServer(t testing.TB, handler http.Handler) *http.Client {
	t.Helper()
	l := newPipes()
	server := &http.Server{Handler: handler}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	transport := &http.Transport{DialContext: l.dial, MaxIdleConnsPerHost: 100}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return &http.Client{Transport: transport}
}

// pipes is a listener whose connections are pipes.
type pipes struct {
	conns chan net.Conn

	mu     sync.Mutex // guards closed
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

// reopen makes a closed listener usable again.
func (p *pipes) reopen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = make(chan struct{})
}

func (p *pipes) over() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	select {
	case <-p.over():
		return nil, net.ErrClosed
	default:
	}
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.over():
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.over():
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }
