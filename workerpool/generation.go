package workerpool

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"asgibox/internal/logkey"
)

// A Kind is the way an application takes its messages.
type Kind string

// The kinds of generation.
const (
	KindLoop   Kind = "loop"
	KindRouted Kind = "routed"
	KindBroken Kind = "broken" // did not load; the response to every request is the error
)

// A Generation describes one loaded version of the application.
type Generation struct {
	Number   uint64 // from 1
	Kind     Kind
	Channels []string // consumed by a routed application
	Took     time.Duration
}

// generation is one version of the application. It exists from its load until
// its last handler has ended.
type generation struct {
	number uint64
	kind   Kind
	app    Application
	routed Routed // nil for a loop

	// Guarded by the pool's mutex:
	users     int             // uses that keep the application from being closed
	retiredAt time.Time       // zero while it is current
	slow      map[string]bool // consumers whose last call took long
	receiving int             // number of its workers that may receive a new message
	once      sync.Once       // closes stoppedReceiving

	stoppedReceiving chan struct{} // closed when the generation is retired and receiving is zero
}

func newGeneration(number uint64, app Application) (*generation, error) {
	g := &generation{number: number, app: app, users: 1, stoppedReceiving: make(chan struct{})}
	switch app := app.(type) {
	case *broken:
		g.kind, g.routed = KindBroken, app
	case Routed:
		g.kind, g.routed = KindRouted, app
	case Loop:
		g.kind = KindLoop
	default:
		return nil, fmt.Errorf("a %T is neither a loop nor a routed application", app)
	}
	return g, nil
}

func (g *generation) describe(took time.Duration) Generation {
	d := Generation{Number: g.number, Kind: g.kind, Took: took}
	if g.routed != nil {
		d.Channels = g.routed.Channels()
	}
	return d
}

// Reload loads the application again and makes it the current generation. If
// loading fails, the old generation stays; if there is none, the response to
// every request is the error. A call cancels the load that is in progress. The
// next load is for the earlier calls too, and all of them return its outcome.
// Changed names the files that are the reason for the load; the pool passes
// those of all these calls to [Options.Loaded].
func (p *Pool) Reload(ctx context.Context, changed ...string) (Generation, error) {
	call := p.supersede(changed)
	for {
		select {
		case <-p.loading:
		case <-ctx.Done():
			return Generation{}, context.Cause(ctx)
		}
		if p.outcome.call < call {
			p.reload(ctx)
		}
		o := p.outcome
		p.loading <- struct{}{}
		if o.call >= call {
			return o.generation, o.err
		}
	}
}

// An outcome is that of a load.
type outcome struct {
	call       uint64 // of Reload, the last one that the load is for
	generation Generation
	err        error
}

// supersede counts a call of Reload and cancels the load in progress. It returns the
// number of the call.
func (p *Pool) supersede(changed []string) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	p.changedLocked(changed)
	if p.endLoad != nil {
		p.endLoad(ErrSuperseded)
	}
	return p.calls
}

// changedLocked adds names to those that the next load is for.
func (p *Pool) changedLocked(names []string) {
	for _, name := range names {
		if !slices.Contains(p.changed, name) {
			p.changed = append(p.changed, name)
		}
	}
}

// reload loads the application for all calls of Reload so far. It sets the outcome,
// unless a later call has cancelled the load. Its caller holds the token.
func (p *Pool) reload(ctx context.Context) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	p.mu.Lock()
	call, number, first, stopping := p.calls, p.loads+1, !p.live, p.stopping
	changed := p.changed
	p.changed, p.endLoad = nil, end
	p.mu.Unlock()
	if stopping {
		p.outcome = outcome{call: call, err: ErrClosed}
		return
	}
	began := time.Now()
	g, err := p.load(ctx, number, first)
	p.mu.Lock()
	p.endLoad = nil
	cancelled := err != nil && context.Cause(ctx) == ErrSuperseded
	if cancelled {
		p.changedLocked(changed)
	}
	p.mu.Unlock()
	if cancelled {
		p.log.Info("the application has changed again; its load was cancelled", logkey.Generation, number)
		return
	}
	if err != nil && ctx.Err() != nil && !first { // the caller has stopped
		p.outcome = outcome{call: call, err: context.Cause(ctx)}
		return
	}
	if p.outcome.call == 0 {
		changed = nil // it is the first load
	}
	description := Generation{Number: number, Kind: KindBroken, Took: time.Since(began)}
	if err != nil {
		p.serveError(err)
		p.report(description, changed, err)
		p.outcome = outcome{call: call, err: err}
		return
	}
	p.swap(g)
	g.app.Current()
	description = g.describe(time.Since(began))
	p.report(description, changed, nil)
	p.outcome = outcome{call, description, nil}
}

