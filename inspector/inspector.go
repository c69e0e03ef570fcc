package inspector

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/internal/guard"
	"asgibox/store"
)

// Options of a [Server]. Only Layer is needed; what else is missing is missing
// from the page.
type Options struct {
	Layer asgi.Layer
	Store *store.Debugger // queues, groups, breakpoints, the recorder
	Front Front
	Pool  Pool
	Chaos Chaos

	// Remote is the layer over HTTP, mounted at /layer/.
	Remote http.Handler
	// App is where the application is served, like http://127.0.0.1:8000:
	// what the page's clients and replays talk to.
	App string
	// Ignore, if not nil, has changes of a file, which is not the
	// application's, cause no reload.
	Ignore func(file string)
	// Token, if not empty, is what every request must carry; see
	// [guard.NewToken]. It is needed where others can reach the address.
	Token string
	// Version of the program.
	Version string

	// HistoryMessages and HistoryBytes bound what is remembered; 20,000 and
	// 32 MiB by default.
	HistoryMessages int
	HistoryBytes    int
	// Log is where the inspector reports; nowhere by default.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.HistoryMessages <= 0 {
		o.HistoryMessages = 20_000
	}
	if o.HistoryBytes <= 0 {
		o.HistoryBytes = 32 << 20
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
	groups   asgi.Groups  // nil where the layer has none
	flusher  asgi.Flusher // nil where the layer has none
	kv       asgi.KV      // nil where the layer has none
	http     *http.Server
	handler  http.Handler
	recorder *store.Recorder // nil where the layer has none
	seen     seen
	history  *history
	visits   *visits
	loads    loads
	series   *series
	viewers  viewers
	client   *http.Client // to the application

	life    context.Context // ends when streams are to end
	end     context.CancelFunc
	collect sync.WaitGroup
}

// New makes a control server and begins to record. [Server.Shutdown] ends
// that.
func New(o Options) (*Server, error) {
	if o.Layer == nil {
		return nil, errors.New("inspector: a layer is needed")
	}
	o = o.withDefaults()
	s := &Server{
		opts:    o,
		log:     o.Log,
		history: newHistory(o.HistoryMessages, o.HistoryBytes),
		visits:  newVisits(),
		series:  newSeries(),
		client:  newClient(),
	}
	s.viewers.wake = make(chan struct{}, 1)
	s.groups, _ = asgi.As[asgi.Groups](o.Layer)
	s.flusher, _ = asgi.As[asgi.Flusher](o.Layer)
	s.kv, _ = asgi.As[asgi.KV](o.Layer)
	s.life, s.end = context.WithCancel(context.Background())
	s.handler = hurried(guard.Handler(secured(s.routes()), guard.Options{Token: o.Token, Open: []string{"/healthz"}}))
	s.http = &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	if o.Store != nil {
		s.recorder = o.Store.Record(recorderLimit)
	}
	s.collect.Go(func() { s.collectAll(&collector{s: s}) })
	return s, nil
}

// ServeHTTP serves one request, access rules included.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Serve serves on the listener until the context ends or [Server.Shutdown].
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if s.opts.Token == "" && !guard.Loopback(l.Addr()) {
		l.Close()
		return errors.New("inspector: " + l.Addr().String() + " can be reached from other machines, so a token is needed")
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

// Shutdown ends all streams, lets other requests finish as long as the context
// allows, and stops recording.
func (s *Server) Shutdown(ctx context.Context) error {
	s.end()
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
	}
	s.collect.Wait()
	return err
}
