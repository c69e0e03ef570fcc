package httpfront

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of a connection, before there is a request to speak of.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 60 * time.Second
)

// lastWord is how long requests have to say that they were cut off.
const lastWord = time.Second

// ConfigureServer sets on an http.Server what it must keep to if a [Server] is
// its handler, or mounted within: bounds and times for headers and for clients
// that stop reading, and that OPTIONS * is the application's to answer. It
// leaves the handler alone. What [Server.Serve] does besides, watching the
// framing of HTTP/1 for what net/http lets pass, only its own listeners can.
func ConfigureServer(h *http.Server) {
	h.ReadHeaderTimeout = headerTimeout
	h.IdleTimeout = idleTimeout
	h.MaxHeaderBytes = 2 * maxTarget // the handler refuses with a better word
	h.DisableGeneralOptionsHandler = true
	if h.HTTP2 == nil {
		h.HTTP2 = new(http.HTTP2Config)
	}
	h.HTTP2.WriteByteTimeout = stalled
	before := h.ConnContext
	h.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if before != nil {
			ctx = before(ctx, c)
		}
		_, secure := c.(interface{ ConnectionState() tls.ConnectionState })
		return withPeer(ctx, c, secure)
	}
}

// Serve serves on the listeners until the context ends or Shutdown is called,
// and returns once all connections have. A listener that fails ends it with
// its error.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	conns := &connections{open: make(map[net.Conn]struct{})}
	h := &http.Server{Handler: s, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	ConfigureServer(h)
	h.Protocols = s.protocols()
	h.ConnState = conns.note
	h.RegisterOnShutdown(conns.closeSilent)
	defer conns.all.Wait()
	if !s.add(h) {
		closeAll(listeners)
		return http.ErrServerClosed
	}
	var accepting sync.WaitGroup
	defer accepting.Wait()
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		accepting.Go(func() { failed <- s.serveOn(h, l) })
	}
	var err error
	select {
	case <-ctx.Done():
		err = s.shutdownWithin(s.opts.Grace)
	case err = <-failed:
		if errors.Is(err, http.ErrServerClosed) {
			<-s.stopped
			return nil
		}
		err = errors.Join(err, s.shutdownWithin(s.opts.Grace))
	}
	return err
}

// connections knows those of one http.Server.
type connections struct {
	all  sync.WaitGroup
	mu   sync.Mutex // guards the rest
	open map[net.Conn]struct{}
}

// note is told of every change of state.
func (k *connections) note(c net.Conn, state http.ConnState) {
	if state == http.StateActive || state == http.StateIdle {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if state == http.StateNew {
		k.all.Add(1)
		k.open[c] = struct{}{}
		return
	}
	delete(k.open, c)
	k.all.Done()
}

// closeSilent closes the connections that nothing has come on yet, as browsers
// open them to be quick. net/http would wait five seconds for each.
func (k *connections) closeSilent() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for c := range k.open {
		if f, ok := c.(interface{ silent() bool }); ok && f.silent() {
			c.Close()
		}
	}
}

func (s *Server) serveOn(h *http.Server, l net.Listener) error {
	if s.opts.TLS != nil {
		return h.Serve(newTLSListener(l, s.opts.TLS, s.log))
	}
	return h.Serve(framedListener{l})
}

func (s *Server) protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(s.opts.TLS != nil)
	p.SetUnencryptedHTTP2(s.opts.H2C)
	return p
}

func (s *Server) add(h *http.Server) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.servers[h] = struct{}{}
	return true
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

func (s *Server) shutdownWithin(d time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return s.Shutdown(ctx)
}

// Shutdown stops accepting, finishes the requests that run, closes WebSockets
// with 1001, all at once, and tells the application of their end. When the
// context ends it cuts what is left and answers the context's error. Further
// calls wait for the first.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	first := !s.stopping
	s.stopping = true
	servers := make([]*http.Server, 0, len(s.servers))
	for h := range s.servers {
		servers = append(servers, h)
	}
	s.mu.Unlock()
	if !first {
		<-s.stopped
		return nil
	}
	defer close(s.stopped)
	for _, c := range s.conns.drain() {
		c.end(ending{1001, "the server is shutting down", byServer})
	}
	err := s.settle(ctx, servers)
	s.kill()
	s.unbind()
	return err
}

// settle waits until nothing is left, with force once the context has ended.
func (s *Server) settle(ctx context.Context, servers []*http.Server) error {
	idle := make(chan error, len(servers))
	for _, h := range servers {
		go func() { idle <- h.Shutdown(ctx) }()
	}
	var err error
	for range servers {
		err = errors.Join(err, <-idle)
	}
	select {
	case <-s.conns.empty:
		return err
	case <-ctx.Done():
	}
	s.kill() // requests that wait are answered 503 now
	for _, c := range s.conns.drain() {
		c.cut()
	}
	last := time.NewTimer(lastWord)
	defer last.Stop()
	select {
	case <-s.conns.empty:
	case <-last.C:
	}
	for _, h := range servers {
		h.Close()
	}
	<-s.conns.empty
	return context.Cause(ctx)
}

// cut ends a socket without a word.
func (c *socket) cut() {
	if c.open.Load() {
		c.wire.Conn.Close()
	}
}
