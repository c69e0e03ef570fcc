package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"asgibox/asgi"
	"asgibox/asgi/chaos"
	"asgibox/httpfront"
	"asgibox/httpfront/udp"
	"asgibox/internal/console"
	"asgibox/reload"
	"asgibox/store"
	"asgibox/workerpool"
	"asgibox/workerpool/script"
)

// memoryStore is what --store says for a store without a file.
const memoryStore = "memory"

// server is everything that run has started.
type server struct {
	app      string
	options  *options
	stderr   io.Writer
	urls     []string // where browsers find it
	keyboard *os.File // nil where nobody sits
	written  []string // files that our own output goes to
	log      *slog.Logger

	store   *store.Store
	chaos   *chaos.Layer      // nil without --chaos and without the control server
	front   *httpfront.Server // nil for a worker of another process
	packets net.PacketConn    // nil without --udp
	udp     *udp.Server       // nil without --udp
	loader  *script.Loader
	pool    *workerpool.Pool        // nil with --no-workers
	watcher *reload.Watcher         // nil with --no-reload
	control atomic.Pointer[control] // nil with --control off, and until it is built
}

// serve runs an application until the context ends or something fails that
// it cannot do without.
func serve(ctx context.Context, app string, o *options, stdin io.Reader, stdout, stderr io.Writer) error {
	s := &server{app: app, options: o, stderr: stderr, written: written(stdout, stderr)}
	s.log = slog.New(watchedLog{Handler: o.newLog(stderr, s.explain).Handler(), server: s})
	if err := s.readable(); err != nil {
		return err
	}
	// First, so that a second server of the same store says where the first is.
	if err := s.openStore(); err != nil {
		return err
	}
	return errors.Join(s.open(ctx, stdin, stdout), s.closeStore())
}

// open listens, and serves until it is over.
func (s *server) open(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	o := s.options
	listeners, err := o.listen.open()
	if err != nil {
		return err
	}
	defer closeAll(listeners)
	if s.packets, err = o.listenUDP(); err != nil {
		return err
	}
	if s.packets != nil {
		defer s.packets.Close()
	}
	if err := s.secure(); err != nil {
		return err
	}
	look, err := openControl(o.control)
	if err != nil {
		return err
	}
	if look != nil {
		defer look.Close()
	}
	access, accessLog, err := o.access(s.log, stdout)
	if err != nil {
		return err
	}
	defer accessLog.Close()
	o.front.Access = s.visited(access)
	s.urls = urls(listeners, o.front.TLS != nil)
	s.keyboard = o.keyboard(stdin, s.stderr)
	if err := s.build(look); err != nil {
		return err
	}
	s.banner()
	return s.run(ctx, listeners)
}

// readable finds out early what no reload would mend.
func (s *server) readable() error {
	if s.options.noWorkers {
		return nil
	}
	info, err := os.Stat(s.app)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: there is no such file", s.app)
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a folder: give the application's file, like %s", s.app, filepath.Join(s.app, "app.star"))
	}
	f, err := os.Open(s.app)
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", s.app, pathReason(err))
	}
	return f.Close()
}

