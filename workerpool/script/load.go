package script

import (
	"context"
	"errors"
	"fmt"

	"asgibox/internal/spell"
	"asgibox/workerpool"

	"go.starlark.net/starlark"
)

// loading is a file that runs for the first time. Its run is on a goroutine of
// its own, since it may turn out to be a loop's, which goes on as a worker's.
type loading struct {
	staged   *staged
	receives chan struct{}     // closed at its first receive
	tasks    chan func() error // for the goroutine, while it waits there
	results  chan error        // of tasks
	workers  chan liveWorker   // whose program it is to be; closed if there will be none
	ended    chan ending       // holds one
	globals  starlark.StringDict
}

// liveWorker is what a program gets when its generation is live.
type liveWorker struct {
	ctx    context.Context
	worker *workerpool.LoopWorker
}

// ending is how a run of the file ended.
type ending struct {
	globals starlark.StringDict
	err     error
}

// load runs the file until it ends or receives, and answers the application
// that it turned out to be.
func (u *unit) load(ctx context.Context) (workerpool.Application, error) {
	if _, err := u.compile(u.loader.file); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	l := &loading{
		staged:   &staged{direct: u.direct()},
		receives: make(chan struct{}),
		tasks:    make(chan func() error),
		results:  make(chan error),
		workers:  make(chan liveWorker),
		ended:    make(chan ending, 1),
	}
	r := u.newRun(ctx, "load")
	r.loading, r.out = l, l.staged
	go r.first(l) // ends with the program, which Close or the pool end if it is a loop
	select {
	case e := <-l.ended:
		defer cancel(nil)
		if e.err != nil {
			return nil, e.err
		}
		return u.routed(e.globals, l.staged)
	case <-l.receives:
		return newLoop(u, l, cancel), nil
	}
}

// first runs the file on this goroutine.
func (r *run) first(l *loading) {
	var e ending
	defer func() {
		if p := recover(); p != nil {
			e.err = &workerpool.PanicError{Value: p}
		}
		l.ended <- e
	}()
	e.globals, e.err = r.exec(r.unit.loader.file)
	if err := r.saveSessions(); e.err == nil {
		e.err = err
	}
}

// becomeLoop is called by the first receive of a program. It waits until the
// generation is live and a worker is there to run it.
func (r *run) becomeLoop() error {
	l := r.loading
	l.globals = globalsOf(r.root)
	close(l.receives)
	for {
		select {
		case task := <-l.tasks:
			l.results <- task()
		case w, ok := <-l.workers:
			if !ok {
				return workerpool.ErrRetired
			}
			r.loading = nil
			r.join(w.ctx, w.worker)
			return nil
		}
	}
}

// join makes the run a worker's.
func (r *run) join(ctx context.Context, w *workerpool.LoopWorker) {
	r.worker = w
	r.next(w.Job())
	r.begin(ctx)
	r.thread.SetLocal(localContext, ctx)
}

// next makes the message that a loop was given its work; that before it is done.
func (r *run) next(j *workerpool.Job) {
	r.work(j)
	r.sessions, r.cookie, r.base = nil, "", 0
}

// globalsOf answers the globals of the file that a thread runs, so far: those
// of its outermost function.
func globalsOf(thread *starlark.Thread) starlark.StringDict {
	for i := thread.CallStackDepth() - 1; i >= 0; i-- {
		if fn, ok := thread.DebugFrame(i).Callable().(*starlark.Function); ok {
			return fn.Globals()
		}
	}
	return nil
}

// routed makes a routed application of the globals that a file has left.
func (u *unit) routed(globals starlark.StringDict, s *staged) (workerpool.Application, error) {
	globals.Freeze()
	table, err := newTable(u, globals)
	if err != nil {
		return nil, err
	}
	return &routed{unit: u, globals: globals, staged: s, table: table}, nil
}

// errNoApplication is a file that is neither kind of application. A name that
// it sets may be a misspelt one.
func (u *unit) errNoApplication(globals starlark.StringDict) error {
	for _, name := range []string{"channel_routing", "application"} {
		if near := spell.Nearest(name, globals.Keys()); near != "" {
			return u.atName(near, hintf(fmt.Sprintf("did you mean %s, where it sets %s?", name, near), "%s sets no %s", u.loader.file, name))
		}
	}
	return hintf("set channel_routing = [view(\"/\", index)], define application(environ, start_response), or call layer.receive_many",
		"%s sets neither channel_routing nor application and never receives a message", u.loader.file)
}

// lifecycle calls the hooks of a generation that goes live.
func (u *unit) lifecycle(ctx context.Context, globals starlark.StringDict, first bool) error {
	name := "on_reload"
	if first {
		name = "on_start"
	}
	if err := u.hook(ctx, globals, name); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

var errNoLayer = errors.New("there is no channel layer here")
