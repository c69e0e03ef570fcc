package worker_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"asgibox/asgi"
	"asgibox/httpfront"
	"asgibox/httpfront/worker"
	"asgibox/store"
)

// serve runs a handler behind a layer and a protocol server and returns its URL.
func serve(t *testing.T, h http.HandlerFunc, opts worker.Options) (url string, layer *store.Store) {
	t.Helper()
	layer = store.Memory(store.Options{})
	front, err := httpfront.New(layer, httpfront.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(front)
	httpfront.ConfigureServer(server.Config)
	server.Start()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- worker.New(layer, h, opts).Run(ctx) }()
	t.Cleanup(func() {
		server.Close()
		front.Shutdown(context.Background())
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		layer.Close(context.Background())
	})
	return server.URL, layer
}

func do(t *testing.T, r *http.Request) (*http.Response, string, error) {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

func TestHandlerGetsTheOriginalRequest(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 100_000) // 1.6 MB, over the body channel
	seen := make(chan *http.Request, 1)
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != long || r.ContentLength != int64(len(long)) {
			t.Errorf("body of %d bytes, announced %d: %v", len(body), r.ContentLength, err)
		}
		seen <- r
		w.Header().Add("X-A", "1")
		w.Header().Add("X-A", "2")
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "short and stout")
	}, worker.Options{})
	r, _ := http.NewRequest("PUT", url+"/a%20b?c=%20d", strings.NewReader(long))
	r.Header.Set("X-B", "b")
	r.Host = "example.com"
	res, body, err := do(t, r)
	if err != nil || res.StatusCode != 418 || body != "short and stout" || len(res.Header.Values("X-A")) != 2 {
		t.Errorf("%v %v %q, %v", res.Status, res.Header, body, err)
	}
	got := <-seen
	if got.Method != "PUT" || got.URL.Path != "/a b" || got.URL.RawQuery != "c=%20d" || got.RequestURI != "/a%20b?c=%20d" ||
		got.Host != "example.com" || got.Header.Get("X-B") != "b" || got.Header.Get("Host") != "" ||
		got.Proto != "HTTP/1.1" || !strings.HasPrefix(got.RemoteAddr, "127.0.0.1:") || got.TLS != nil {
		t.Errorf("the handler saw %+v", got)
	}
}

func TestHandlerStreams(t *testing.T) {
	next := make(chan string)
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for s := range next {
			io.WriteString(w, s)
			w.(http.Flusher).Flush()
		}
	}, worker.Options{})
	go func() { next <- "one" }()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for _, s := range []string{"one", "two"} {
		buf := make([]byte, 3)
		if _, err := io.ReadFull(res.Body, buf); err != nil || string(buf) != s {
			t.Errorf("got %q, %v", buf, err)
		}
		if s == "one" {
			next <- "two"
		}
	}
	close(next)
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
		t.Errorf("rest %q, %v", rest, err)
	}
}

func TestLongResponseComesWhole(t *testing.T) {
	const size = 20 << 20 // more than a mailbox holds
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		piece := strings.Repeat("x", 100_000)
		for n := size; n > 0; n -= len(piece) {
			io.WriteString(w, piece[:min(n, len(piece))])
		}
	}, worker.Options{})
	r, _ := http.NewRequest("GET", url, nil)
	if _, body, err := do(t, r); err != nil || len(body) != size {
		t.Errorf("%d bytes, %v", len(body), err)
	}
}

func TestHandlerPanicSends500OrAborts(t *testing.T) {
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			io.WriteString(w, "started")
			w.(http.Flusher).Flush()
		}
		panic("on purpose")
	}, worker.Options{Log: slog.New(slog.DiscardHandler)})
	r, _ := http.NewRequest("GET", url, nil)
	if res, _, err := do(t, r); err != nil || res.StatusCode != 500 {
		t.Errorf("%v, %v", res.Status, err)
	}
	r, _ = http.NewRequest("GET", url+"/late", nil)
	if res, body, err := do(t, r); err == nil || res.StatusCode != 200 {
		t.Errorf("%v %q, %v", res.Status, body, err)
	}
}

func TestContextIsCanceledWhenTheClientDisconnects(t *testing.T) {
	running, left := make(chan bool), make(chan error, 1)
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		running <- true
		<-r.Context().Done()
		left <- r.Context().Err()
	}, worker.Options{})
	ctx, leave := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
	go func() {
		<-running
		leave()
	}()
	if res, err := http.DefaultClient.Do(r); err == nil {
		res.Body.Close()
		t.Error("the request got a response")
	}
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

func TestWriteFailsWhenTheClientHasLeft(t *testing.T) {
	ended := make(chan error, 1)
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := io.WriteString(w, "x\n"); err != nil {
				ended <- err
				return
			}
			http.NewResponseController(w).Flush()
		}
	}, worker.Options{SkipDisconnects: true})
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if err := <-ended; !errors.Is(err, asgi.ErrGone) {
		t.Errorf("err = %v, want %v", err, asgi.ErrGone)
	}
}

