package process

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/store"
)

// serve returns a server without an application.
func serve(t *testing.T, o ServerOptions) (*Server, *store.Store) {
	t.Helper()
	layer := store.Memory(store.Options{})
	o.Layer, o.Version = layer, "test"
	s, err := NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close(t.Context())
		_ = layer.Close(t.Context())
	})
	return s, layer
}

func join(t *testing.T, s *Server, token string) *client {
	t.Helper()
	c, err := tryDial(s.Address(), token, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.net.Close() })
	return c
}

func TestAProgramThatAsgiboxDidNotStart(t *testing.T) {
	s, layer := serve(t, ServerOptions{})
	c := join(t, s, "")
	if _, err := c.call("send", "channel", "a", "message", map[string]any{"b": asgi.Bytes("\x00\xff"), "n": 1}); err != nil {
		t.Fatal(err)
	}
	got, err := c.call("receive", "channels", []any{"a"}, "envelope", true)
	if m := find[asgi.Dict](got, "message"); err != nil || m.Bytes("b") != "\x00\xff" || m.Int("n") != 1 || find[string](got, "trace") == "" {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []struct {
		call, kind string
		args       []any
	}{
		{"nothing", remote.NotFound, nil},
		{"send", remote.BadRequest, []any{"channel", "a"}},
		{"send", remote.BadRequest, []any{"channel", "a", "message", map[string]any{}, "more", 1}},
		{"send", remote.InvalidName, []any{"channel", "not a name", "message", map[string]any{}}},
		{"receive", remote.BadRequest, []any{"channels", []any{}}},
	} {
		if _, err := c.call(bad.call, bad.args...); err == nil || !strings.HasPrefix(err.Error(), bad.kind+":") {
			t.Errorf("%s %v: got %v, want %s", bad.call, bad.args, err, bad.kind)
		}
	}
	if r := s.Readers(); len(r) != 1 || r[0].Agent != "test" || r[0].Host != "unix" {
		t.Errorf("the readers are %+v", r)
	}
	if got, _ := c.call("state/set", "key", "k", "value", 1.0); find[float64](got, "value") != 1.0 {
		t.Errorf("got %v", got)
	}
	if v, ok, err := layer.Get(t.Context(), nil, "state/k"); v != 1.0 || !ok || err != nil {
		t.Errorf("got %v %v %v", v, ok, err)
	}
}

func TestAQuietCallIsAnsweredOnlyIfItFails(t *testing.T) {
	s, _ := serve(t, ServerOptions{})
	c := join(t, s, "")
	if err := c.write("id", 100, "call", "send", "quiet", true, "channel", "a", "message", map[string]any{"n": 1}); err != nil {
		t.Fatal(err)
	}
	if got, err := c.call("receive", "channels", []any{"a"}); err != nil || find[string](got, "channel") != "a" {
		t.Errorf("got %v, %v", got, err)
	}
	if err := c.write("id", 101, "call", "send", "quiet", true, "channel", "not a name", "message", map[string]any{}); err != nil {
		t.Fatal(err)
	}
	head, err := c.r.Read()
	if id, _ := head.Get("id"); err != nil || id != int64(101) || find[string](head, "error") != remote.InvalidName {
		t.Errorf("got %v, %v; want the error of call 101", head, err)
	}
}

func TestAReceiveThatWaits(t *testing.T) {
	s, layer := serve(t, ServerOptions{})
	c := join(t, s, "")
	c.write("id", 50, "call", "receive", "channels", "a", "block", true)
	c.write("id", 51, "call", "receive", "channels", "b", "block", true, "timeout", 0.01)
	if head, err := c.r.Read(); err != nil || find[int64](head, "id") != 51 || find[string](head, "channel") != "" {
		t.Fatalf("got %v, %v", head, err)
	}
	// Other calls go on meanwhile.
	if _, err := c.call("send", "channel", "c", "message", map[string]any{}); err != nil {
		t.Fatal(err)
	}
	if head, err := c.call("cancel", "of", 99); err != nil || find[bool](head, "waited") {
		t.Errorf("got %v, %v", head, err)
	}
	c.write("id", 52, "call", "cancel", "of", 50)
	answers := map[int64]asgi.Fields{}
	for range 2 {
		head, err := c.r.Read()
		if err != nil {
			t.Fatal(err)
		}
		answers[find[int64](head, "id")] = head
	}
	if v, ok := answers[50].Get("channel"); !ok || v != nil || !find[bool](answers[52], "waited") {
		t.Errorf("got %v", answers)
	}
	// A message for a program that leaves goes to the next one.
	c.write("id", 53, "call", "receive", "channels", "a", "block", true)
	c.net.Close()
	if err := layer.Send(t.Context(), nil, "a", message(fields("n", 1))); err != nil {
		t.Fatal(err)
	}
	other := join(t, s, "")
	head, err := other.call("receive", "channels", "a", "block", true, "timeout", 20)
	if err != nil || find[asgi.Dict](head, "message").Int("n") != 1 {
		t.Errorf("got %v, %v", head, err)
	}
}

func TestWhoMayConnect(t *testing.T) {
	s, _ := serve(t, ServerOptions{Token: func() string { return "secret" }})
	join(t, s, "secret")
	for _, c := range []struct {
		what string
		head []any
		kind string
	}{
		{"a wrong token", []any{"id", 0, "call", "hello", "version", 1, "token", "other"}, remote.Unauthorized},
		{"no token", []any{"id", 0, "call", "hello", "version", 1}, remote.Unauthorized},
		{"another version", []any{"id", 0, "call", "hello", "version", 2, "token", "secret"}, remote.BadRequest},
		{"another call", []any{"id", 0, "call", "send"}, remote.BadRequest},
	} {
		nc := rawDial(t, s)
		nc.write(c.head...)
		head, err := nc.r.Read()
		if err != nil || find[string](head, "error") != c.kind || find[string](head, "detail") == "" {
			t.Errorf("%s: got %v, %v", c.what, head, err)
		}
		if _, err := nc.r.Read(); err == nil {
			t.Errorf("%s: the connection stays open", c.what)
		}
	}
	nc := rawDial(t, s)
	nc.net.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	if head, err := nc.r.Read(); err != nil || find[string](head, "error") != remote.BadRequest {
		t.Errorf("got %v, %v", head, err)
	}
	if _, err := nc.r.Read(); !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("got %v", err)
	}
}

