package workerpool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
	"asgibox/internal/recent"
)

// ErrClosed is the error of calls to a pool that has shut down.
var ErrClosed = errors.New("the worker pool has shut down")

// ErrSuperseded is the cause with which the context of a load is cancelled when the
// application has changed again.
var ErrSuperseded = errors.New("the application has changed again")

// ErrSized is the error of [Pool.SetWorkers] for a [Sized] application.
var ErrSized = errors.New("the application itself sets the number of its workers")

// Options configure a pool. The zero value is ready for use.
type Options struct {
	// Workers is the number of handlers that run at once, until
	// [Pool.SetWorkers] changes it. The default is 16.
	Workers int
	// HandlerTimeout is how long a handler may run. The time starts again
	// whenever the handler sends to its own connection. It stands still in
	// [Job.AwaitBody] and [Job.StepBack]. The default is a minute; a negative
	// value means no limit.
	HandlerTimeout time.Duration
	// LoadTimeout is how long loading may take. The default is a minute.
	LoadTimeout time.Duration
	// Grace is how long handlers of a replaced generation may continue. The
	// default is 10 seconds.
	Grace time.Duration
	// OnlyChannels and ExcludeChannels are shell patterns. If OnlyChannels is
	// not empty, the pool receives only from channels that match one of its
	// patterns. It never receives from a channel that matches a pattern of
	// ExcludeChannels.
	OnlyChannels, ExcludeChannels []string
	// NoWatchdog turns off the error response for a handler that returns
	// without replying.
	NoWatchdog bool
	// LaneMessages and LaneBytes limit the messages that wait for the handler
	// of one connection. The defaults are 100 messages and 4 MiB.
	LaneMessages, LaneBytes int
	// ErrorPage renders the response to a request that failed. The default is
	// plain text.
	ErrorPage func(Failure) Page
	// CloseReason returns the reason in the close frame of a WebSocket whose
	// handler failed. The default gives no details.
	CloseReason func(Failure) string
	// Report is called once for every failure. By default the pool logs it.
	Report func(Failure)
	// Loaded is called with the outcome of every load, the first included,
	// before Reload returns. Changed is what Reload was called with, and nil
	// for the first load. Loaded must not block. By default the pool logs the
	// outcome.
	Loaded func(g Generation, changed []string, err error)
	// Handled, if not nil, is called for every message that a routed
	// application has handled, on the goroutine of the worker.
	Handled func(Handled)
	// Log is the log of the pool. By default nothing is logged.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Workers = orDefault(o.Workers, 16)
	o.HandlerTimeout = orDefault(o.HandlerTimeout, time.Minute)
	o.LoadTimeout = orDefault(o.LoadTimeout, time.Minute)
	o.Grace = orDefault(o.Grace, 10*time.Second)
	o.LaneMessages = orDefault(o.LaneMessages, 100)
	o.LaneBytes = orDefault(o.LaneBytes, 4<<20)
	if o.CloseReason == nil {
		o.CloseReason = func(Failure) string { return FailedReason }
	}
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

// A Pool runs the current generation of an application in a number of workers.
type Pool struct {
	layer   asgi.Layer
	groups  asgi.Groups
	later   asgi.Later
	kv      asgi.KV
	stats   asgi.Statistics
	readers asgi.Readers
	ticker  asgi.Ticker    // nil if no other process shares the layer
	borrows asgi.Acceptors // nil if the layer does not have the extension
	loader  Loader
	opts    Options
	log     *slog.Logger
	loading chan struct{}   // holds a token; its holder may change the generation and the outcome
	outcome outcome         // of the last load
	ended   chan struct{}   // closed when the shutdown is complete
	ctx     context.Context // done when the shutdown starts
	cancel  context.CancelCauseFunc
	clocks  *clocks

	puttingBack sync.WaitGroup // timers of delayed; Shutdown waits for them

	offering  asgi.Offering              // nil if the layer cannot offer messages
	listening sync.Mutex                 // held while the channels change; lock it before mu
	sorting   atomic.Pointer[generation] // the current one; changes under mu

	mu           sync.Mutex // guards the rest
	current      *generation
	loads        uint64                  // number of the newest generation that loaded
	live         bool                    // whether any generation has loaded
	calls        uint64                  // of Reload
	changed      []string                // names of files that the next load is for
	endLoad      context.CancelCauseFunc // cancels the load in progress; nil if there is none
	workers      map[*worker]struct{}
	wanted       int            // number of workers the current generation must have
	numbers      numbers        // of the workers
	busy         sync.WaitGroup // counts the workers, without abandoned ones
	idle         []*worker      // parked workers
	leader       *worker        // the worker that receives, if the layer cannot offer messages
	free         int            // number of workers of the current generation that look for a task
	awake        bool           // all workers were woken, and none waits again since
	starting     queue          // tasks for free workers, with their limits acquired
	reserved     int            // number of free workers for accepted tasks that will start
	ready        queue          // tasks from lanes that can start
	lanes        map[string]*lane
	laneBytes    int     // in all lanes
	fullLanes    int     // counted if there is a leader
	blockedLanes []*lane // whose senders were refused because all lanes together were full
	rooms        []any   // refused senders that may try again
	waiting      int     // number of tasks received but not started
	limited      int     // those of them that wait for places of limits
	limitedBytes int     // memory of these
	shut         bool    // so many wait for a worker that the pool receives no more
	limits       map[string]*limit
	missed       bool                     // a new message was left in its channel since a worker last offered the waiting messages again
	handingOver  bool                     // a loop has replaced routes whose handlers of WebSocket messages have not ended
	unsettled    bool                     // a place in a limit was left to messages in its channel
	channels     []string                 // channels that the pool receives from
	closed       bool                     // the channel layer is closed
	gone         recent.Names             // reply channels of connections that have ended recently
	drained      bool                     // receive no more durable messages
	stopping     bool                     // end once the channels are empty
	halted       bool                     // start no more tasks
	returning    []returning              // workers that wait to count again, in order
	crowded      bool                     // a handler could not step aside since one last returned
	silent       int                      // number of handlers that endSilent has ended and not reported
	silentAt     time.Time                // when it last reported
	delayed      map[*time.Timer]struct{} // volatile messages that will be put back
	delayedBytes int                      // their memory
	sessions     bool                     // whether any connection has used a channel session
	httpSessions bool                     // whether an HTTP request has
}

// New returns a pool that receives messages from the layer. The pool has no
// workers until [Pool.Run].
func New(layer asgi.Layer, loader Loader, o Options) (*Pool, error) {
	for _, pattern := range append(append([]string(nil), o.OnlyChannels...), o.ExcludeChannels...) {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("bad channel pattern %q", pattern)
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
		delayed: make(map[*time.Timer]struct{}),
	}
	p.log, p.wanted = p.opts.Log, p.opts.Workers
	if p.opts.Report == nil {
		p.opts.Report = func(f Failure) { LogFailure(context.Background(), p.log, f) }
	}
	p.groups = asgi.OrUnsupported[asgi.Groups](layer)
	p.later = asgi.OrUnsupported[asgi.Later](layer)
	p.kv = asgi.OrUnsupported[asgi.KV](layer)
	p.stats = asgi.OrUnsupported[asgi.Statistics](layer)
	p.readers = asgi.OrUnsupported[asgi.Readers](layer)
	p.ticker, _ = asgi.As[asgi.Ticker](layer)
	if layer, ok := asgi.As[asgi.Acceptors](layer); ok {
		p.borrows = layer
		var err error
		if p.offering, err = layer.Accept(&acceptor{p}); err != nil {
			return nil, err
		}
	}
	p.clocks = newClocks(p)
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	p.loading <- struct{}{}
	return p, nil
}

// Run loads the application and runs it until [Pool.Shutdown] is complete.
// When the context is done, Run shuts the pool down with the grace period of
// the options. All goroutines of the pool have ended when Run returns, except
// handlers that do not stop when they are cancelled. Run must be called only
// once.
func (p *Pool) Run(ctx context.Context) error {
	_, _ = p.Reload(ctx) // if it fails, the response to every request is the error
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

// Drain stops receiving durable messages: they stay in the channel layer. The
// pool still handles messages from protocol servers.
func (p *Pool) Drain() {
	p.mu.Lock()
	p.drained = true
	g := p.current
	p.wakeAllLocked()
	p.mu.Unlock()
	p.listen()
	if g != nil {
		g.app.Drain()
	}
}

// Shutdown drains the pool, handles all messages that protocol servers have
// sent, stops the application and closes it. When the context is done, it
// cancels the handlers that still run.
func (p *Pool) Shutdown(ctx context.Context) {
	p.Drain()
	p.cancel(ErrClosed) // cancels a load in progress
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
	p.puttingBack.Wait()
	p.mute()
	if g != nil {
		p.stop(ctx, g)
	}
	close(p.ended)
}

// mute ends the offering.
func (p *Pool) mute() {
	if p.offering != nil {
		_ = p.offering.Update() // fails only if the layer is closed
	}
}

// waitForWorkers waits until all workers have ended. When the context is done,
// it cancels their handlers, and soon after that it abandons the workers that
// are left.
func (p *Pool) waitForWorkers(ctx context.Context) {
	done := make(chan struct{})
	go func() { // ends when the last worker ends or is abandoned
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

// stop runs the stop hook of the application and releases the generation.
func (p *Pool) stop(ctx context.Context, g *generation) {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), abandonAfter)
		defer cancel()
	}
	if err := g.app.Stop(ctx); err != nil {
		p.log.Error("the application's stop hook failed", logkey.Generation, g.number, logkey.Error, err)
	}
	p.release(g)
}
