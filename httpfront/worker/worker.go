// Package worker lets any http.Handler serve http.request: the way back from
// messages to net/http, for applications written in Go.
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
)

const (
	channelRequest    = "http.request"
	channelDisconnect = "http.disconnect"
)

// Options are how a [Worker] is set up. The zero value works.
type Options struct {
	// Concurrency is how many requests are handled at once. Default: 16.
	Concurrency int
	// KeepDisconnects leaves http.disconnect to other readers. Otherwise the
	// worker reads it too, and the context of a request ends when its client
	// has left. That needs the channel for itself: with several worker
	// processes each would take what is meant for another.
	KeepDisconnects bool
	// Log gets what handlers do wrong. Default: nothing.
	Log *slog.Logger
}

// A Worker answers requests with an http.Handler.
type Worker struct {
	layer   asgi.Layer
	handler http.Handler
	opts    Options
	log     *slog.Logger

	mu      sync.Mutex                    // guards the rest
	running map[string]context.CancelFunc // by reply channel
}

// New makes a worker that answers with the handler.
func New(layer asgi.Layer, handler http.Handler, opts Options) *Worker {
	if opts.Concurrency <= 0 {
		opts.Concurrency = 16
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Worker{layer: layer, handler: handler, opts: opts, log: opts.Log, running: make(map[string]context.CancelFunc)}
}

// Run receives and answers requests until the context ends, which is no error,
// or the layer fails. Requests that run by then are finished first.
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
	if !w.opts.KeepDisconnects {
		start(w.disconnects)
	}
	all.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// requests handles one request after another.
func (w *Worker) requests(ctx context.Context) error {
	for {
		cause := asgi.NewCause(0)
		d, err := w.layer.Receive(ctx, cause, channelRequest)
		if err != nil {
			return unlessDone(ctx, err)
		}
		w.handle(context.WithoutCancel(ctx), cause, d.Message)
	}
}

// disconnects ends the contexts of requests whose clients have left.
func (w *Worker) disconnects(ctx context.Context) error {
	for {
		d, err := w.layer.Receive(ctx, nil, channelDisconnect)
		if err != nil {
			return unlessDone(ctx, err)
		}
		w.mu.Lock()
		if cancel := w.running[d.Message.Text("reply_channel")]; cancel != nil {
			cancel()
		}
		w.mu.Unlock()
	}
}

func unlessDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// handle answers one request. A handler that panics answers 500, or cuts what
// it has begun.
func (w *Worker) handle(ctx context.Context, cause *asgi.Cause, m asgi.Message) {
	reply := m.Text("reply_channel")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.enter(reply, cancel)
	defer w.exit(reply)
	out := &response{ctx: ctx, layer: w.layer, cause: cause, channel: reply, header: make(http.Header)}
	r, err := newRequest(ctx, w.layer, cause, m)
	if err != nil {
		w.log.Error("a request cannot be handled", "channel", reply, "error", err)
		out.fail(http.StatusBadRequest)
		return
	}
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler {
				w.log.Error("a handler panicked", "channel", reply, "path", r.URL.Path, "panic", v)
			}
			out.fail(http.StatusInternalServerError)
		}
	}()
	w.handler.ServeHTTP(out, r)
	if err := out.finish(); err != nil && ctx.Err() == nil {
		w.log.Warn("a response could not be sent", "channel", reply, "error", err)
	}
}

func (w *Worker) enter(reply string, cancel context.CancelFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running[reply] = cancel
}

func (w *Worker) exit(reply string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, reply)
}
