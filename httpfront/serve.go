package httpfront

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"asgibox/asgi"
)

// Time limits of a connection without a request.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 60 * time.Second
)

// abortTimeout is how long aborted requests may take to finish.
const abortTimeout = time.Second

// ConfigureServer sets the limits that an http.Server must have if a [Server]
// is its handler or is mounted in its handler: the size of headers, the time
// for headers, and the time limit for clients that stop reading. It also makes
// net/http pass OPTIONS * to the handler. It does not set the handler. Only
// [Server.Serve] reads HTTP/1 itself: it keeps the order of headers and rejects framing
// errors that net/http accepts.
func ConfigureServer(h *http.Server) {
	h.ReadHeaderTimeout = headerTimeout
	h.IdleTimeout = idleTimeout
	h.MaxHeaderBytes = maxTarget + 16<<10 // the handler refuses with a clearer message
	h.DisableGeneralOptionsHandler = true
	if h.HTTP2 == nil {
		h.HTTP2 = new(http.HTTP2Config)
	}
	h.HTTP2.WriteByteTimeout = writeTimeout
	h.HTTP2.MaxConcurrentStreams = maxStreams
	// A client that has begun a head and does not end it cannot answer a ping.
	h.HTTP2.SendPingTimeout = headerTimeout
	h.HTTP2.PingTimeout = headerTimeout
	// A body that is not read must not hold up the other streams of its connection.
	h.HTTP2.MaxReceiveBufferPerConnection = maxStreams * streamBuffer
	h.HTTP2.MaxReceiveBufferPerStream = streamBuffer
	before := h.ConnContext
	h.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if before != nil {
			ctx = before(ctx, c)
		}
		_, secure := c.(interface{ ConnectionState() tls.ConnectionState })
		return withPeer(ctx, c, secure)
	}
}

// Serve serves on the listeners until the context is done or Shutdown is
// called, and returns when all connections have ended. If a listener fails,
// Serve shuts the server down and returns the error.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	v := newService(s, listeners)
	defer v.wait()
	failed := v.start()
	if !s.add(v) {
		v.stop()
		v.close()
		return http.ErrServerClosed
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		if errors.Is(err, http.ErrServerClosed) {
			<-s.stopped
			return nil
		}
	}
	grace, cancel := context.WithTimeout(context.Background(), s.opts.Grace)
	defer cancel()
	return errors.Join(err, s.Shutdown(grace))
}

func (s *Server) add(v *service) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.services[v] = struct{}{}
	return true
}

// Shutdown stops accepting connections, finishes the running requests, closes
// all WebSockets with 1001 at once, and sends their disconnect messages. If the
// context is done first, Shutdown aborts the remaining connections and returns
// the context's error. Further calls wait for the first.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	first := !s.stopping
	s.stopping = true
	services := slices.Collect(maps.Keys(s.services))
	s.mu.Unlock()
	if !first {
		<-s.stopped
		return nil
	}
	defer close(s.stopped)
	for _, c := range s.conns.drain() {
		c.end(ending{asgi.CloseGoingAway, "the server is shutting down", byServer})
	}
	err := s.waitIdle(ctx, services)
	s.kill()
	s.kept.stop()
	s.unbind()
	s.outputs.running.Wait()
	return err
}

// waitIdle waits until no connection is left. When the context is done it
// aborts the remaining ones.
func (s *Server) waitIdle(ctx context.Context, services []*service) error {
	idle := make(chan error, len(services))
	for _, v := range services {
		go func() { idle <- v.shutdown(ctx) }()
	}
	var err error
	for range services {
		err = errors.Join(err, <-idle)
	}
	select {
	case <-s.conns.empty:
		return err
	case <-ctx.Done():
	}
	s.kill() // waiting requests get 503 now
	for _, c := range s.conns.drain() {
		c.abort()
	}
	last := time.NewTimer(abortTimeout)
	defer last.Stop()
	select {
	case <-s.conns.empty:
	case <-last.C:
	}
	for _, v := range services {
		v.close()
	}
	<-s.conns.empty
	return context.Cause(ctx)
}

// abort closes the connection of a socket without a close frame.
func (c *socket) abort() {
	if c.open.Load() {
		c.wire.Conn.Close()
	}
}
