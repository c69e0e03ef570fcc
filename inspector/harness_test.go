package inspector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/inspector/api"
	"asgibox/store"
)

// A bench is a control server on a store in memory.
type bench struct {
	testing.TB
	store  *store.Store
	server *Server
	front  *fakeFront
	pool   *fakePool
	url    string
}

type fakeFront struct {
	mu     sync.Mutex
	open   []api.Connection
	closed map[string]int
}

func (f *fakeFront) Connections(limit int) ([]api.Connection, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open[:min(limit, len(f.open))], len(f.open)
}

func (f *fakeFront) CloseConnection(channel string, code int, reason string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed[channel] = code
	return nil
}

type fakePool struct{ reloads, workers int }

func (p *fakePool) Workers() []api.Worker {
	return []api.Worker{{Number: 1, Generation: 3, Kind: "routed", Busy: true, Channel: "jobs", Handler: "work (app.star:3)", Trace: "0000000000000007"}}
}
func (p *fakePool) Processes() []api.Process {
	return []api.Process{{Worker: 1, PID: 4711, Generation: 3, State: "ready", Memory: 1 << 20, Jobs: 1, Channel: "jobs", Handler: "work (app.py:3)"}}
}
func (p *fakePool) Generation() (uint64, string)     { return 3, "routed" }
func (p *fakePool) Reload(ctx context.Context) error { p.reloads++; return nil }

func (p *fakePool) SetWorkers(n int) error {
	if n < 1 {
		return errors.New("too few")
	}
	p.workers = n
	return nil
}

func newBench(t testing.TB, edit func(*Options)) *bench {
	t.Helper()
	b := &bench{TB: t, store: store.Memory(store.Options{}), front: &fakeFront{closed: make(map[string]int)}, pool: &fakePool{}}
	t.Cleanup(func() { _ = b.store.Close(context.Background()) })
	o := Options{Layer: b.store, Store: b.store.Debug(), Front: b.front, Pool: b.pool, Version: "test"}
	if edit != nil {
		edit(&o)
	}
	var err error
	if b.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(b.server)
	b.url = listener.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = b.server.Shutdown(ctx)
		listener.Close()
	})
	return b
}

func (b *bench) get(path string) (int, []byte) {
	b.Helper()
	resp, err := http.Get(b.url + path)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	return resp.StatusCode, body
}

// call posts a JSON object and decodes the response into v, if v is not nil.
func (b *bench) call(path string, args any, v any) int {
	b.Helper()
	body, err := json.Marshal(args)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := http.Post(b.url+path, "application/json", bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	response, _ := io.ReadAll(resp.Body)
	if v != nil {
		if err := json.Unmarshal(response, v); err != nil {
			b.Fatalf("%s: %v in %s", path, err, response)
		}
	}
	return resp.StatusCode
}

type object = map[string]any

func (b *bench) mustCall(path string, args any, v any) {
	b.Helper()
	if status := b.call(path, args, v); status != 200 {
		b.Fatalf("%s: status %d", path, status)
	}
}

// eventually waits until a condition holds. It fails after 20 seconds.
func (b *bench) eventually(what string, holds func() bool) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			b.Fatal("never: " + what)
		}
	}
}

func text(s string) asgi.Message { return asgi.MustMessage(asgi.Field{Key: "text", Value: s}) }
