package workerpool

import (
	"context"
	"errors"
	"log/slog"
	"path"
	"sync"
	"time"

	"asgibox/asgi"
)

// ErrClosed is what a pool's calls answer once it has shut down.
var ErrClosed = errors.New("the worker pool has shut down")

// Options say how a pool works. The zero value is ready for use.
type Options struct {
	// Workers is how many handlers run at once, until [Pool.SetWorkers]; 16
	// by default.
	Workers int
	// HandlerTimeout is how long a handler may run, counted anew whenever it
	// answers its own connection; a minute by default, without end if
	// negative.
	HandlerTimeout time.Duration
	// LoadTimeout is how long loading may take; a minute by default.
	LoadTimeout time.Duration
	// Grace is how long the handlers of an old generation may go on; 10
	// seconds by default.
	Grace time.Duration
	// OnlyChannels and ExcludeChannels are shell patterns. If there are any
	// of the first, only channels that fit one are received from; then
	// those that fit one of the second are not.
	OnlyChannels, ExcludeChannels []string
	// NoWatchdog lets a handler return without an answer.
	NoWatchdog bool
	// LaneMessages and LaneBytes bound what waits for one connection's
	// handler; 100 messages and 4 MiB by default.
	LaneMessages, LaneBytes int
	// ErrorPage draws what a failed request is answered with; plain text by
	// default.
	ErrorPage func(Failure) Page
	// Report hears of every failure, once; by default it is logged.
	Report func(Failure)
	// Loaded is called with the outcome of every load, the first included,
	// before Reload returns. Changed is what Reload was called with, and nil
	// for the first load. Loaded must not block. By default the pool logs the
	// outcome.
	Loaded func(g Generation, changed []string, err error)
	// Handled hears of every message that a routed application has handled,
	// on the worker's goroutine. Nobody does by default.
	Handled func(Handled)
	// Log is where the pool reports; nowhere by default.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Workers = orDefault(o.Workers, 16)
	o.HandlerTimeout = orDefault(o.HandlerTimeout, time.Minute)
	o.LoadTimeout = orDefault(o.LoadTimeout, time.Minute)
	o.Grace = orDefault(o.Grace, 10*time.Second)
	o.LaneMessages = orDefault(o.LaneMessages, 100)
	o.LaneBytes = orDefault(o.LaneBytes, 4<<20)
	if o.ErrorPage == nil {
		o.ErrorPage = plainPage
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func orDefault[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// A Pool has workers run the current generation of an application.
type Pool struct {
	layer   asgi.Layer
	groups  asgi.Groups // nil if the layer has none
	later   asgi.Later
	kv      asgi.KV
	stats   asgi.Statistics
	loader  Loader
	opts    Options
	log     *slog.Logger
	loading chan struct{}   // holds one token: whoever has it may change generations
	ended   chan struct{}   // closed when shutting down is complete
	life    context.Context // ends when shutting down begins
	end     context.CancelCauseFunc
	clocks  *clocks

	mu           sync.Mutex // guards the rest
	current      *generation
	loads        uint64 // generations that went live
	live         bool   // whether one that was not broken did
	workers      map[*worker]struct{}
	wanted       int            // workers of the current generation
	hired        int            // workers there have been
	busy         sync.WaitGroup // workers, the abandoned not counted
	idle         []*worker      // parked; if there are any, there is a leader
	leader       *worker        // the one that receives
	ready        queue          // tasks to start
	lanes        map[string]*lane
	waiting      int // tasks received and not started
	limits       map[string]*limit
	channels     []string                 // what the leader receives from
	gone         *recent                  // connections that have ended lately
	drained      bool                     // no durable messages any more
	stopping     bool                     // nothing once the channels are empty
	halted       bool                     // nothing at all
	delayed      map[*time.Timer]struct{} // volatile messages to be put back
	sessions     bool                     // connections have used channel sessions
	httpSessions bool                     // HTTP requests among them
}

// New makes a pool that will take messages from the layer. It has no workers
// until [Pool.Run].
func New(layer asgi.Layer, loader Loader, o Options) (*Pool, error) {
	for _, pattern := range append(append([]string(nil), o.OnlyChannels...), o.ExcludeChannels...) {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, errors.New("bad channel pattern " + pattern)
		}
	}
	p := &Pool{
		layer:   layer,
		loader:  loader,
		opts:    o.withDefaults(),
		loading: make(chan struct{}, 1),
		ended:   make(chan struct{}),
		workers: make(map[*worker]struct{}),
		lanes:   make(map[string]*lane),
		limits:  make(map[string]*limit),
		gone:    newRecent(4096),
		delayed: make(map[*time.Timer]struct{}),
	}
	p.log, p.wanted = p.opts.Log, p.opts.Workers
	if p.opts.Report == nil {
		p.opts.Report = p.logFailure
	}
	p.groups, _ = asgi.As[asgi.Groups](layer)
	p.later, _ = asgi.As[asgi.Later](layer)
	p.kv, _ = asgi.As[asgi.KV](layer)
	p.stats, _ = asgi.As[asgi.Statistics](layer)
	p.clocks = newClocks(p)
	p.life, p.end = context.WithCancelCause(context.Background())
	p.loading <- struct{}{}
	return p, nil
}

// Run loads the application and runs it until [Pool.Shutdown] is complete or
// the context is done, which shuts down with the grace of the options. All
// that it started has ended when it returns, but for handlers that do not
// stop. It is called once.
func (p *Pool) Run(ctx context.Context) error {
	_, _ = p.Reload(ctx) // requests are answered with the error, if there is one
	ticks, stopTicks := context.WithCancel(context.Background())
	var helpers sync.WaitGroup
	helpers.Go(func() { p.sweep(ticks) })
	helpers.Go(func() { p.clocks.run(ticks) })
	defer helpers.Wait()
	defer stopTicks()
	select {
	case <-p.ended:
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.Background(), p.opts.Grace)
		defer cancel()
		p.Shutdown(grace)
	}
	return nil
}

// Drain ends the taking of durable messages: they stay in the channel layer.
// What protocol servers send is handled as before.
func (p *Pool) Drain() {
	p.mu.Lock()
	p.drained = true
	p.subscribeLocked()
	g := p.current
	p.wakeAllLocked()
	p.mu.Unlock()
	if g != nil {
		g.app.Drain()
	}
}

// Shutdown drains the pool, handles what protocol servers have sent until
// there is no more, stops the application and frees it. When the context is
// done, handlers that still run are cancelled.
func (p *Pool) Shutdown(ctx context.Context) {
	p.Drain()
	p.end(ErrClosed) // a load that is under way
	<-p.loading
	defer func() { p.loading <- struct{}{} }()
	p.mu.Lock()
	if p.stopping {
		p.mu.Unlock()
		return
	}
	p.stopping = true
	p.dropDelayedLocked()
	g := p.current
	p.wakeAllLocked()
	p.mu.Unlock()
	p.waitForWorkers(ctx)
	if g != nil {
		p.stop(ctx, g)
	}
	close(p.ended)
}

// waitForWorkers returns when all workers have ended. Those that have not
// when the context is done are cancelled, and soon after left to themselves.
func (p *Pool) waitForWorkers(ctx context.Context) {
	done := make(chan struct{})
	go func() { // ends with the last worker, or when the rest are abandoned
		p.busy.Wait()
		close(done)
	}()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	p.cancelAll(errShutdown)
	select {
	case <-done:
	case <-time.After(abandonAfter):
		p.abandonAll()
		<-done
	}
}

// stop runs the application's stop hook and frees the generation.
func (p *Pool) stop(ctx context.Context, g *generation) {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), abandonAfter)
		defer cancel()
	}
	if err := g.app.Stop(ctx); err != nil {
		p.log.Error("the application's stop hook failed", "generation", g.number, "err", err)
	}
	p.release(g)
}
