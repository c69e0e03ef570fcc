// Package devserver connects the packages that make a running server: it opens
// the store or the layer on Redis, gives its layer to the protocol server, the workers and the
// inspector, starts them, and stops them in an order that loses nothing.
package devserver

import (
	"context"
	"crypto/tls"
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
	"asgibox/internal/lineout"
	"asgibox/internal/logkey"
	"asgibox/store"
	"asgibox/workerpool"
	"asgibox/workerpool/process"
)

// server is a running server and everything that it has started.
type server struct {
	app         Application
	options     Options
	stderr      io.Writer
	out         io.Writer // the same for texts; holds up nobody
	log         *slog.Logger
	urls        []string       // addresses for browsers on this machine
	networkURLs []string       // addresses for browsers on other machines, if they differ
	local       bool           // only clients on this machine can connect
	dataFile    string         // the store's file, or MemoryStore
	keyboard    *os.File       // nil without a terminal
	listeners   []net.Listener // of the welcome page, for the application; nil without
	tls         *tls.Config    // of the protocol server; nil without TLS
	user        *user          // nil unless the server runs for a function
	launch      *launcher      // nil for Starlark, and with --no-workers
	guests      bool           // programs that this server did not start may connect to the socket

	store       *store.Store    // nil if the layer is on Redis
	redis       *redisLayer     // nil if the layer is the store
	chaos       *chaos.Layer    // nil without --chaos and without a control server
	layer       asgi.Layer      // the store or Redis, or the chaos layer before it
	socket      *process.Server // for workers in other processes; nil if there can be none
	front       *httpfront.Server
	packets     net.PacketConn          // nil without --udp
	udp         *udp.Server             // nil without --udp
	generations *generations            // nil with --no-workers
	control     atomic.Pointer[control] // nil with --control off, and until it is built
}

// Serve runs the application until ctx ends or a part of the server fails. It
// returns after everything that it started has ended.
func Serve(ctx context.Context, app Application, o Options, stdin io.Reader, stdout, stderr io.Writer) error {
	s := &server{app: app, options: o, stderr: stderr, guests: true}
	return s.serve(ctx, stdin, stdout)
}

func (s *server) serve(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	o, stderr := s.options, s.stderr
	s.out = lineout.New(stderr, nil, nil)
	s.log = slog.New(inspectedLog{Handler: newLog(&o, stderr), reporter: s.reporter()})
	if !o.NoWorkers && o.Welcome != nil && !fileExists(s.app.Path) {
		listeners, err := s.awaitApplication(ctx)
		if err != nil || ctx.Err() != nil {
			closeAll(listeners)
			return err
		}
		s.listeners = listeners
	}
	defer closeAll(s.listeners)
	if !o.NoWorkers {
		if err := s.app.check(); err != nil {
			return err
		}
		var err error
		if s.launch, err = newLauncher(ctx, s.log, s.app, &s.options); err != nil {
			return unlessStopped(ctx, err)
		}
		defer s.launch.end(s.log)
	}
	// The store comes first, so that a second server on the same store reports
	// where the first one is.
	if err := s.openStore(ctx); err != nil {
		return err
	}
	return errors.Join(s.open(ctx, stdin, stdout), s.closeStore())
}

// open opens the listeners and serves until the end.
func (s *server) open(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	o := &s.options
	listeners, err := s.listeners, error(nil)
	if listeners == nil {
		if listeners, err = o.Listen.Open(); err != nil {
			return err
		}
		defer closeAll(listeners)
	}
	if s.packets, err = o.Listen.openUDP(); err != nil {
		return err
	}
	if s.packets != nil {
		defer s.packets.Close()
	}
	front := o.Front
	if s.tls == nil {
		if s.tls, err = s.tlsConfig(); err != nil {
			return err
		}
	}
	front.TLS = s.tls
	controlListener, err := ListenControl(o.Control)
	if err != nil {
		return err
	}
	if controlListener != nil {
		defer controlListener.Close()
	}
	if sameFile(o.AccessLog, s.dataFile) {
		return fmt.Errorf("%s is the file of both --store and --access-log; choose two files", s.dataFile)
	}
	access, accessLog, err := openAccessLog(o.AccessLog, s.log, stdout)
	if err != nil {
		return err
	}
	defer accessLog.Close()
	s.urls, s.networkURLs, s.local = urls(listeners, front.TLS != nil), networkURLs(listeners, front.TLS != nil), onlyLocal(listeners)
	s.keyboard = keyboard(o, stdin, s.stderr)
	front.Access = access
	written := append(outputFiles(stdout, s.stderr), o.AccessLog, o.Listen.Unix)
	if err := s.build(front, written, controlListener != nil); err != nil {
		return err
	}
	if controlListener != nil {
		if err := s.buildControl(controlListener, controlToken(controlListener)); err != nil {
			return err
		}
		if s.store != nil {
			if err := s.store.Announce(s.control.Load().url()); err != nil {
				return err
			}
		}
	}
	if s.redis != nil {
		s.redis.SetCounts(s.counts)
	}
	s.banner()
	return s.run(ctx, listeners)
}

