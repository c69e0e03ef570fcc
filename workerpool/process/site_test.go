package process_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
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
	"asgibox/workerpool/process"

	"github.com/coder/websocket"
)

// patience is the time after which a test fails that waits for something.
const patience = 30 * time.Second

// interpreter returns a Python that can run applications.
var interpreter = sync.OnceValue(func() string {
	for _, name := range []string{"/usr/bin/python3", "python3", "python"} {
		out, err := exec.Command(name, "-c", "import sys; print(sys.executable if sys.version_info >= (3, 8) else '')").Output()
		if path := strings.TrimSpace(string(out)); err == nil && path != "" {
			return path
		}
	}
	return ""
})

// site is a Python application in child processes, with real sockets, its own folder
// and a layer in memory.
type site struct {
	t      testing.TB
	dir    string
	layer  *store.Store
	loader *process.Loader
	pool   *workerpool.Pool
	url    string
	log    *lines
	stop   func() // stops the pool
}

// setup holds the options of a site.
type setup struct {
	process process.Options
	pages   pages.Options
	pool    workerpool.Options
	front   httpfront.Options
	store   store.Options
	files   map[string]string
	app     string // the path of an application to run in place of a source
	broken  bool   // the first load fails
}

// serve starts a site with the source as app.py.
func serve(t testing.TB, source string) *site {
	t.Helper()
	return setup{}.serve(t, source)
}

func (c setup) serve(t testing.TB, source string) *site {
	t.Helper()
	if interpreter() == "" {
		t.Skip("Python 3.8 or later is not installed")
	}
	s := &site{t: t, dir: t.TempDir(), log: &lines{t: t}}
	if c.app == "" {
		c.app = s.write("app.py", source)
	} else {
		s.dir = filepath.Dir(absolute(t, c.app))
	}
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
	server, err := process.NewServer(process.ServerOptions{Layer: s.layer, Log: log, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		grace, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		server.Close(grace)
	})
	s.startPool(c, server, log)
	s.startFront(c, log)
	return s
}

func (s *site) startPool(c setup, server *process.Server, log *slog.Logger) {
	s.t.Helper()
	o := c.process
	o.Folder, o.Log = s.dir, log
	if o.Processes == 0 {
		o.Processes, o.Threads = 2, 4
	}
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	c.pages.App, c.pages.Folder = "app.py", s.dir
	o.Pages = pages.New(c.pages)
	start := fmt.Sprintf("import sys; sys.path[0] = %q; from asgibox._host import main; main()", absolute(s.t, "../../python"))
	o.Command = func(context.Context, uint64) (*process.Command, error) {
		args := []string{"-c", start, "run", filepath.Join(s.dir, filepath.Base(c.app)), "--threads", fmt.Sprint(o.Threads)}
		return &process.Command{Path: interpreter(), Args: args, Settings: map[string]string{"color": "blue"}, Env: []string{"PYTHONDONTWRITEBYTECODE=1"}, Dir: s.dir, Python: true}, nil
	}
	s.loader = process.NewLoader(server, o)
	c.pool.Log, c.pool.LoadTimeout = log, time.Hour
	if c.pool.Grace == 0 {
		c.pool.Grace = 5 * time.Second
	}
	c.pool.ErrorPage = o.Pages.ErrorPage
	loaded := make(chan error, 1)
	c.pool.Loaded = func(g workerpool.Generation, _ []string, err error) {
		log.Info("loaded", "generation", g.Number, "err", err)
		select {
		case loaded <- err:
		default:
		}
	}
	var err error
	if s.pool, err = workerpool.New(s.layer, s.loader, c.pool); err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.pool.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	})
	s.t.Cleanup(s.stop)
	if err := <-loaded; (err != nil) != c.broken {
		s.t.Fatalf("the first load: %v\n%s", err, s.log)
	}
}

func (s *site) startFront(c setup, log *slog.Logger) {
	s.t.Helper()
	c.front.Log = log
	front, err := httpfront.New(s.layer, c.front)
	if err != nil {
		s.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.url = "http://" + listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { front.Serve(ctx, listener) })
	s.t.Cleanup(func() {
		s.pool.Drain()
		grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		front.Shutdown(grace)
		stop()
		running.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
}

func absolute(t testing.TB, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *site) write(name, text string) (path string) {
	s.t.Helper()
	full := filepath.Join(s.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return full
}

// reload replaces app.py and loads it.
func (s *site) reload(source string) error {
	s.t.Helper()
	s.write("app.py", source)
	_, err := s.pool.Reload(context.Background())
	return err
}

// state returns a value of the application's state.
func (s *site) state(key string) any {
	s.t.Helper()
	v, _, err := s.layer.Get(context.Background(), nil, "state/"+key)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// until waits until ok returns true.
func (s *site) until(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("not within %v: %s\n%s", patience, what, s.log)
		}
	}
}

// message sends a message to a channel.
func (s *site) message(channel string, fields ...asgi.Field) {
	s.t.Helper()
	if err := s.layer.Send(context.Background(), nil, channel, asgi.MustMessage(fields...)); err != nil {
		s.t.Fatal(err)
	}
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
	r, err := s.try(method, path, body, header...)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", method, path, err, s.log)
	}
	return r
}

func (s *site) try(method, path, body string, header ...string) (reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(data)}, err
}

// want fails the test unless the response to a GET has the status and contains the
// texts.
func (s *site) want(path string, status int, texts ...string) reply {
	s.t.Helper()
	r := s.get(path)
	for _, text := range append(texts, "") {
		if r.status != status || !strings.Contains(r.body, text) {
			s.t.Errorf("GET %s: got %v, want %d %q\n%s", path, r, status, text, s.log)
			break
		}
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
	ctx, cancel := context.WithTimeout(context.Background(), patience)
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
	ctx, cancel := context.WithTimeout(context.Background(), patience)
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

// wantClosed reads until the socket is closed with the code.
func (s *socket) wantClosed(code websocket.StatusCode) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if _, _, err := s.conn.Read(ctx); err != nil {
			if got := websocket.CloseStatus(err); got != code {
				s.t.Errorf("closed with %v (%v), want %d\n%s", got, err, code, s.site.log)
			}
			return
		}
	}
}

// lines is a log that tests can read.
type lines struct {
	t testing.TB

	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// has waits until the log contains the text.
func (l *lines) has(text string) {
	l.t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(l.String(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("the log does not contain %q:\n%s", text, l)
		}
	}
}