func TestAServerThatStopsEndsReceives(t *testing.T) {
	layer := store.Memory(store.Options{})
	defer layer.Close(t.Context())
	s, err := NewServer(ServerOptions{Layer: layer})
	if err != nil {
		t.Fatal(err)
	}
	c := join(t, s, "")
	done := make(chan error, 1)
	go func() {
		_, err := c.call("receive", "channels", "a", "block", true)
		done <- err
	}()
	for !layer.HasReader("a") {
		time.Sleep(time.Millisecond)
	}
	s.Close(t.Context())
	if err := <-done; err == nil {
		t.Error("the receive did not fail")
	}
}

func TestTheSocket(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "layer.sock")
	first, _ := serve(t, ServerOptions{Socket: path})
	if first.Address() != path {
		t.Errorf("the socket is %s", first.Address())
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	join(t, first, "")
	second, _ := serve(t, ServerOptions{Socket: path})
	if second.Address() == path {
		t.Error("two servers have the same socket")
	}
	join(t, second, "")
	join(t, first, "")
	long, _ := serve(t, ServerOptions{Socket: filepath.Join(folder, strings.Repeat("x", 100), "layer.sock")})
	join(t, long, "")
	if info, err := os.Stat(filepath.Dir(long.Address())); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	first.Close(t.Context())
	if entries, err := os.ReadDir(folder); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
	if err := os.WriteFile(path, []byte("not a socket"), 0o600); err != nil {
		t.Fatal(err)
	}
	third, _ := serve(t, ServerOptions{Socket: path})
	if third.Address() == path {
		t.Error("the server replaced a file")
	}
}

// rawDial connects without saying hello.
func rawDial(t *testing.T, s *Server) *client {
	t.Helper()
	c, err := dialRaw(s.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.net.Close() })
	return c
}