// load returns a generation that is ready to become the current one.
func (p *Pool) load(ctx context.Context, number uint64, first bool) (g *generation, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.opts.LoadTimeout,
		fmt.Errorf("loading took longer than %v", p.opts.LoadTimeout))
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(p.ctx, func() { end(ErrClosed) })()
	err = guard(func() error {
		app, err := p.loader.Load(ctx, number)
		if err != nil {
			return err
		}
		if g, err = newGeneration(number, app); err != nil {
			return err
		}
		if err = app.Live(ctx, first); err != nil {
			app.Close()
		}
		return err
	})
	return g, err
}

// serveError makes the error the response to every request, unless a
// generation has loaded before.
func (p *Pool) serveError(err error) {
	p.mu.Lock()
	number, live := p.loads+1, p.live
	p.mu.Unlock()
	if live {
		return
	}
	g, _ := newGeneration(number, &broken{pool: p, err: err})
	p.swap(g)
}

func (p *Pool) report(g Generation, changed []string, err error) {
	switch {
	case p.opts.Loaded != nil:
		p.opts.Loaded(g, changed, err)
	case err != nil:
		p.log.Error("the application did not load", logkey.Generation, g.Number, logkey.Error, err)
	default:
		p.log.Info("the application is live", logkey.Generation, g.Number, "kind", string(g.Kind), "took", g.Took)
	}
}

// swap makes g the current generation, starts its workers and retires the old
// generation.
func (p *Pool) swap(g *generation) {
	p.mu.Lock()
	old := p.current
	p.current = g
	p.sorting.Store(g)
	if g.kind != KindBroken {
		p.loads = g.number
		p.live = true
	}
	p.handingOver = g.routed == nil && old != nil
	p.limitLocked(g)
	p.clocks.set(g)
	if sized, ok := g.app.(Sized); ok {
		p.wanted = min(max(sized.Workers(), 1), MaxWorkers)
	}
	p.setWorkersLocked()
	p.returnSomeLocked()
	p.handOverLocked()
	if old != nil {
		p.retireLocked(old)
	}
	p.wakeAllLocked()
	p.mu.Unlock()
	p.listen()
	if old != nil {
		waitStoppedReceiving(old)
		p.release(old)
	}
}

// handOverLocked lets a loop receive from the channels of WebSockets once the
// routes before it have handled what they have taken, so that the loop does not
// overtake it.
func (p *Pool) handOverLocked() {
	if !p.handingOver || p.waiting > 0 {
		return
	}
	for w := range p.workers {
		if w.task != nil && isSocket(w.task.delivery.Channel) {
			return
		}
	}
	p.handingOver = false
	p.wakeAllLocked()
}

func (p *Pool) retireLocked(g *generation) {
	g.retiredAt = time.Now()
	g.receivingLocked(0)
}

// waitStoppedReceiving waits until no worker of a retired generation can
// receive a new message, so that every message sent from now on goes to the
// next generation. The workers have been woken, so this takes no time; if a
// worker does not get to run, the wait ends after a second.
func waitStoppedReceiving(g *generation) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-g.stoppedReceiving:
	case <-timer.C:
	}
}

// receivingLocked adds n to the number of workers that may receive a new
// message.
func (g *generation) receivingLocked(n int) {
	g.receiving += n
	if g.receiving == 0 && !g.retiredAt.IsZero() {
		g.once.Do(func() { close(g.stoppedReceiving) })
	}
}

// release gives up one use of a generation and closes its application after
// the last use.
func (p *Pool) release(g *generation) {
	p.mu.Lock()
	g.users--
	last := g.users == 0
	p.mu.Unlock()
	if last {
		g.app.Close()
	}
}

// Current describes the generation that new handlers run on. Its Number is
// zero before the first load.
func (p *Pool) Current() Generation {
	p.mu.Lock()
	g := p.current
	p.mu.Unlock()
	if g == nil {
		return Generation{}
	}
	return g.describe(0)
}
