package process

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/internal/budget"
	"asgibox/internal/logkey"
)

const (
	// version is the version of the protocol.
	version = 1
	// frameMemory is how many bytes the frames that have not arrived completely may
	// take together: those of children, and those of other programs. So may the answers
	// that they have not read.
	frameMemory = 64 << 20
	// maxConns is how many connections a child may have, how many all other programs
	// together, and how many may be open that have not said hello.
	maxConns = 1000
)

// errCrowded ends a connection that has not said hello.
var errCrowded = fmt.Errorf("it has sent no hello, and %d newer connections have sent none either", maxConns)

// ServerOptions configure a [Server]. Layer is required.
type ServerOptions struct {
	Layer asgi.Layer
	// Socket is the path of the Unix socket. If it is empty, too long or in use,
	// the socket is in a new private folder for temporary files.
	Socket string
	// Token returns the token that a program needs that asgibox did not start. If
	// it is nil or returns "", such a program needs none.
	Token func() string
	// Version is the version of the program, for clients.
	Version string
	// Outcome is that of [remote.Options].
	Outcome func(trace asgi.TraceID, channel string, m asgi.Message) (remote.Outcome, error)
	// Log receives the problems of connections. By default nothing is logged.
	Log *slog.Logger
}

// A Server is the socket that children and other programs connect to. Its methods may
// be called from any goroutine.
type Server struct {
	opts     ServerOptions
	layer    asgi.Layer
	ext      extensions
	calls    *remote.Handler
	log      *slog.Logger
	limit    int // length of a frame, in bytes
	listener net.Listener
	address  string // for ASGIBOX_SOCKET
	remove   func() // removes the files of the socket
	started  chan func()
	lastJob  atomic.Int64
	waits    atomic.Int64 // receives that wait, of programs that asgibox did not start
	// Memory of frames that have not arrived completely. Programs that asgibox did not
	// start share a budget of their own, so that they never hold up or end a child.
	childFrames, guestFrames *budget.Budget
	// guestTurns has an item for each long frame of such a program that is decoded, at most
	// one for each processor.
	guestTurns chan struct{}
	// Memory of answers that were not read.
	childAnswers, guestAnswers *budget.Budget

	wg sync.WaitGroup // counts the goroutines of the server and its connections

	mu       sync.Mutex // guards the rest
	children map[string]*child
	conns    map[*conn]struct{} // nil after Close has closed them
	unknown  []*conn            // those that have not said hello, the oldest first
	guests   map[*conn]struct{} // those of programs that asgibox did not start
	sets     map[*set]struct{}
	closed   bool // no more sets
}

// extensions are those of the layer, or [asgi.Unsupported].
type extensions struct {
	groups  asgi.Groups
	later   asgi.Later
	kv      asgi.KV
	stats   asgi.Statistics
	flusher asgi.Flusher
	readers asgi.Readers
}

// NewServer listens on the socket. On Windows it listens on a loopback port.
func NewServer(o ServerOptions) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		opts: o, layer: o.Layer, log: o.Log,
		calls:       remote.NewHandler(o.Layer, remote.Options{Version: o.Version, Log: o.Log, Outcome: o.Outcome}),
		limit:       o.Layer.Settings().MaxMessage + asgi.MessageOverhead,
		started:     make(chan func()),
		childFrames: newBudget(), guestFrames: newBudget(), childAnswers: newBudget(), guestAnswers: newBudget(),
		guestTurns: make(chan struct{}, runtime.GOMAXPROCS(0)),
		children:   map[string]*child{}, conns: map[*conn]struct{}{}, guests: map[*conn]struct{}{}, sets: map[*set]struct{}{},
	}
	s.ext = extensions{
		groups: asgi.OrUnsupported[asgi.Groups](o.Layer), later: asgi.OrUnsupported[asgi.Later](o.Layer),
		kv: asgi.OrUnsupported[asgi.KV](o.Layer), stats: asgi.OrUnsupported[asgi.Statistics](o.Layer),
		flusher: asgi.OrUnsupported[asgi.Flusher](o.Layer), readers: asgi.OrUnsupported[asgi.Readers](o.Layer),
	}
	var err error
	if s.listener, s.address, s.remove, err = listen(o.Socket); err != nil {
		return nil, fmt.Errorf("listen on the socket for workers: %w", err)
	}
	s.wg.Go(s.accept)
	s.wg.Go(s.start)
	return s, nil
}

func newBudget() *budget.Budget { return budget.New(frameMemory, context.Background()) }

// Address returns the address of the socket as children find it in ASGIBOX_SOCKET: a
// path, or "tcp:" and a host with a port.
func (s *Server) Address() string { return s.address }

// Readers returns the programs that asgibox did not start and that receive.
func (s *Server) Readers() []remote.Reader { return s.calls.Readers() }

// start runs functions that start children. On Linux, a child gets a signal when the
// thread ends that started it, so this thread lives as long as the server.
func (s *Server) start() {
	runtime.LockOSThread()
	for f := range s.started {
		f()
	}
}

// onStarter runs f on the goroutine that starts children.
func (s *Server) onStarter(f func() error) (err error) {
	done := make(chan struct{})
	s.started <- func() { err = f(); close(done) }
	<-done
	return err
}

