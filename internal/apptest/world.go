package apptest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/httpfront"
	"asgibox/store"
	"asgibox/workerpool"
	"asgibox/workerpool/script"
)

// A world is the server of one test, with its layer, its application and its
// clients. It lives in a bubble. The goroutine of the test drives it: handlers go
// on only while the test waits for them.
type world struct {
	file      *file
	test      string // empty to look at the file only
	random    rand.Source
	choices   *choices
	explores  bool // the messages that a test sends in a row are handled together
	interrupt interrupt
	output    output
	log       *slog.Logger

	ctx    context.Context // of the test
	cancel context.CancelFunc
	store  *store.Store
	pool   *workerpool.Pool
	front  *httpfront.Server
	net    *listener
	loader *script.Loader
	// transport carries the requests of all clients.
	transport *http.Transport
	parts     sync.WaitGroup
	closes    []func() // close connections of the client

	schedule *schedule
}

func newWorld(f *file, test string, seed int, c *choices) *world {
	w := &world{file: f, test: test, random: &lockedSource{source: newSource(seed, "test "+test)}, choices: c}
	w.log = newLog(&w.output, f.app)
	return w
}

// live starts the server, loads the file of tests, calls use and lets all handlers
// end.
func (w *world) live(use func(*script.Tests) error) error {
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.store = store.Memory(store.Options{Log: w.log})
	w.net, w.schedule = newListener(), newSchedule(w.choices)
	defer w.stop()
	if err := w.start(); err != nil {
		return err
	}
	tests, err := w.tests()
	if err != nil {
		return err
	}
	defer tests.Close()
	if err := use(tests); err != nil {
		return err
	}
	return w.settle()
}

// end interrupts the test and waits until it has stopped.
func (w *world) end(done <-chan error, cause error) error {
	w.interrupt.stop(cause)
	select {
	case err := <-done:
		return err
	case <-time.After(stopLimit):
		return fmt.Errorf("%w and does not stop", cause)
	}
}

// start starts the server and loads the application.
func (w *world) start() error {
	var layer asgi.Layer = w.store
	if w.choices.faults {
		layer = faulty{w.store, w.schedule}
	}
	o := w.scriptOptions(layer)
	o.Coverage = w.file.coverage
	w.loader = script.NewLoader(w.file.app, o)
	loaded := make(chan struct{})
	var failed error
	var err error
	w.pool, err = workerpool.New(layer, w.loader, workerpool.Options{
		Log: w.log, ErrorPage: w.loader.Pages().ErrorPage,
		Loaded: func(_ workerpool.Generation, _ []string, err error) { failed = err; close(loaded) },
	})
	if err != nil {
		return err
	}
	if w.front, err = httpfront.New(w.store, httpfront.Options{Log: w.log}); err != nil {
		return err
	}
	w.transport = &http.Transport{DialContext: w.net.dial, DisableKeepAlives: true, DisableCompression: true}
	w.parts.Go(func() { _ = w.pool.Run(context.Background()) })
	w.parts.Go(func() { _ = w.front.Serve(context.Background(), w.net) })
	if err := w.wait(loaded, maxWait, "the application to load"); err != nil {
		return err
	}
	if failed != nil {
		return &appError{failed}
	}
	return nil
}

// scriptOptions returns the options of the application, some of which the file of
// tests shares.
func (w *world) scriptOptions(layer asgi.Layer) script.Options {
	o := w.file.options
	return script.Options{
		Layer: layer, Settings: o.Settings, Log: w.log, Random: w.random, Client: o.network.client(),
		Step: w.schedule.stop, Interrupt: w.interrupt.err, Follow: w.file.follow,
	}
}

// stop stops the server. That it cancels handlers is no output of the test, except
// after an interrupt.
func (w *world) stop() {
	if w.interrupt.err() == nil {
		w.output.end()
	}
	w.schedule.end()
	w.cancel()
	for _, f := range w.closes {
		f()
	}
	if w.front != nil {
		_ = w.front.Shutdown(w.ctx) // ends the requests that still run
	}
	w.net.Close()
	if w.pool != nil {
		w.pool.Shutdown(w.ctx)
	}
	w.parts.Wait()
	if w.transport != nil {
		w.transport.CloseIdleConnections()
	}
	_ = w.store.Close(context.Background()) // it holds nothing to save
}

// tests loads the file of tests. Its calls of the layer and the state run the
// handlers first, like those of the client.
func (w *world) tests() (*script.Tests, error) {
	o := w.scriptOptions(layer{w.store, w})
	o.Step = func(s script.Step) {
		if w.explores && strings.Contains(s.Call, "send") {
			waitForOthers() // as after a message to a WebSocket
		} else {
			_ = w.settle() // an interrupt ends the test anyway
		}
	}
	o.Names = builtins(w)
	return script.NewLoader(w.file.path, o).LoadTests(w.ctx)
}