func pathReason(err error) error {
	var failed *os.PathError
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// openStore opens the channel layer.
func (s *server) openStore() (err error) {
	o := s.options
	o.store.Log = s.log
	if o.storePath == memoryStore {
		s.store = store.Memory(o.store)
		return nil
	}
	if o.storePath == "" {
		folder, err := s.folder()
		if err != nil {
			return err
		}
		o.storePath = filepath.Join(folder, "channels.db")
	}
	s.store, err = store.Open(o.storePath, o.store)
	return err
}

// layer is the store. Chaos stands before it with --chaos, and where the
// control server may ask for it.
func (s *server) layer(look net.Listener) asgi.Layer {
	if len(s.options.chaos) == 0 && look == nil {
		return s.store
	}
	s.chaos = chaos.New(s.store, chaos.Options{Rules: s.options.chaos, Log: s.log})
	return s.chaos
}

// closeStore commits what is left to commit.
func (s *server) closeStore() error {
	if s.chaos != nil {
		s.chaos.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.store.Close(ctx)
}

// build makes the rooms and shows each the layer, and nothing else.
func (s *server) build(look net.Listener) (err error) {
	layer := s.layer(look)
	s.options.front.Log = s.log
	if s.front, err = httpfront.New(layer, s.options.front); err != nil {
		return err
	}
	if s.packets != nil {
		s.udp = udp.New(layer, udp.Options{Log: s.log})
	}
	if !s.options.noWorkers {
		if err = s.buildPool(layer); err != nil {
			return err
		}
	}
	if look == nil {
		return nil
	}
	if err = s.buildControl(layer, look, firstHTTP(s.urls)); err != nil {
		return err
	}
	return s.store.Announce(s.control.Load().url())
}

// buildPool makes the workers, and what has them load the application anew.
func (s *server) buildPool(layer asgi.Layer) (err error) {
	o := s.options
	o.script.Layer, o.script.Log = layer, s.log
	s.loader = script.NewLoader(s.app, o.script)
	o.pool.Handled = s.showHandled
	o.pool.Log, o.pool.Loaded, o.pool.ErrorPage = s.log, s.loaded, s.loader.ErrorPage
	if s.pool, err = workerpool.New(layer, s.loader, o.pool); err != nil {
		return err
	}
	if o.noReload {
		return nil
	}
	s.watcher, err = reload.New(reload.Options{
		Root:   filepath.Dir(s.app),
		Poll:   o.poll,
		Ignore: append(s.written, o.storePath, o.accessLog, o.listen.unix),
		Log:    s.log,
	})
	if err == nil {
		s.watcher.Follow(s.app, filepath.Join(filepath.Dir(s.app), ".env"))
	}
	return err
}

// run has the rooms work until the context ends, or one of them fails, and
// then ends them in order.
func (s *server) run(ctx context.Context, listeners []net.Listener) error {
	// The rooms end when they are told to, not when the context does: what
	// they have begun is to be finished.
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	tasks, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	watching, stopWatching := context.WithCancel(failed)
	defer stopWatching()
	hearing, stopHearing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHearing()
	if s.udp != nil {
		tasks.Go(func() error { return s.udp.Serve(hearing, s.packets) })
	}
	if s.front != nil {
		tasks.Go(func() error {
			err := s.front.Serve(context.WithoutCancel(ctx), listeners...)
			if errors.Is(err, http.ErrServerClosed) && ctx.Err() != nil {
				return nil // it was stopped before it began
			}
			return err
		})
	}
	if s.pool != nil {
		tasks.Go(func() error { return s.pool.Run(context.WithoutCancel(ctx)) })
	}
	if s.watcher != nil {
		tasks.Go(func() error {
			return s.watcher.Run(watching, func(changed []string) { s.reload(watching, changed) })
		})
	}
	if c := s.control.Load(); c != nil {
		tasks.Go(func() error { return c.Serve(context.WithoutCancel(ctx), c.listener) })
	}
	if s.keyboard != nil {
		tasks.Go(func() error { return s.hearKeys(watching, quit) })
	}
	select {
	case <-ctx.Done():
		s.log.Info("stopping; Ctrl-C once more stops at once")
	case <-failed.Done():
	}
	stopWatching()
	s.shutdown(stopHearing)
	return tasks.Wait()
}

// shutdown ends the rooms in the order that loses nothing: first no more
// durable work is taken, then sockets are finished and closed, then what they
// left for workers is done. The store is closed last, by whoever opened it.
func (s *server) shutdown(stopHearing func()) {
	grace, cancel := context.WithTimeout(context.Background(), s.options.front.Grace)
	defer cancel()
	if s.pool != nil {
		s.pool.Drain()
	}
	stopHearing()
	if s.front != nil {
		if err := s.front.Shutdown(grace); err != nil {
			s.log.Warn("some connections were cut", "err", err)
		}
	}
	if s.pool != nil {
		s.pool.Shutdown(grace)
	}
	if c := s.control.Load(); c != nil {
		if err := c.Shutdown(grace); err != nil {
			s.log.Debug("the control server was cut", "err", err)
		}
	}
}

// reload loads the application anew.
func (s *server) reload(ctx context.Context, changed []string) {
	// Loaded reports either outcome.
	if _, err := s.pool.Reload(ctx, changed...); err == nil {
		s.watcher.Follow(s.loader.Files()...)
	}
}

// loaded reports the outcome of a load in one line. Changed is empty for the
// first load.
func (s *server) loaded(g workerpool.Generation, changed []string, err error) {
	s.showLoad(g, changed, err)
	what := describe(changed)
	first := what == ""
	app := filepath.Base(s.app)
	switch {
	case first && err == nil:
		s.log.Info(fmt.Sprintf("loaded %s, generation %d, %s", app, g.Number, console.Took(g.Took)))
	case first:
		s.log.Error(fmt.Sprintf("%s does not load, every request is answered with the reason until it is mended", app), "err", err)
	case err == nil:
		kept := ""
		if s.front != nil {
			kept = fmt.Sprintf(", %s kept", count(s.front.Sockets(), "socket"))
		}
		s.log.Info(fmt.Sprintf("reloaded %s, generation %d, %s%s", what, g.Number, console.Took(g.Took), kept))
	case g.Number > 1:
		s.log.Error(fmt.Sprintf("reload of %s failed, generation %d goes on", what, g.Number-1), "err", err)
	default:
		s.log.Error(fmt.Sprintf("reload of %s failed", what), "err", err)
	}
}

// describe names what changed.
func describe(changed []string) string {
	switch len(changed) {
	case 0:
		return ""
	case 1:
		return changed[0]
	}
	return fmt.Sprintf("%s and %d more", changed[0], len(changed)-1)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