// build makes the parts between the listeners: the layer, the protocol server
// and the workers. The files in written are not watched.
func (s *server) build(front httpfront.Options, written []string, inspected bool) (err error) {
	s.layer = s.openLayer(inspected)
	if s.socket, err = s.openSocket(); err != nil {
		return err
	}
	front.Log, front.Access, front.Workerless = s.log, s.visited(front.Access), s.options.NoWorkers
	if !s.options.NoWorkers && !s.options.Pages.Production {
		front.Own = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.generations.pages.ServeHTTP(w, r) })
	}
	if s.front, err = httpfront.New(s.layer, front); err != nil {
		return err
	}
	if s.packets != nil {
		s.udp = udp.New(s.layer, udp.Options{Log: s.log})
	}
	if s.options.NoWorkers {
		return nil
	}
	events := poolEvents{sockets: s.front.Sockets, loaded: s.showLoad, handled: s.showHandled, failed: func(f workerpool.Failure) { s.reporter().failed(s.log, f) }, inspect: s.errorURL, local: s.local, launch: s.launch, socket: s.socket, url: s.workersURL}
	if s.user != nil {
		events.first = s.user.loaded
	}
	s.generations, err = newGenerations(s.app, &s.options, s.layer, s.log, append(written, s.dataFile), events)
	return err
}

// openStore opens the store or, with --layer, the layer on Redis.
func (s *server) openStore(ctx context.Context) (err error) {
	if s.options.Redis != nil {
		s.redis, err = openRedis(ctx, &s.options, s.log)
		return err
	}
	o := s.options.Store
	o.Log = s.log
	s.dataFile = s.options.DataFile
	if s.dataFile == MemoryStore {
		s.store = store.Memory(o)
		return nil
	}
	if s.dataFile == "" {
		folder, err := dataFolder(s.app.Folder)
		if err != nil {
			return err
		}
		s.dataFile = filepath.Join(folder, dataFileName)
	}
	o.Reserved = filepath.Base(s.dataFile) == dataFileName && filepath.Base(filepath.Dir(s.dataFile)) == dataFolderName
	if s.store, err = store.Open(s.dataFile, o); err != nil && filepath.Clean(s.dataFile) == MemoryStore {
		err = fmt.Errorf("%w; to save nothing, pass --store memory", err)
	}
	return err
}

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// openLayer returns the store or the layer on Redis, behind a chaos layer if there
// are rules or the inspector may add some.
func (s *server) openLayer(inspected bool) asgi.Layer {
	var layer asgi.Layer = s.store
	if s.redis != nil {
		layer = s.redis
	}
	if len(s.options.Chaos) == 0 && !inspected {
		return layer
	}
	limits, capacity := s.options.Store, layer.Settings().Capacity
	s.chaos = chaos.New(layer, chaos.Options{
		Rules: s.options.Chaos, Log: s.log, Memory: limits.Memory,
		Capacity: func(channel string) int {
			return store.CapacityOf(limits.ChannelCapacity, capacity, asgi.ProcessPrefix(channel))
		},
	})
	return s.chaos
}

// closeStore commits what is staged and closes the store, or closes the layer on
// Redis.
func (s *server) closeStore() error {
	s.closeSocket(context.Background()) // unless shutdown has done it
	if s.chaos != nil {
		s.chaos.Close()
	}
	if s.redis != nil {
		return s.redis.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.store.Close(ctx)
}

// run runs all parts until ctx ends or one of them fails, then stops them in
// order.
func (s *server) run(ctx context.Context, listeners []net.Listener) error {
	// Each part is stopped by a call and not by ctx, so that it can finish the
	// work that it has started.
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	unstopped := context.WithoutCancel(ctx)
	tasks, failed := errgroup.WithContext(unstopped)
	watching, stopWatching := context.WithCancel(failed)
	defer stopWatching()
	receiving, stopReceiving := context.WithCancel(unstopped)
	defer stopReceiving()
	if s.udp != nil {
		tasks.Go(func() error { return s.udp.Serve(receiving, s.packets) })
	}
	if len(listeners) > 0 {
		tasks.Go(func() error {
			err := s.front.Serve(unstopped, listeners...)
			if errors.Is(err, http.ErrServerClosed) && ctx.Err() != nil {
				return nil // stopped before it had started
			}
			return err
		})
	}
	if s.generations != nil {
		s.generations.start(tasks, watching)
	}
	if c := s.control.Load(); c != nil && c.listener != nil {
		tasks.Go(func() error { return c.Serve(unstopped, c.listener) })
	}
	if s.keyboard != nil {
		tasks.Go(func() error { return s.readKeys(watching, quit) })
	}
	stopLog := s.log
	if s.user != nil {
		tasks.Go(func() error { return s.runUser(watching, quit) })
		stopLog = slog.New(slog.DiscardHandler) // the function's end is the normal end
	}
	waitForStop(ctx, failed, stopLog)
	stopWatching()
	s.shutdown(stopReceiving)
	return tasks.Wait()
}

// waitForStop waits until the server must stop.
func waitForStop(ctx, failed context.Context, log *slog.Logger) {
	select {
	case <-ctx.Done():
		log.Info("stopping; Ctrl-C once more stops at once")
	case <-failed.Done():
	}
}

// shutdown stops the parts: first no more durable work is taken, then requests
// are finished and sockets closed, then the workers handle the messages
// of the sockets, then processes of the application end, then the control server
// stops. The caller closes the store
// afterwards.
func (s *server) shutdown(stopReceiving func()) {
	grace, cancel := context.WithTimeout(context.Background(), s.options.Front.Grace)
	defer cancel()
	if s.generations != nil {
		s.generations.pool.Drain()
	}
	stopReceiving()
	if err := s.front.Shutdown(grace); err != nil {
		s.log.Warn("some connections were closed before they had finished", logkey.Error, err)
	}
	if s.generations != nil {
		s.generations.pool.Shutdown(grace)
	}
	s.closeSocket(grace)
	if c := s.control.Load(); c != nil {
		if err := c.Shutdown(grace); err != nil {
			s.log.Debug("connections to the control server were closed before they had finished", logkey.Error, err)
		}
	}
}
