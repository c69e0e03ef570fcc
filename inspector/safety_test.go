package inspector

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi/remote"
	"asgibox/store"
)

// paths has a path for each part of the control server.
var paths = []string{"/", "/app.js", "/metrics", "/api/status", "/api/live", "/api/send", "/layer/", "/layer/receive", "/debug/pprof/", "/debug/pprof/cmdline", "/nothing"}

// remoteLayer sets a handler in place of the layer over HTTP.
func remoteLayer(o *Options) {
	o.Remote = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
}

// request returns the status of a request.
func (b *bench) request(method, path string, edit func(*http.Request)) int {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel() // ends streams
	r, err := http.NewRequestWithContext(ctx, method, b.url+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	edit(r)
	resp, err := http.DefaultTransport.RoundTrip(r) // does not follow redirects
	if err != nil {
		b.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestEveryPathRefusesReboundNames(t *testing.T) {
	b := newBench(t, remoteLayer)
	for _, path := range append(paths, "/healthz") {
		for _, method := range []string{"GET", "POST"} {
			if got := b.request(method, path, func(r *http.Request) { r.Host = "rebound.example:8001" }); got != 403 {
				t.Errorf("%s %s: %d", method, path, got)
			}
		}
	}
}

func TestEveryPathRefusesOtherSites(t *testing.T) {
	b := newBench(t, remoteLayer)
	for _, path := range append(paths, "/healthz") {
		for _, header := range [][2]string{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}} {
			for _, method := range []string{"GET", "POST", "OPTIONS"} {
				got := b.request(method, path, func(r *http.Request) { r.Header.Set(header[0], header[1]) })
				if got != 403 {
					t.Errorf("%s %s with %s: %d", method, path, header, got)
				}
			}
		}
	}
}

func TestEveryPathRequiresTheToken(t *testing.T) {
	b := newBench(t, func(o *Options) {
		remoteLayer(o)
		o.Token = "secret"
	})
	for _, path := range paths {
		for _, token := range []string{"", "Bearer wrong", "Bearer ", "Basic secret"} {
			if got := b.request("GET", path, func(r *http.Request) { r.Header.Set("Authorization", token) }); got != 401 {
				t.Errorf("%s with %q: %d", path, token, got)
			}
		}
		if got := b.request("GET", path, func(r *http.Request) { r.Header.Set("Authorization", "Bearer secret") }); got == 401 || got == 403 {
			t.Errorf("%s with the token: %d", path, got)
		}
	}
	if got := b.request("GET", "/healthz", func(*http.Request) {}); got != 200 {
		t.Errorf("/healthz needs no token: %d", got)
	}
}

func TestABodyThatIsTooLongIsRefused(t *testing.T) {
	b := newBench(t, nil)
	for _, path := range []string{"/api/send", "/api/state/set", "/api/replay"} {
		body := io.MultiReader(strings.NewReader(`{"x": "`), io.LimitReader(letters{}, maxRequest), strings.NewReader(`"}`))
		resp, err := http.Post(b.url+path, "application/json", body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 413 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}

// TestADeclaredBodyThatIsTooLongIsRefusedAtOnce sends one byte of each body.
func TestADeclaredBodyThatIsTooLongIsRefusedAtOnce(t *testing.T) {
	for _, c := range []struct {
		path, token string
		status      int
	}{
		{"/api/send", "secret", 413},
		{"/api/playback", "secret", 413},
		{"/layer/send", "secret", 413},
		{"/layer/receive", "secret", 413},
		{"/layer/nothing", "secret", 404},
		{"/metrics", "secret", 405},
		{"/api/send", "wrong", 401},
	} {
		t.Run(c.path+" "+c.token, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				layer := store.Memory(store.Options{})
				defer layer.Close(t.Context())
				h := remote.NewHandler(layer, remote.Options{})
				defer h.Close()
				s, err := New(Options{Layer: layer, Token: "secret", Remote: h})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = s.Shutdown(t.Context()) }()
				resp, after, closed := onConnection(t, s, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: 5000000000\r\n\r\n{", c.path, c.token))
				if resp.StatusCode != c.status || after != 0 || !closed {
					t.Errorf("%s, token %s: %s after %v, closed: %v; want %d at once", c.path, c.token, resp.Status, after, closed, c.status)
				}
			})
		})
	}
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// onPipe is a listener with one connection.
type onPipe chan net.Conn

func (l onPipe) Accept() (net.Conn, error) {
	if c, ok := <-l; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l onPipe) Close() error   { return nil }
func (l onPipe) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }

// onConnection sends a request to a control server. It returns the response, the
// time it took, and whether the server then closed the connection.
func onConnection(t *testing.T, s *Server, request string) (resp *http.Response, after time.Duration, closed bool) {
	l := make(onPipe, 1)
	client, server := net.Pipe()
	l <- server
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.http.Serve(l)
	}()
	defer func() {
		close(l)
		client.Close()
		<-served
	}()
	began := time.Now()
	if _, err := io.WriteString(client, request); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(client)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	after = time.Since(began)
	_ = client.SetReadDeadline(time.Now().Add(time.Second))
	_, err = r.ReadByte()
	return resp, after, err == io.EOF
}

func TestSlowBodiesTimeOut(t *testing.T) {
	for _, path := range []string{"/api/send", "/api/playback", "/layer/send", "/metrics", "/nothing"} {
		for _, token := range []string{"secret", "wrong"} {
			synctest.Test(t, func(t *testing.T) {
				layer := store.Memory(store.Options{})
				defer layer.Close(t.Context())
				o := Options{Layer: layer, Token: "secret"}
				remoteLayer(&o)
				s, err := New(o)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = s.Shutdown(t.Context()) }()
				resp, after, closed := onConnection(t, s, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n{", path, token))
				if after > bodyTimeout || !closed {
					t.Errorf("%s, token %s: %s after %v, closed: %v", path, token, resp.Status, after, closed)
				}
			})
		}
	}
}

func TestARefusedRequestDoesNotWaitForItsBody(t *testing.T) {
	for _, c := range []struct {
		start, host, token string
		want               int
	}{
		{"POST /nothing", "localhost", "secret", 405},
		{"POST /metrics", "localhost", "secret", 405},
		{"GET /nothing", "localhost", "secret", 404},
		{"POST /api/send", "localhost", "wrong", 401},
	} {
		synctest.Test(t, func(t *testing.T) {
			layer := store.Memory(store.Options{})
			defer layer.Close(t.Context())
			s, err := New(Options{Layer: layer, Token: "secret"})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Shutdown(t.Context()) }()
			resp, after, _ := onConnection(t, s, fmt.Sprintf("%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n", c.start, c.host, c.token))
			if resp.StatusCode != c.want || after > unreadTimeout {
				t.Errorf("%s: %s after %v", c.start, resp.Status, after)
			}
		})
	}
}

func TestResponsesMayTakeLongerThanBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		layer := store.Memory(store.Options{})
		defer layer.Close(t.Context())
		s, err := New(Options{Layer: layer, Token: "secret", Remote: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-time.After(5 * bodyTimeout):
			case <-r.Context().Done():
				w.WriteHeader(http.StatusTeapot)
			}
		})})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Shutdown(t.Context()) }()
		resp, after, _ := onConnection(t, s, "POST /layer/receive HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\nContent-Length: 2\r\n\r\n{}")
		if resp.StatusCode != 200 || after < 5*bodyTimeout {
			t.Errorf("%s after %v", resp.Status, after)
		}
	})
}
