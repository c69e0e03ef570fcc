package httpfront

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
)

// Keys of log records.
const (
	keyChannel = "channel"
	keyClient  = "client"
	keyPath    = "path"
	keyError   = "error"
	keyKey     = "key"
	keyProblem = "problem"
	keyCode    = "code"
)

// A Server turns HTTP requests and WebSockets into messages and back. It is an
// [http.Handler] that any Go server can mount (see [ConfigureServer]), or
// serves by itself with [Server.Serve]. Its methods may be called from any
// goroutine.
type Server struct {
	layer   asgi.Layer
	groups  asgi.Groups  // nil where the layer has none
	readers asgi.Readers // nil where the layer cannot tell
	set     asgi.Settings
	opts    Options
	log     *slog.Logger
	origins originList

	prefix string // of all reply channels
	names  *names
	conns  *registry
	unbind func()
	bytes  atomic.Int64 // in all mailboxes

	// Per server, since what is in them belongs to a synctest bubble.
	timers  sync.Pool // of *time.Timer
	wakeups sync.Pool // of chan struct{} with room for one

	// life ends when the server may wait no longer for anything.
	life context.Context
	kill context.CancelFunc

	mu       sync.Mutex // guards the rest
	servers  map[*http.Server]struct{}
	stopping bool
	stopped  chan struct{} // closed when Shutdown has ended
}

// New makes a server on a layer and binds its reply channels. [Server.Shutdown]
// unbinds them.
func New(layer asgi.Layer, opts Options) (*Server, error) {
	set := layer.Settings()
	s := &Server{
		layer:   layer,
		set:     set,
		opts:    opts.withDefaults(set),
		names:   newNames(),
		conns:   newRegistry(),
		servers: make(map[*http.Server]struct{}),
		stopped: make(chan struct{}),
	}
	s.groups, _ = asgi.As[asgi.Groups](layer)
	s.readers, _ = asgi.As[asgi.Readers](layer)
	s.log = s.opts.Log
	s.opts.RootPath = validText(s.opts.RootPath)
	origins, err := parseOrigins(s.opts.AllowOrigins)
	if err != nil {
		return nil, err
	}
	s.origins = origins
	s.prefix = s.opts.Name + ".response." + randomLetters(prefixLength) + "!"
	if s.unbind, err = layer.Bind(s.prefix, s.deliver); err != nil {
		return nil, fmt.Errorf("binding the reply channels %s: %w", s.prefix, err)
	}
	s.life, s.kill = context.WithCancel(context.Background())
	return s, nil
}

// Sockets answers how many WebSockets are open, those that wait for the answer
// to their handshake included.
func (s *Server) Sockets() int { return s.conns.openSockets() }

// ServeHTTP serves one request or one WebSocket. It returns when the response
// has been written, or when the WebSocket is open: that goes on by itself.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	q, err := s.newRequest(r)
	if err != nil {
		s.refuse(w, r, began, badRequest(err))
		return
	}
	switch {
	case len(r.RequestURI) > maxTarget:
		s.refuse(w, r, began, refusedTarget)
	case q.size > maxTarget:
		s.refuse(w, r, began, refusedHeaders)
	case wantsSocket(r):
		s.serveSocket(w, q, began)
	default:
		s.serveRequest(w, q, began)
	}
}

// cause begins a unit of work, with a trace of its own.
func (s *Server) cause() *asgi.Cause { return asgi.NewCause(asgi.NewTrace()) }

// depart ends what the layer knows of a connection.
func (s *Server) depart(channel string) {
	s.conns.part(channel)
	if s.groups != nil {
		if err := s.groups.GroupLeave(s.life, nil, channel); err != nil {
			s.log.Warn("a connection that ended could not leave its groups", keyChannel, channel, keyError, err)
		}
	}
}

// hasReader reports whether a message on the channel is owed to anybody.
func (s *Server) hasReader(channel string) bool {
	return s.readers == nil || s.readers.HasReader(channel)
}

// timer answers one that fires after d. It goes back with putTimer.
func (s *Server) timer(d time.Duration) *time.Timer {
	if t, ok := s.timers.Get().(*time.Timer); ok {
		t.Reset(d)
		return t
	}
	return time.NewTimer(d)
}

func (s *Server) putTimer(t *time.Timer) {
	if t != nil {
		t.Stop()
		s.timers.Put(t)
	}
}

// wakeup answers a channel with room for one. It goes back with putWakeup,
// once nobody will send on it.
func (s *Server) wakeup() chan struct{} {
	if c, ok := s.wakeups.Get().(chan struct{}); ok {
		return c
	}
	return make(chan struct{}, 1)
}

func (s *Server) putWakeup(c chan struct{}) {
	select {
	case <-c:
	default:
	}
	s.wakeups.Put(c)
}
