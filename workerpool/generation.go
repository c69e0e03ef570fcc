package workerpool

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A Kind says how an application takes its messages.
type Kind string

// The kinds of generation.
const (
	KindLoop   Kind = "loop"
	KindRouted Kind = "routed"
	KindBroken Kind = "broken" // did not load; answers with the error
)

// A Generation describes one loaded version of the application.
type Generation struct {
	Number   uint64 // from 1
	Kind     Kind
	Channels []string // what a routed one consumes
	Took     time.Duration
}

// generation is one version of the application, from its load until its last
// handler has ended.
type generation struct {
	number uint64
	kind   Kind
	app    Application
	routed Routed // nil for a loop

	// Guarded by the pool's mutex:
	users     int       // who keep it from being closed
	retiredAt time.Time // zero while it is current
	receiving int       // its workers that may be given something new
	once      sync.Once // closes quiet

	quiet chan struct{} // closed when it is retired and none of them waits
}

func newGeneration(number uint64, app Application) (*generation, error) {
	g := &generation{number: number, app: app, users: 1, quiet: make(chan struct{})}
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
// loading fails, the old generation stays; if there is none, requests are
// answered with the error. Changed names the files that are the reason for the
// load; the pool passes it to [Options.Loaded].
func (p *Pool) Reload(ctx context.Context, changed ...string) (Generation, error) {
	select {
	case <-p.loading:
		defer func() { p.loading <- struct{}{} }()
	case <-ctx.Done():
		return Generation{}, context.Cause(ctx)
	}
	p.mu.Lock()
	number, first, stopping := p.loads+1, !p.live, p.stopping
	p.mu.Unlock()
	if stopping {
		return Generation{}, ErrClosed
	}
	began := time.Now()
	g, err := p.load(ctx, number, first)
	if err != nil {
		p.serveError(err)
		p.report(Generation{Number: number, Kind: KindBroken, Took: time.Since(began)}, changed, err)
		return Generation{}, err
	}
	p.swap(g)
	g.app.Current()
	description := g.describe(time.Since(began))
	p.report(description, changed, nil)
	return description, nil
}

// load makes a generation that is ready to be the current one.
func (p *Pool) load(ctx context.Context, number uint64, first bool) (g *generation, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.opts.LoadTimeout,
		fmt.Errorf("loading took longer than %v", p.opts.LoadTimeout))
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(p.life, func() { end(ErrClosed) })()
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

// serveError has the error answer all requests, unless a generation that
// loaded is there to go on.
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
		p.log.Error("the application did not load", "generation", g.Number, "err", err)
	default:
		p.log.Info("the application is live", "generation", g.Number, "kind", string(g.Kind), "took", g.Took)
	}
}

// swap makes g the current generation, gives it workers and retires the old.
func (p *Pool) swap(g *generation) {
	p.mu.Lock()
	old := p.current
	p.current = g
	if g.kind != KindBroken {
		p.loads = g.number
		p.live = true
	}
	p.limitLocked(g)
	p.clocks.set(g)
	p.staffLocked()
	if old != nil {
		p.retireLocked(old)
	}
	p.subscribeLocked()
	p.wakeAllLocked()
	p.mu.Unlock()
	if old != nil {
		waitQuiet(old)
		p.release(old)
	}
}

func (p *Pool) retireLocked(g *generation) {
	g.retiredAt = time.Now()
	g.receivingLocked(0)
}

// waitQuiet waits until no worker of a generation can be given a new message
// any more: what is sent from then on is the next generation's. They have been
// woken, so this takes no time; should one not get to run, it is not waited for.
func waitQuiet(g *generation) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-g.quiet:
	case <-timer.C:
	}
}

// receivingLocked counts a worker in or out that may be given something new.
func (g *generation) receivingLocked(n int) {
	g.receiving += n
	if g.receiving == 0 && !g.retiredAt.IsZero() {
		g.once.Do(func() { close(g.quiet) })
	}
}

// release gives up one use of a generation and frees it if it was the last.
func (p *Pool) release(g *generation) {
	p.mu.Lock()
	g.users--
	last := g.users == 0
	p.mu.Unlock()
	if last {
		g.app.Close()
	}
}

// Current describes the generation that handlers start on now; its Number is
// zero before the first.
func (p *Pool) Current() Generation {
	p.mu.Lock()
	g := p.current
	p.mu.Unlock()
	if g == nil {
		return Generation{}
	}
	return g.describe(0)
}
