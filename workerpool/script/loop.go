package script

import (
	"context"
	"errors"
	"sync"

	"asgibox/workerpool"
)

// loop is an application that receives messages itself.
type loop struct {
	unit   *unit
	cancel context.CancelCauseFunc

	mu      sync.Mutex // guards loading
	loading *loading   // the first run, until a worker continues it

	first *loading // the first run, for its globals
}

var _ workerpool.Loop = (*loop)(nil)

func newLoop(u *unit, l *loading, cancel context.CancelCauseFunc) *loop {
	return &loop{unit: u, loading: l, first: l, cancel: cancel}
}

// Live sends the messages that the file sent before its first receive. Then it
// runs the start hook on the goroutine that waits in that receive.
func (a *loop) Live(ctx context.Context, first bool) error {
	l := a.first
	l.tasks <- func() error {
		if err := l.staged.release(ctx, l.staged.direct); err != nil {
			return err
		}
		return a.unit.lifecycle(ctx, l.globals, first)
	}
	return a.unit.loader.pages.LoadFailed(ctx, <-l.results)
}

// Drain replies to the pages that wait for a new generation.
func (a *loop) Drain() { a.unit.loader.pages.Drain() }

// Current notifies open pages that this generation is live.
func (a *loop) Current() { a.unit.loader.pages.Current(a.unit.number) }

// Stop runs the stop hook. No worker is running at this point.
func (a *loop) Stop(ctx context.Context) error {
	return a.unit.hook(ctx, a.first.globals, "on_stop")
}

// Close ends the first run if no worker continued it, and closes the files.
func (a *loop) Close() {
	a.abandon()
	a.unit.close()
}

// abandon ends the first run if no worker continued it.
func (a *loop) abandon() {
	if l := a.takeLoading(); l != nil {
		close(l.workers)
		<-l.ended
	}
	a.cancel(nil)
}

// Work runs the program once. The first call continues the run that loading
// started.
func (a *loop) Work(ctx context.Context, w *workerpool.LoopWorker) error {
	if l := a.takeLoading(); l != nil {
		l.workers <- liveWorker{ctx, w}
		return a.workError((<-l.ended).err)
	}
	r := a.unit.newRun(ctx, "worker")
	defer r.memory.Release()
	r.becomeWorker(ctx, w)
	_, err := r.exec(a.unit.loader.file)
	if saved := r.saveSessions(); err == nil {
		err = saved
	}
	return a.workError(err)
}

// takeLoading returns the first run to its first caller, then nil.
func (a *loop) takeLoading() *loading {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.loading
	a.loading = nil
	return l
}

// workError removes everything that the interpreter wrapped around ErrRetired
// and explains all other errors.
func (a *loop) workError(err error) error {
	if errors.Is(err, workerpool.ErrRetired) {
		return workerpool.ErrRetired
	}
	return a.unit.explained(err)
}
