package remote_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/internal/guard"
	"asgibox/store"
)

// slowDisk is a layer whose calls raise the cause to a barrier that passes or
// fails when the test calls reach.
type slowDisk struct {
	*store.Store
	mu      sync.Mutex // guards err, reached and waiting
	err     error
	reached bool
	waiting []func(error)
	asked   chan struct{} // a token for each wait
}

func newSlowDisk(t testing.TB) *slowDisk {
	return &slowDisk{Store: memory(t, store.Options{}), asked: make(chan struct{}, 10)}
}

func (d *slowDisk) Passed(uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reached && d.err == nil
}

func (d *slowDisk) Notify(_ uint64, f func(error)) func() {
	d.mu.Lock()
	reached, err := d.reached, d.err
	if !reached {
		d.waiting = append(d.waiting, f)
	}
	d.mu.Unlock()
	if reached {
		f(err)
	}
	d.asked <- struct{}{}
	return func() {}
}

// reach makes the barrier pass, or fail with err.
func (d *slowDisk) reach(err error) {
	d.mu.Lock()
	waiting := d.waiting
	d.reached, d.err, d.waiting = true, err, nil
	d.mu.Unlock()
	for _, f := range waiting {
		f(err)
	}
}

func (d *slowDisk) Send(ctx context.Context, c *asgi.Cause, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	c.Raise(asgi.NewBarrier(d, 1))
	return d.Store.Send(ctx, nil, channel, m, opts...)
}

func (d *slowDisk) Poll(ctx context.Context, c *asgi.Cause, channels ...string) (asgi.Delivery, bool, error) {
	c.Raise(asgi.NewBarrier(d, 1))
	return d.Store.Poll(ctx, nil, channels...)
}

// inBackground makes a call in the background.
func inBackground(t *testing.T, call func() (int, string)) <-chan string {
	t.Helper()
	done := make(chan string, 1)
	go func() {
		_, got := call()
		done <- got
	}()
	return done
}

func TestResponseWaitsForTheDisk(t *testing.T) {
	for _, tt := range []struct{ call, body, want string }{
		{"send", `{"channel": "c", "message": {}}`, `{"outcome":"nothing reads this channel yet"}`},
		{"receive", `{"channels": "c"}`, `{"channel":null,"message":null}`},
	} {
		disk := newSlowDisk(t)
		s := serve(t, disk, guard.Options{})
		done := inBackground(t, func() (int, string) {
			status, got, _ := post(t, s, tt.call, tt.body)
			return status, got
		})
		<-disk.asked
		select {
		case got := <-done:
			t.Errorf("%s returned %s before the disk reached the barrier", tt.call, got)
		default:
		}
		disk.reach(nil)
		if got := <-done; got != tt.want {
			t.Errorf("%s: %s", tt.call, got)
		}
	}
}

func TestDiskFailureIsReportedAndKeepsTheMessage(t *testing.T) {
	disk := newSlowDisk(t)
	s := serve(t, disk, guard.Options{})
	disk.reach(asgi.ErrStoreFailed)
	refuses(t, s, "send", `{"channel": "c", "message": {"n": 1}}`, 503, "StoreFailed")
	refuses(t, s, "receive", `{"channels": "c"}`, 503, "StoreFailed")
	if d, ok, err := disk.Store.Poll(t.Context(), nil, "c"); err != nil || !ok || d.Message.Int("n") != 1 {
		t.Errorf("the message that was not delivered is gone: %v, %v", ok, err)
	}
}

func TestHangingUpLosesNoMessage(t *testing.T) {
	disk := newSlowDisk(t)
	s := serve(t, disk, guard.Options{})
	ctx := t.Context()
	if err := disk.Store.Send(ctx, nil, "c", asgi.MustMessage(asgi.Field{Key: "n", Value: 1})); err != nil {
		t.Fatal(err)
	}
	hangUp(t, s.URL, `{"channels": "c"}`, disk.asked)
	d, err := disk.Store.Receive(ctx, nil, "c")
	if err != nil || d.Message.Int("n") != 1 {
		t.Errorf("got %v, %v", d, err)
	}
}

