package inspector

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/internal/budget"
	"asgibox/internal/guard"
	"asgibox/store"
)

// Options configure a [Server]. Only Layer is required. Without the others the
// page lacks the parts that need them.
type Options struct {
	Layer    asgi.Layer
	Store    *store.Debugger // breakpoints and the recorder; only the embedded layer has them
	Contents Contents        // by default Store
	Machines Machines        // nil if the layer belongs to this process
	Front    Front
	Pool     Pool
	Chaos    Chaos

	// LayerName names the layer and its hosts if it is not the embedded one.
	LayerName string
	// Calls and Reconnects are metrics of such a layer.
	Calls      *LayerCalls
	Reconnects func() uint64
	// Remote serves the layer over HTTP at /layer/.
	Remote http.Handler
	// Readers returns the programs that receive messages over HTTP. It is nil if
	// none can.
	Readers func() []remote.Reader
	// UDP is the address on which the program receives datagrams, or "".
	UDP string
	// App is the URL of the application, like http://127.0.0.1:8000. The
	// page's clients and replays connect to it.
	App string
	// AppFile is the path of the application's file, if it is known.
	AppFile string
	// Ignore, if not nil, excludes a file from those whose changes cause a
	// reload.
	Ignore func(file string)
	// Token, if not empty, is required in every request; see
	// [guard.NewToken]. An address that other machines can reach needs one.
	Token string
	// Accepts, if not nil, reports whether a request may have another token
	// instead.
	Accepts func(token string) bool
	// Version of the program.
	Version string

	// HistoryMessages limits the history; 20,000 by default.
	HistoryMessages int
	// Log receives errors. By default they are discarded.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.HistoryMessages <= 0 {
		o.HistoryMessages = 20_000
	}
	if o.Contents == nil && o.Store != nil {
		o.Contents = o.Store
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// A Server is the control server. Its methods may be called from any
// goroutine.
type Server struct {
	opts     Options
	log      *slog.Logger
	groups   asgi.Groups  // nil if the layer has none
	flusher  asgi.Flusher // nil if the layer has none
	kv       asgi.KV      // nil if the layer has none
	http     *http.Server
	handler  http.Handler
	recorder *store.Recorder // nil if the layer has none
	reports  reports
	history  *history
	visits   *visits
	loads    loads
	errors   errorList
	series   *series
	viewers  viewers
	flow     flowLists
	awaited  awaited
	client   *http.Client        // to the application
	bodies   *semaphore.Weighted // of bodyMemory
	waiting  *bound              // calls that wait for the application
	playing  *bound              // recordings

	shortAnswers *budget.Budget      // of shortMemory
	longAnswers  *budget.Budget      // of longMemory
	making       *semaphore.Weighted // one result of a large call

	life    context.Context // ends at Shutdown, and with it all streams
	end     context.CancelFunc
	collect sync.WaitGroup

	collectCalls chan chan struct{} // closed by the collector after a round
}

// New returns a control server and starts to record. [Server.Shutdown] stops
// the recording.
func New(o Options) (*Server, error) {
	if o.Layer == nil {
		return nil, errors.New("inspector: Options.Layer is required")
	}
	o = o.withDefaults()
	s := &Server{
		opts:    o,
		log:     o.Log,
		history: newHistory(o.HistoryMessages, maxHistoryBytes),
		visits:  &visits{},
		series:  &series{},
		client:  newClient(),
		bodies:  semaphore.NewWeighted(bodyMemory),
		waiting: newWaiting(),
		playing: newPlaying(),
		making:  semaphore.NewWeighted(1),

		collectCalls: make(chan chan struct{}),
	}
	s.viewers.wake = make(chan struct{}, 1)
	s.groups, _ = asgi.As[asgi.Groups](o.Layer)
	s.flusher, _ = asgi.As[asgi.Flusher](o.Layer)
	s.kv, _ = asgi.As[asgi.KV](o.Layer)
	s.life, s.end = context.WithCancel(context.Background())
	s.shortAnswers = budget.New(shortMemory, s.life)
	s.longAnswers = budget.New(longMemory, s.life)
	s.handler = s.limitAnswers(s.limitBodies(guard.Handler(secure(s.routes()), guard.Options{Token: o.Token, Accepts: o.Accepts, Open: []string{"/healthz"}})))
	s.http = &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    maxHead,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	if o.Store != nil {
		s.recorder = o.Store.Record(recorderLimit)
	}
	s.collect.Go(func() { s.collectAll(&collector{s: s}) })
	return s, nil
}

// ServeHTTP serves one request if the access rules permit it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Serve serves on the listener until the context is done or Shutdown is called.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if s.opts.Token == "" && !guard.Loopback(l.Addr()) {
		l.Close()
		return errors.New("inspector: other machines can reach " + l.Addr().String() + ", so Options.Token is required")
	}
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = s.Shutdown(grace)
	})
	defer stop()
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown ends all streams, waits for other requests until the context is
// done, and stops the recording.
func (s *Server) Shutdown(ctx context.Context) error {
	s.end()
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
	}
	s.collect.Wait()
	return err
}
