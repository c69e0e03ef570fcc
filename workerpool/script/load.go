package script

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"asgibox/internal/spell"
	"asgibox/workerpool"
	"asgibox/workerpool/script/explain"

	"go.starlark.net/starlark"
)

// loading is the first run of a file. It has its own goroutine because the file
// may be a loop application: its first receive waits there until a worker
// continues the run.
type loading struct {
	staged    *staged
	receiving chan struct{}     // closed at the first receive
	tasks     chan func() error // to run on the goroutine while it waits
	results   chan error        // of tasks
	workers   chan liveWorker   // delivers the worker that continues the run; closed if there is none
	ended     chan loadResult   // buffered
	globals   starlark.StringDict
}

// liveWorker is the worker that continues the first run of a loop application.
type liveWorker struct {
	ctx    context.Context
	worker *workerpool.LoopWorker
}

// loadResult is the result of running the file.
type loadResult struct {
	globals starlark.StringDict
	err     error
}

// load runs the file until it ends or receives, and returns a routed application
// or a loop.
func (u *unit) load(ctx context.Context) (workerpool.Application, error) {
	if _, err := u.compile(u.loader.file); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	l := &loading{
		staged:    &staged{direct: u.direct()},
		receiving: make(chan struct{}),
		tasks:     make(chan func() error),
		results:   make(chan error),
		workers:   make(chan liveWorker),
		ended:     make(chan loadResult, 1),
	}
	r := u.newRun(ctx, "load")
	r.loading, r.out = l, l.staged
	go r.runFile(l) // ends with the file; Close or the pool ends a loop
	select {
	case e := <-l.ended:
		defer cancel(nil)
		if e.err != nil {
			return nil, e.err
		}
		if err := u.checkNames(); err != nil {
			return nil, err
		}
		return u.routed(e.globals, r.modules, l.staged)
	case <-l.receiving:
		a := newLoop(u, l, cancel)
		if err := u.checkNames(); err != nil {
			a.abandon()
			return nil, err
		}
		return a, nil
	}
}

// checkNames checks the names of templates and groups in the files.
func (u *unit) checkNames() error {
	if err := u.checkTemplates(); err != nil {
		return err
	}
	return u.checkGroups()
}

// runFile runs the file for the first time.
func (r *run) runFile(l *loading) {
	var e loadResult
	defer func() {
		r.memory.Release()
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

// becomeLoop handles the first receive of a loop application. It waits until the
// generation is live and a worker continues the run.
func (r *run) becomeLoop() error {
	l := r.loading
	l.globals = globalsOf(r.root)
	close(l.receiving)
	for {
		select {
		case task := <-l.tasks:
			l.results <- task()
		case w, ok := <-l.workers:
			if !ok {
				return workerpool.ErrRetired
			}
			r.loading = nil
			r.becomeWorker(w.ctx, w.worker)
			return nil
		}
	}
}

// becomeWorker makes the run work for a loop worker.
func (r *run) becomeWorker(ctx context.Context, w *workerpool.LoopWorker) {
	r.worker = w
	r.startMessage(w.Job())
	r.reset(ctx)
	r.thread.SetLocal(localContext, ctx)
}

// startMessage makes the run work for the message that a loop received. The
// message before it is finished.
func (r *run) startMessage(j *workerpool.Job) {
	r.setJob(j)
	r.sessions, r.cookie, r.base = nil, "", 0
}

// globalsOf returns the current globals of the file that a thread runs: the
// globals of its outermost function.
func globalsOf(thread *starlark.Thread) starlark.StringDict {
	for i := thread.CallStackDepth() - 1; i >= 0; i-- {
		if fn, ok := thread.DebugFrame(i).Callable().(*starlark.Function); ok {
			return fn.Globals()
		}
	}
	return nil
}

// routed returns a routed application with the globals of a file that ended. It
// freezes them and those of the loaded files, because all workers share them.
func (u *unit) routed(globals starlark.StringDict, modules map[string]*module, s *staged) (workerpool.Application, error) {
	table, err := newTable(u, globals)
	if err != nil {
		return nil, err
	}
	if err := freeze(globals); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		if err := freeze(modules[name].globals); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	u.table = table
	if c := u.loader.opts.Coverage; c != nil {
		c.addRoutes(table.Routes())
	}
	return &routed{unit: u, globals: globals, staged: s, table: table}, nil
}

// errNoApplication returns the error for a file that is neither kind of
// application. It suggests a global with a similar name.
func (u *unit) errNoApplication(globals starlark.StringDict) error {
	for _, name := range []string{"channel_routing", "application"} {
		if near := spell.Nearest(name, globals.Keys()); near != "" {
			return u.placeAtName(near, explain.Hintf(fmt.Sprintf("did you mean %s instead of %s?", name, near), "%s does not set %s", u.loader.file, name))
		}
	}
	return explain.Hintf("set channel_routing = [view(\"/\", index)], define application(environ, start_response), or call layer.receive_many",
		"%s does not set channel_routing or application and never receives a message", u.loader.file)
}

// lifecycle calls the start hook of a generation that becomes live: on_start for
// the first generation, on_reload for others.
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

var errNoLayer = errors.New("no channel layer is available here")