func TestMessagePutBackIsNotSent(t *testing.T) {
	layer := memory(t, store.Options{})
	if err := layer.Send(t.Context(), nil, "c", asgi.Message{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	remote.NewHandler(layer, remote.Options{}).ServeHTTP(w,
		httptest.NewRequestWithContext(ctx, http.MethodPost, "/layer/receive", strings.NewReader(`{"channels": "c"}`)))
	if w.Code == http.StatusOK {
		t.Errorf("the message was sent: %s", w.Body)
	}
	if _, ok, err := layer.Poll(t.Context(), nil, "c"); err != nil || !ok {
		t.Errorf("the message did not go back: %v, %v", ok, err)
	}
}

func TestHangingUpEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		layer := memory(t, store.Options{})
		client := pipeServer(t, remote.NewHandler(layer, remote.Options{}))
		ctx, cancel := context.WithCancel(t.Context())
		done := parkOver(t, ctx, client)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
		synctest.Wait()
		if err := layer.Send(t.Context(), nil, "c", asgi.Message{}); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := layer.Poll(t.Context(), nil, "c"); err != nil || !ok {
			t.Errorf("the message went to the receiver that hung up: %v, %v", ok, err)
		}
	})
}

func TestCloseEndsWaitingReceives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := remote.NewHandler(memory(t, store.Options{}), remote.Options{})
		done := parkOver(t, t.Context(), pipeServer(t, h))
		h.Close()
		if err := <-done; err == nil || err.Error() != "503 Service Unavailable" {
			t.Errorf("err = %v, want 503", err)
		}
	})
}

func TestReceiveTimeout(t *testing.T) {
	for _, tt := range []struct {
		timeout string
		want    time.Duration
	}{{"", 30 * time.Second}, {`, "timeout": 2.5`, 2500 * time.Millisecond}, {`, "timeout": 10000`, 300 * time.Second}, {`, "timeout": 0`, 0}} {
		synctest.Test(t, func(t *testing.T) {
			client := pipeServer(t, remote.NewHandler(memory(t, store.Options{}), remote.Options{}))
			begin := time.Now()
			res, err := client.Post("http://pipe/layer/receive", "application/json", strings.NewReader(`{"channels": "c", "block": true`+tt.timeout+`}`))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if took := time.Since(begin); took != tt.want || res.StatusCode != http.StatusOK {
				t.Errorf("timeout %q: %s after %v", tt.timeout, res.Status, took)
			}
		})
	}
}

// parkOver starts a receive that waits at the server. The channel receives its
// error, or its status as an error unless that is 200.
func parkOver(t *testing.T, ctx context.Context, client *http.Client) <-chan error {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://pipe/layer/receive", strings.NewReader(`{"channels": "c", "block": true}`))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		res, err := client.Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode != http.StatusOK {
				err = errors.New(res.Status)
			}
		}
		done <- err
	}()
	synctest.Wait()
	return done
}

// hangUp starts a receive, and closes the connection once started has a value.
func hangUp(t *testing.T, url, body string, started <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+remote.Prefix+"receive", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := http.DefaultTransport.RoundTrip(req)
		done <- err
	}()
	<-started
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

func TestReceiveContinuesAfterServerRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		layer := memory(t, store.Options{})
		l := newPipes()
		client := &http.Client{Transport: &http.Transport{DialContext: l.dial}}
		stop := serveOn(t, l, layer)
		c, err := remote.Dial(t.Context(), "http://pipe", remote.ClientOptions{HTTP: client, Log: slog.New(slog.NewTextHandler(&out, nil))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		got := make(chan asgi.Delivery, 2)
		for range cap(got) {
			go func() {
				d, err := c.Receive(t.Context(), nil, "c")
				if err != nil {
					t.Error(err)
				}
				got <- d
			}()
		}
		synctest.Wait()
		stop()
		time.Sleep(10 * time.Second)
		if d, ok, err := c.Poll(t.Context(), nil, "c"); ok || err != nil {
			t.Errorf("polled %v, %v, %v while no server runs", d, ok, err)
		}
		l.reopen()
		t.Cleanup(serveOn(t, l, layer))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for _, text := range []string{"cannot be reached", "reached again"} {
			if n := strings.Count(out.String(), text); n != 1 {
				t.Errorf("%q was logged %d times: %s", text, n, out.String())
			}
		}
		for range cap(got) {
			if err := layer.Send(t.Context(), nil, "c", asgi.MustMessage(asgi.Field{Key: "n", Value: 1})); err != nil {
				t.Fatal(err)
			}
			if d := <-got; d.Message.Int("n") != 1 {
				t.Errorf("got %v", d)
			}
		}
	})
}

// serveOn serves a layer until stop is called.
func serveOn(t *testing.T, l *pipes, layer asgi.Layer) (stop func()) {
	t.Helper()
	h := remote.NewHandler(layer, remote.Options{})
	server := &http.Server{Handler: h}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	return func() {
		h.Close()
		server.Close()
		<-served
	}
}