func TestBrokenUploadIsAnError(t *testing.T) {
	got := make(chan error, 1)
	layer := store.Memory(store.Options{})
	defer layer.Close(context.Background())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- worker.New(layer, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			got <- err
		}), worker.Options{}).Run(ctx)
	}()
	piece := asgi.MustMessage(asgi.Field{Key: "content", Value: "b"}, asgi.Field{Key: "closed", Value: true})
	if err := layer.Send(ctx, nil, "http.request.body?x", piece); err != nil {
		t.Fatal(err)
	}
	if err := layer.Send(ctx, nil, "http.request", asgi.MustMessage(
		asgi.Field{Key: "reply_channel", Value: "a!b"}, asgi.Field{Key: "method", Value: "POST"}, asgi.Field{Key: "path", Value: "/"},
		asgi.Field{Key: "body", Value: asgi.Bytes("a")}, asgi.Field{Key: "body_channel", Value: "http.request.body?x"},
	)); err != nil {
		t.Fatal(err)
	}
	if err := <-got; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("err = %v", err)
	}
	stop()
	<-ended
}

func TestInvalidRequestGets400(t *testing.T) {
	url, layer := serve(t, func(w http.ResponseWriter, r *http.Request) {}, worker.Options{})
	if err := layer.Send(t.Context(), nil, "http.request", asgi.MustMessage(asgi.Field{Key: "reply_channel", Value: "me!1"})); err != nil {
		t.Fatal(err)
	}
	d, err := layer.Receive(t.Context(), nil, "me!")
	if err != nil || d.Message.Int("status") != 400 {
		t.Errorf("got %v, %v", d.Message, err)
	}
	r, _ := http.NewRequest("GET", url, nil) // and it goes on
	if res, _, err := do(t, r); err != nil || res.StatusCode != 200 {
		t.Errorf("%v, %v", res.Status, err)
	}
}

// TestBodiesStreamBothWays checks HTTP/1.1 and HTTP/2 with an echo of more data
// than any buffer holds.
func TestBodiesStreamBothWays(t *testing.T) {
	layer := store.Memory(store.Options{})
	front, err := httpfront.New(layer, httpfront.Options{H2C: true})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- front.Serve(ctx, l) }()
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	go func() { ended <- worker.New(layer, echo, worker.Options{}).Run(ctx) }()
	defer func() {
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		layer.Close(context.Background())
	}()
	const size = 24 << 20
	for _, http2 := range []bool{false, true} {
		p := new(http.Protocols)
		p.SetHTTP1(!http2)
		p.SetUnencryptedHTTP2(http2)
		tr := &http.Transport{Protocols: p}
		body := io.LimitReader(strings.NewReader(strings.Repeat("0123456789abcdef", size/16)), size)
		res, err := (&http.Client{Transport: tr}).Post("http://"+l.Addr().String(), "text/plain", struct{ io.Reader }{body})
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		res.Body.Close()
		tr.CloseIdleConnections()
		if n != size || err != nil || res.ProtoMajor == 2 != http2 {
			t.Errorf("%s: %d bytes came back, %v", res.Proto, n, err)
		}
	}
}

// TestHeadOfALongResponseIsWrittenWithoutErrors uses a handler that writes more
// than one message. The response is complete after the first.
func TestHeadOfALongResponseIsWrittenWithoutErrors(t *testing.T) {
	written := make(chan error, 1)
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var err error
		for range 10 {
			if _, e := io.WriteString(w, strings.Repeat("x", 50_000)); e != nil {
				err = e
			}
		}
		written <- err
	}, worker.Options{})
	r, _ := http.NewRequest("HEAD", url, nil)
	res, body, err := do(t, r)
	if err != nil || res.StatusCode != 200 || body != "" {
		t.Errorf("%v %q, %v", res.Status, body, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// TestContextIsCanceledIfTheClientLeftBefore checks requests whose clients have left while
// they waited for a worker: that of the one with its server there is canceled.
func TestContextIsCanceledIfTheClientLeftBefore(t *testing.T) {
	layer := store.Memory(store.Options{})
	defer layer.Close(t.Context())
	unbind, err := layer.Bind("front!", func(d asgi.Delivery) error {
		if d.Channel == "front!gone" {
			return asgi.ErrGone
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unbind()
	canceled := make(chan bool, 1)
	handler := func(w http.ResponseWriter, r *http.Request) { canceled <- r.Context().Err() != nil }
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- worker.New(layer, http.HandlerFunc(handler), worker.Options{}).Run(ctx) }()
	for reply, want := range map[string]bool{"front!gone": true, "front!there": false, "unread!a": false} {
		m := asgi.MustMessage(asgi.Fields{{Key: "method", Value: "GET"}, {Key: "path", Value: "/"}, {Key: "reply_channel", Value: reply}}...)
		if err := layer.Send(t.Context(), nil, "http.request", m, asgi.Volatile); err != nil {
			t.Fatal(err)
		}
		if got := <-canceled; got != want {
			t.Errorf("%s: canceled %v", reply, got)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
