package httpfront

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
	"asgibox/httpfront/http1"
	"asgibox/internal/budget"
	"asgibox/internal/logkey"
)

// Keys of log records that only this package uses.
const (
	keyKey  = "key"  // key of a message
	keyCode = "code" // close code
)

// A Server turns HTTP requests and WebSockets into messages and back. It is an
// [http.Handler] that any Go server can mount (see [ConfigureServer]), and it
// can serve by itself with [Server.Serve]. Its methods may be called from any
// goroutine.
type Server struct {
	layer   asgi.Layer
	groups  asgi.Groups  // nil if the layer has no groups
	readers asgi.Readers // nil if the layer does not know its readers

	acceptors  asgi.Acceptors  // nil if a sender must poll for room
	statistics asgi.Statistics // nil if the layer has none
	set        asgi.Settings
	opts       Options
	log        *slog.Logger
	origins    originList

	prefix  string // of all reply channels
	names   *names
	conns   *registry
	unbind  func()
	unread  atomic.Int64 // when missing workers were last reported, in Unix nanoseconds
	budget  *budget.Budget
	outputs outputs
	heads   atomic.Int64 // memory of the heads of all requests that run, without the usual parts
	parts   atomic.Int64 // memory of the heads that arrive over HTTP/1, without the usual parts
	ahead   atomic.Int64 // memory of bodies over HTTP/2 that net/http may read ahead
	own     atomic.Int64 // requests for the server itself that run
	http2   *http2Conns
	kept    keptBodies
	dates   http1.Dates

	disconnects disconnects

	headLimits http1.Limits

	// The pools belong to a server because their contents belong to a synctest bubble.
	timers  sync.Pool // of *time.Timer
	wakeups sync.Pool // of chan struct{} with capacity one

	// life is done when the server must stop waiting for anything.
	life context.Context
	kill context.CancelFunc

	mu       sync.Mutex // guards the rest
	services map[*service]struct{}
	stopping bool
	dropped  map[string]bool // headers that HTTP/2 forbids and that were dropped
	stopped  chan struct{}   // closed when Shutdown has finished
}

// New returns a server on a layer and binds its reply channels.
// [Server.Shutdown] unbinds them.
func New(layer asgi.Layer, opts Options) (*Server, error) {
	set := layer.Settings()
	s := &Server{
		layer:    layer,
		set:      set,
		opts:     opts.withDefaults(set),
		names:    newNames(),
		conns:    newRegistry(),
		services: make(map[*service]struct{}),
		dropped:  make(map[string]bool),
		stopped:  make(chan struct{}),
	}
	s.groups, _ = asgi.As[asgi.Groups](layer)
	s.readers, _ = asgi.As[asgi.Readers](layer)
	s.acceptors, _ = asgi.As[asgi.Acceptors](layer)
	s.statistics, _ = asgi.As[asgi.Statistics](layer)
	s.log = s.opts.Log
	var err error
	if s.opts.RootPath, err = parseRootPath(s.opts.RootPath); err != nil {
		return nil, err
	}
	if s.origins, err = parseOrigins(s.opts.AllowOrigins); err != nil {
		return nil, err
	}
	s.prefix = s.opts.Name + ".response." + randomLetters(prefixLength) + "!"
	if s.unbind, err = layer.Bind(s.prefix, s.deliver); err != nil {
		return nil, fmt.Errorf("bind reply channels %s: %w", s.prefix, err)
	}
	s.life, s.kill = context.WithCancel(context.Background())
	s.outputs.s = s
	s.http2 = &http2Conns{log: s.log, max: maxHTTP2, conns: make(map[net.Conn]time.Time)}
	s.budget = budget.New(s.opts.BodyMemory, s.life)
	s.headLimits = http1.Limits{Target: maxTarget, Head: maxTarget, Lines: maxLines, Memory: func(n int) bool { return holdHead(&s.parts, int64(n)) }}
	return s, nil
}

// Sockets returns the number of open WebSockets, including those whose
// handshake waits for a reply.
func (s *Server) Sockets() int { return s.conns.openSockets() }

// cause returns a new unit of work with its own trace.
func (s *Server) cause() *asgi.Cause { return asgi.NewCause(asgi.NewTrace()) }

// unregister removes a connection from the server and from its groups.
func (s *Server) unregister(channel string) {
	s.conns.remove(channel)
	if s.groups != nil {
		if err := s.groups.GroupLeave(s.life, nil, channel); err != nil {
			level := slog.LevelWarn
			if errors.Is(err, asgi.ErrStoreFailed) {
				level = slog.LevelDebug // the layer removes it at the next message to it
			}
			s.log.Log(s.life, level, "could not remove an ended connection from its groups", logkey.Channel, channel, logkey.Error, err)
		}
	}
}

// hasReader reports whether a message on the channel may find a reader.
func (s *Server) hasReader(channel string) bool {
	return s.readers == nil || s.readers.HasReader(channel)
}

// timer returns a timer that fires after d. putTimer takes it back.
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

// wakeup returns a channel with capacity one. putWakeup takes it back when
// nothing will send on it again.
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
