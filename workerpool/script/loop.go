package script

import (
	"context"
	"errors"
	"sync"

	"asgibox/workerpool"
)

// loop is an application that receives for itself.
type loop struct {
	unit   *unit
	cancel context.CancelCauseFunc

	mu      sync.Mutex // guards loading
	loading *loading   // the first run, until a worker has taken it over

	first *loading // the same, for its globals
}

var _ workerpool.Loop = (*loop)(nil)

func newLoop(u *unit, l *loading, cancel context.CancelCauseFunc) *loop {
	return &loop{unit: u, loading: l, first: l, cancel: cancel}
}

// Live lets go what the file sent before its first receive, and runs its
// start hook on the goroutine that waits there.
func (a *loop) Live(ctx context.Context, first bool) error {
	l := a.first
	l.tasks <- func() error {
		if err := l.staged.release(ctx, l.staged.direct); err != nil {
			return err
		}
		return a.unit.lifecycle(ctx, l.globals, first)
	}
	return <-l.results
}

// Drain lets go the pages that wait for a new generation.
func (a *loop) Drain() { a.unit.loader.live.drain() }

// Current tells open pages.
func (a *loop) Current() { a.unit.loader.live.announce(a.unit.number) }

// Stop runs the stop hook. No worker runs any more.
func (a *loop) Stop(ctx context.Context) error {
	return a.unit.hook(ctx, a.first.globals, "on_stop")
}

// Close ends the first run, if no worker ever took it over.
func (a *loop) Close() {
	if l := a.take(); l != nil {
		close(l.workers)
		<-l.ended
	}
	a.cancel(nil)
	a.unit.close()
}

// Work runs the program once: the first time by going on with the run that
// loading began.
func (a *loop) Work(ctx context.Context, w *workerpool.LoopWorker) error {
	if l := a.take(); l != nil {
		l.workers <- liveWorker{ctx, w}
		return a.clean((<-l.ended).err)
	}
	r := a.unit.newRun(ctx, "worker")
	r.join(ctx, w)
	_, err := r.exec(a.unit.loader.file)
	if saved := r.saveSessions(); err == nil {
		err = saved
	}
	return a.clean(err)
}

func (a *loop) take() *loading {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.loading
	a.loading = nil
	return l
}

// clean answers ErrRetired bare, whatever the interpreter has put around it.
func (a *loop) clean(err error) error {
	if errors.Is(err, workerpool.ErrRetired) {
		return workerpool.ErrRetired
	}
	return a.unit.explained(err)
}