// accept serves connections until the listener is closed.
func (s *Server) accept() {
	for {
		nc, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.log.Error("could not accept a connection of a worker; trying again in a second", logkey.Error, err)
			time.Sleep(time.Second)
			continue
		}
		s.admit(nc)
	}
}

// admit serves a connection, unless the server is closed. It ends the oldest one that has
// not said hello if there are too many of them.
func (s *Server) admit(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		nc.Close()
		return
	}
	c := newConn(s, nc)
	s.conns[c] = struct{}{}
	s.unknown = append(s.unknown, c)
	if len(s.unknown) > maxConns {
		oldest := s.unknown[0]
		s.unknown = s.unknown[1:]
		oldest.cancel(errCrowded)
		oldest.net.Close()
	}
	s.wg.Go(c.serve)
}

// Close ends the processes that still run, and closes all connections and the socket.
// When the context is done, it kills the processes.
func (s *Server) Close(ctx context.Context) {
	s.mu.Lock()
	sets, closed := s.sets, s.closed
	s.sets = nil
	s.closed = true
	s.mu.Unlock()
	if closed {
		s.wg.Wait()
		return
	}
	for g := range sets {
		g.end()
	}
	for g := range sets {
		select {
		case <-g.ended:
		case <-ctx.Done():
			g.kill()
			<-g.ended
		}
	}
	s.calls.Close()
	s.listener.Close()
	s.mu.Lock()
	conns := s.conns
	s.conns = nil
	s.mu.Unlock()
	for c := range conns {
		c.close()
	}
	close(s.started)
	s.wg.Wait()
	s.remove()
}

// add registers a set of children, unless the server is closed.
func (s *Server) add(g *set) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return asgi.ErrClosed
	}
	s.sets[g] = struct{}{}
	return nil
}

func (s *Server) removeSet(g *set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sets, g)
}

// replace notes that the processes of a generation have replaced those of earlier ones.
func (s *Server) replace(by *set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for g := range s.sets {
		if g.loader == by.loader && g.generation < by.generation && g.replaced.CompareAndSwap(nil, &now) && g.isASGI3() {
			g.asgi3().retire()
		}
	}
}

// childWith returns the child that a token belongs to, or nil.
func (s *Server) childWith(token string) *child {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.children[token]
}

func (s *Server) register(c *child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.children[c.token] = c
}

func (s *Server) unregister(c *child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.children, c.token)
}

// greeted counts a connection that has said hello.
func (s *Server) greeted(c *conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unknown = slices.DeleteFunc(s.unknown, func(other *conn) bool { return other == c })
	if c.child != nil {
		return nil
	}
	if len(s.guests) >= maxConns {
		return remote.Errorf(remote.TooManyConnections, "programs that asgibox did not start have %d connections already; close some, or use one for several calls", maxConns)
	}
	s.guests[c] = struct{}{}
	return nil
}

// addWait counts a receive that waits, until removeWait, unless it is that of a child.
func (s *Server) addWait(c *conn) error {
	if c.child == nil && s.waits.Add(1) > maxGuestWaits {
		s.waits.Add(-1)
		return remote.Errorf(remote.TooManyConnections, "%d receives of programs that asgibox did not start wait already; try again when one has ended", maxGuestWaits)
	}
	return nil
}

func (s *Server) removeWait(c *conn) {
	if c.child == nil {
		s.waits.Add(-1)
	}
}

// forget removes a connection that was closed.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	delete(s.guests, c)
	s.unknown = slices.DeleteFunc(s.unknown, func(other *conn) bool { return other == c })
}

// guestToken returns the token of programs that asgibox did not start.
func (s *Server) guestToken() string {
	if s.opts.Token == nil {
		return ""
	}
	return s.opts.Token()
}

// identify returns the child with the token, or nil for another program. It fails if
// the token is wrong.
func (s *Server) identify(token string) (*child, error) {
	if c := s.childWith(token); c != nil {
		return c, nil
	}
	want := s.guestToken()
	if want == "" && strings.HasPrefix(s.address, "tcp:") {
		want = rand.Text() // the port has no mode that protects it
	}
	if subtle.ConstantTimeCompare([]byte(token), []byte(want)) != 1 {
		return nil, remote.Errorf(remote.Unauthorized, "missing or wrong token; send that of the environment, ASGIBOX_TOKEN")
	}
	return nil, nil
}

// Program returns the layer for a request to the layer over HTTP if a child of a loop
// application sent it, else nil. It is for [remote.Options].
func (s *Server) Program(r *http.Request) asgi.Layer {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	if c := s.childWith(strings.TrimSpace(token)); c != nil {
		return &loopLayer{jobLayer{server: s}, c}
	}
	return nil
}

// Knows reports whether a token is that of a child.
func (s *Server) Knows(token string) bool { return s.childWith(token) != nil }

// Processes returns the processes of all generations, in order of their generations and
// numbers.
func (s *Server) Processes() []Process {
	s.mu.Lock()
	children := make([]*child, 0, len(s.children))
	for _, c := range s.children {
		children = append(children, c)
	}
	s.mu.Unlock()
	all := make([]Process, 0, len(children))
	for _, c := range children {
		all = append(all, c.describe())
	}
	slices.SortFunc(all, func(a, b Process) int {
		return cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Worker, b.Worker), cmp.Compare(a.PID, b.PID))
	})
	return all
}
