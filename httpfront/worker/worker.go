// Package worker lets any http.Handler serve http.request. It turns messages
// back into net/http requests, for applications written in Go.
//
// It is a worker like any other. It may run in the process of the protocol
// server or in another one, beside workers in other languages.
package worker

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// Options configure a [Worker]. The zero value works.
type Options struct {
	// Concurrency is the number of requests handled at once. Default: 16.
	Concurrency int
	// SkipDisconnects leaves http.disconnect to other readers. By default the
	// worker reads that channel, and the context of a request is done when
	// its client disconnects. This needs the channel for one worker process:
	// several would receive each other's messages.
	SkipDisconnects bool
	// Log receives errors of handlers. Default: no log.
	Log *slog.Logger
}

// A Worker serves requests with an http.Handler.
type Worker struct {
	layer   asgi.Layer
	readers asgi.Readers // nil if the layer does not know whether a client exists
	handler http.Handler
	opts    Options
	log     *slog.Logger

	mu      sync.Mutex                    // guards the rest
	running map[string]context.CancelFunc // by reply channel
}

// New returns a worker that serves requests with the handler.
func New(layer asgi.Layer, handler http.Handler, opts Options) *Worker {
	if opts.Concurrency <= 0 {
		opts.Concurrency = 16
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	w := &Worker{layer: layer, handler: handler, opts: opts, log: opts.Log, running: make(map[string]context.CancelFunc)}
	w.readers, _ = asgi.As[asgi.Readers](layer)
	return w
}

// Run receives and serves requests until the context is done, when it returns
// nil, or the layer fails. It finishes running requests first.
func (w *Worker) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var all sync.WaitGroup
	start := func(f func(context.Context) error) {
		all.Go(func() {
			if err := f(ctx); err != nil {
				cancel(err)
			}
		})
	}
	for range w.opts.Concurrency {
		start(w.requests)
	}
	if !w.opts.SkipDisconnects {
		start(w.disconnects)
	}
	all.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// requests receives and serves one request after another.
func (w *Worker) requests(ctx context.Context) error {
	for {
		cause := asgi.NewCause(0)
		d, err := w.layer.Receive(ctx, cause, asgi.HTTPRequest)
		if err != nil {
			return ignoreDone(ctx, err)
		}
		w.handle(context.WithoutCancel(ctx), cause, d.Message)
	}
}

// disconnects cancels the contexts of requests whose clients disconnect.
func (w *Worker) disconnects(ctx context.Context) error {
	for {
		d, err := w.layer.Receive(ctx, nil, asgi.HTTPDisconnect)
		if err != nil {
			return ignoreDone(ctx, err)
		}
		w.mu.Lock()
		if cancel := w.running[d.Message.Text(asgi.KeyReplyChannel)]; cancel != nil {
			cancel()
		}
		w.mu.Unlock()
	}
}

func ignoreDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// handle serves one request. If the handler panics, the client gets 500, or the
// response is aborted if it has started.
func (w *Worker) handle(ctx context.Context, cause *asgi.Cause, m asgi.Message) {
	reply := m.Text(asgi.KeyReplyChannel)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.register(reply, cancel)
	defer w.unregister(reply)
	if w.isGone(reply) { // its disconnect came before the request was registered
		cancel()
	}
	out := &response{ctx: ctx, layer: w.layer, cause: cause, channel: reply, isHead: m.Text(asgi.KeyMethod) == http.MethodHead, header: make(http.Header)}
	r, err := newRequest(ctx, w.layer, cause, m)
	if err != nil {
		w.log.Error("a request cannot be handled", logkey.Channel, reply, logkey.Error, err)
		out.fail(http.StatusBadRequest)
		return
	}
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler {
				w.log.Error("a handler panicked", logkey.Channel, reply, logkey.Path, r.URL.Path, "panic", v)
			}
			out.fail(http.StatusInternalServerError)
		}
	}()
	w.handler.ServeHTTP(out, r)
	if err := out.finish(); err != nil && ctx.Err() == nil && !errors.Is(err, asgi.ErrGone) {
		w.log.Warn("a response could not be sent", logkey.Channel, reply, logkey.Error, err)
	}
}

// isGone reports whether the server of a reply channel is there, but its client has left.
func (w *Worker) isGone(reply string) bool {
	return w.readers != nil && !w.readers.HasReader(reply) && w.readers.HasReader(asgi.ProcessPrefix(reply))
}

func (w *Worker) register(reply string, cancel context.CancelFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running[reply] = cancel
}

func (w *Worker) unregister(reply string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, reply)
}
