package httpfront

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/internal/logkey"
)

// acceptPause is how long a listener waits after an error that may pass, such as
// too many open files.
const acceptPause = 100 * time.Millisecond

// A service is one call of Serve: its listeners and their connections.
type service struct {
	s         *Server
	listeners []net.Listener
	tls       *tls.Config  // nil without TLS
	http2     *http.Server // serves HTTP/2; nil if the server does not speak it
	handed    *handedConns // connections for http2
	stopping  atomic.Bool
	stopped   chan struct{}  // closed when stopping
	running   sync.WaitGroup // goroutines, and connections of http2

	mu    sync.Mutex // guards the rest
	conns map[*conn]struct{}
}

func newService(s *Server, listeners []net.Listener) *service {
	v := &service{s: s, listeners: listeners, stopped: make(chan struct{}), conns: make(map[*conn]struct{})}
	if s.opts.TLS != nil {
		v.tls = s.tlsConfig()
	}
	if v.tls == nil && !s.opts.H2C {
		return v
	}
	v.handed = &handedConns{conns: make(chan net.Conn), closed: make(chan struct{})}
	v.http2 = &http.Server{Handler: s, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	ConfigureServer(v.http2)
	v.http2.Protocols = new(http.Protocols)
	v.http2.Protocols.SetHTTP2(v.tls != nil)
	v.http2.Protocols.SetUnencryptedHTTP2(s.opts.H2C)
	v.http2.ConnState = func(c net.Conn, state http.ConnState) {
		s.http2.note(c, state)
		if state == http.StateClosed || state == http.StateHijacked {
			v.running.Done()
		}
	}
	return v
}

// start starts to accept connections. The channel that it returns receives the
// error of each listener.
func (v *service) start() <-chan error {
	failed := make(chan error, len(v.listeners))
	for _, l := range v.listeners {
		v.running.Go(func() { failed <- v.accept(l) })
	}
	if v.http2 != nil {
		v.running.Go(func() { v.http2.Serve(v.handed) })
	}
	return failed
}

// accept starts a goroutine for each connection.
func (v *service) accept(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err == nil {
			v.serve(c)
			continue
		}
		var passing interface{ Temporary() bool }
		switch {
		case v.stopping.Load():
			return http.ErrServerClosed
		case !errors.As(err, &passing) || !passing.Temporary():
			return err
		}
		v.s.log.Warn("could not accept a connection", logkey.Error, err)
		select {
		case <-time.After(acceptPause):
		case <-v.stopped:
		}
	}
}

func (v *service) serve(nc net.Conn) {
	c := newConn(v, nc)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.stopping.Load() {
		nc.Close()
		return
	}
	v.conns[c] = struct{}{}
	v.running.Add(1) // until remove
	go c.serve()
}

// remove removes a connection that has ended.
func (v *service) remove(c *conn) {
	defer v.running.Done()
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.conns, c)
}

// stop closes the listeners and the connections without a request. Browsers open
// such connections in advance.
func (v *service) stop() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.stopping.Swap(true) {
		return
	}
	close(v.stopped)
	for _, l := range v.listeners {
		l.Close()
	}
	for c := range v.conns {
		if c.state.CompareAndSwap(connIdle, connClosed) {
			c.raw.Close()
		}
	}
}

// shutdown waits until the running requests have ended, or the context.
func (v *service) shutdown(ctx context.Context) error {
	v.stop()
	if v.http2 != nil {
		if err := v.http2.Shutdown(ctx); err != nil {
			return err
		}
	}
	ended := make(chan struct{})
	go func() {
		v.wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close closes all connections.
func (v *service) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for c := range v.conns {
		c.raw.Close()
	}
	if v.http2 != nil {
		v.http2.Close()
	}
}

// wait waits until all connections have ended.
func (v *service) wait() { v.running.Wait() }

// handedConns is the listener of connections that turn out to use HTTP/2.
type handedConns struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *handedConns) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *handedConns) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *handedConns) Addr() net.Addr { return handedAddr{} }

type handedAddr struct{}

func (handedAddr) Network() string { return "tcp" }
func (handedAddr) String() string  { return "HTTP/2" }

// handOver gives the connection to net/http. Reserved says whether it has a place in
// http2 already.
func (c *conn) handOver(nc net.Conn, reserved bool) {
	c.hijacked = true
	if !reserved && !c.s.http2.reserve() {
		nc.Close()
		return
	}
	c.service.running.Add(1)
	c.s.http2.add(nc)
	select {
	case c.service.handed.conns <- nc:
	case <-c.service.handed.closed:
		c.s.http2.note(nc, http.StateClosed)
		c.service.running.Done()
		nc.Close()
	}
}

// An earlyConn is an HTTP/2 connection of which a part of the input has been read.
type earlyConn struct {
	net.Conn
	early []byte
}

func (c *earlyConn) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	runtime.Gosched() // see http1.FairReads; net/http reads and handles on two goroutines
	return c.Conn.Read(p)
}
