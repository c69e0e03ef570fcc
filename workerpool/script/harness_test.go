package script_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/httpfront"
	"asgibox/store"
	"asgibox/workerpool"
	"asgibox/workerpool/pages"
	"asgibox/workerpool/script"

	"github.com/coder/websocket"
)

// site is a running application with real sockets, its own folder and a layer in
// memory.
type site struct {
	t      testing.TB
	dir    string
	layer  *store.Store
	loader *script.Loader
	pool   *workerpool.Pool
	front  *httpfront.Server
	url    string
	log    *lines
}

// setup holds the options of a site.
type setup struct {
	script script.Options
	pages  pages.Options
	pool   workerpool.Options
	front  httpfront.Options
	store  store.Options
	files  map[string]string
	layer  func(asgi.Layer) asgi.Layer // put before the store

	listener net.Listener // in place of a real one
}

// serve starts a site with the source as app.star.
func serve(t testing.TB, source string) *site {
	t.Helper()
	return setup{}.serve(t, source)
}

func (c setup) serve(t testing.TB, source string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), log: &lines{t: t}}
	s.write("app.star", source)
	for name, text := range c.files {
		s.write(name, text)
	}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.layer = store.Memory(c.store)
	t.Cleanup(func() {
		if err := s.layer.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	var layer asgi.Layer = s.layer
	if c.layer != nil {
		layer = c.layer(layer)
	}
	c.script.Layer, c.script.Log = layer, log
	c.pages.App, c.pages.Folder = "app.star", s.dir
	c.script.Pages = pages.New(c.pages)
	s.loader = script.NewLoader(filepath.Join(s.dir, "app.star"), c.script)
	c.pool.Log = log
	if c.pool.Grace == 0 {
		c.pool.Grace = 5 * time.Second
	}
	c.pool.ErrorPage = s.loader.Pages().ErrorPage
	loaded := make(chan struct{}, 1)
	c.pool.Loaded = func(g workerpool.Generation, _ []string, err error) {
		log.Info("loaded", "generation", g.Number, "err", err)
		select {
		case loaded <- struct{}{}:
		default:
		}
	}
	pool, err := workerpool.New(layer, s.loader, c.pool)
	if err != nil {
		t.Fatal(err)
	}
	s.pool = pool
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := pool.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	<-loaded
	c.front.Log = log
	s.front, err = httpfront.New(layer, c.front)
	if err != nil {
		t.Fatal(err)
	}
	if c.listener == nil {
		c.listener, err = net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
	}
	s.url = "http://" + c.listener.Addr().String()
	fctx, fstop := context.WithCancel(context.Background())
	running.Go(func() { s.front.Serve(fctx, c.listener) })
	t.Cleanup(func() {
		pool.Drain()
		grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		s.front.Shutdown(grace)
		fstop()
		stop()
		running.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

func (s *site) write(name, text string) {
	s.t.Helper()
	full := filepath.Join(s.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// reload replaces app.star and loads it.
func (s *site) reload(source string) error {
	s.t.Helper()
	s.write("app.star", source)
	_, err := s.pool.Reload(context.Background())
	return err
}

// reply is the response to a request.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.status, r.body) }

func (s *site) get(path string, header ...string) reply {
	s.t.Helper()
	return s.do("GET", path, "", header...)
}

func (s *site) do(method, path, body string, header ...string) reply {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Add(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", method, path, err, s.log)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", method, path, err, s.log)
	}
	return reply{resp.StatusCode, resp.Header, string(data)}
}

// want fails the test unless the response to a GET has the status and contains
// the text.
func (s *site) want(path string, status int, text string) reply {
	s.t.Helper()
	r := s.get(path)
	if r.status != status || !strings.Contains(r.body, text) {
		s.t.Errorf("GET %s: got %v, want %d %q\n%s", path, r, status, text, s.log)
	}
	return r
}

// socket is a WebSocket client.
type socket struct {
	t    testing.TB
	conn *websocket.Conn
	site *site
}

func (s *site) dial(path string, header ...string) *socket {
	s.t.Helper()
	conn, resp, err := s.tryDial(path, header...)
	if err != nil {
		status := 0
		if resp != nil {
			status = resp.StatusCode
		}
		s.t.Fatalf("dial %s: %v (%d)\n%s", path, err, status, s.log)
	}
	s.t.Cleanup(func() { conn.CloseNow() })
	return &socket{s.t, conn, s}
}

func (s *site) tryDial(path string, header ...string) (*websocket.Conn, *http.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return websocket.Dial(ctx, "ws"+strings.TrimPrefix(s.url, "http")+path, &websocket.DialOptions{HTTPHeader: h})
}

func (s *socket) send(text string) {
	s.t.Helper()
	if err := s.conn.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		s.t.Fatalf("%v\n%s", err, s.site.log)
	}
}

func (s *socket) read() string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, data, err := s.conn.Read(ctx)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, s.site.log)
	}
	return string(data)
}

func (s *socket) want(text string) {
	s.t.Helper()
	if got := s.read(); got != text {
		s.t.Errorf("received %q, want %q\n%s", got, text, s.site.log)
	}
}

// wantClosed reads until the socket is closed with the code, and returns the
// reason.
func (s *socket) wantClosed(code websocket.StatusCode) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		_, _, err := s.conn.Read(ctx)
		if err == nil {
			continue
		}
		var closed websocket.CloseError
		if got := websocket.CloseStatus(err); got != code {
			s.t.Errorf("closed with %v (%v), want %d\n%s", got, err, code, s.site.log)
		}
		if asCloseError(err, &closed) {
			return closed.Reason
		}
		return ""
	}
}

// lines is a log that tests can read.
type lines struct {
	t testing.TB

	mu   sync.Mutex
	text bytes.Buffer
	wait []chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	for _, w := range l.wait {
		close(w)
	}
	l.wait = nil
	return len(p), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// has waits until the log contains the text.
func (l *lines) has(text string) {
	l.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		l.mu.Lock()
		found := strings.Contains(l.text.String(), text)
		next := make(chan struct{})
		l.wait = append(l.wait, next)
		l.mu.Unlock()
		if found {
			return
		}
		select {
		case <-next:
		case <-deadline:
			l.t.Fatalf("the log does not contain %q:\n%s", text, l)
		}
	}
}

func (l *lines) lacks(text string) {
	l.t.Helper()
	if strings.Contains(l.String(), text) {
		l.t.Errorf("the log contains %q:\n%s", text, l)
	}
}
