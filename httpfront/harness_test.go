package httpfront

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"asgibox/asgi"
)

// msg holds the keys and values of a message.
type msg = map[string]any

// A memServer is a server on a fake layer. The test plays its application and
// its clients. Connections are in memory, so it works in a synctest bubble.
type memServer struct {
	t     testing.TB
	layer *fakeLayer
	front *Server
	logs  *logs
	seen  chan Event
	net   *pipeListener
}

// newMemServer starts a server that stops at the end of the test.
func newMemServer(t testing.TB, opts Options) *memServer {
	t.Helper()
	return newMemServerOn(t, newFakeLayer(), opts)
}

func newMemServerOn(t testing.TB, layer *fakeLayer, opts Options) *memServer {
	t.Helper()
	s := &memServer{t: t, layer: layer, logs: &logs{}, seen: make(chan Event, 1000), net: newPipeListener()}
	opts.Log = slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	opts.Access = func(e Event) { s.seen <- e }
	front, err := New(s.layer, opts)
	if err != nil {
		t.Fatal(err)
	}
	s.front = front
	served := make(chan error, 1)
	serve := func() error { return front.Serve(context.Background(), s.net) }
	if mounted {
		serve = s.mount()
	}
	go func() { served <- serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // stop waiting for connections that the test left open
		front.Shutdown(ctx)
		s.net.Close()
		if err := <-served; err != nil && err != net.ErrClosed && err != http.ErrServerClosed { // Serve may not have started
			t.Errorf("Serve: %v", err)
		}
		if n := front.outputs.bytes.Load(); n != 0 {
			t.Errorf("closed mailboxes still count %d bytes", n)
		}
		if bytes, arrivals, waiting := front.budget.Usage(); bytes != 0 || arrivals != 0 || waiting != 0 {
			t.Errorf("ended connections still use the budget: %d bytes, %d arrivals, %d wait", bytes, arrivals, waiting)
		}
	})
	return s
}

// dial connects a client, over TLS if the server uses it.
func (s *memServer) dial() *client {
	s.t.Helper()
	conn, err := s.net.dial()
	if err != nil {
		s.t.Fatal(err)
	}
	if s.front.opts.TLS != nil {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	s.t.Cleanup(func() { conn.Close() })
	return &client{t: s.t, Conn: conn, r: bufio.NewReader(conn)}
}

// next waits for a message on the channel.
func (s *memServer) next(channel string) asgi.Message {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	d, err := s.layer.Receive(ctx, nil, channel)
	if err != nil {
		s.t.Fatalf("no message came on %s: %v; log:\n%s", channel, err, s.logs)
	}
	return d.Message
}

// reply sends to the reply channel of a message, as an application would.
func (s *memServer) reply(to asgi.Message, kv msg) {
	s.t.Helper()
	if err := s.send(to, kv); err != nil {
		s.t.Fatalf("reply: %v", err)
	}
}

func (s *memServer) send(to asgi.Message, kv msg) error {
	return s.layer.Send(context.Background(), nil, to.Text("reply_channel"), fields(s.t, kv))
}

// A client is one connection with access to its bytes.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

// write sends bytes without waiting for the server to read them.
func (c *client) write(s string) {
	go io.WriteString(c.Conn, s)
}

// get sends a GET request.
func (c *client) get(path string, headers ...string) {
	c.write("GET " + path + " HTTP/1.1\r\nHost: h\r\n" + lines(headers) + "\r\n")
}

func lines(headers []string) string {
	var b strings.Builder
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	return b.String()
}

// response reads the whole response to a GET request.
func (c *client) response() *response { c.t.Helper(); return c.responseTo("GET") }

func (c *client) responseTo(method string) *response {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("no response: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	return &response{Response: res, body: string(body), err: err}
}

// ended reports whether the server has closed the connection.
func (c *client) ended() bool {
	_, err := c.r.ReadByte()
	return errors.Is(err, io.EOF)
}

// A response is an HTTP response with its body.
type response struct {
	*http.Response
	body string
	err  error // of reading the body
}

// check compares the status.
func (a *response) check(t testing.TB, status int) *response {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("status %d, want %d; body %q", a.StatusCode, status, a.body)
	}
	return a
}

// A logs holds the log of a server.
type logs struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// contains fails the test if a part is not in the log.
func (l *logs) contains(t testing.TB, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(l.String(), part) {
			t.Errorf("the log does not say %q:\n%s", part, l)
		}
	}
}

// A pipeListener accepts connections in memory.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return memAddr("10.0.0.1:80") }

func (l *pipeListener) dial() (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- &memConn{server, memAddr("10.0.0.1:80"), memAddr("192.0.2.7:4711")}:
		return client, nil
	case <-l.closed:
		return nil, fmt.Errorf("dial: %w", net.ErrClosed)
	}
}

// A memConn is a connection in memory with TCP addresses.
type memConn struct {
	net.Conn
	local, remote memAddr
}

func (c *memConn) LocalAddr() net.Addr  { return c.local }
func (c *memConn) RemoteAddr() net.Addr { return c.remote }

type memAddr string

func (memAddr) Network() string  { return "tcp" }
func (a memAddr) String() string { return string(a) }
