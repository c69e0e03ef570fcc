package script

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"asgibox/workerpool/script/web"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// unit is one generation of the application: its files, compiled, and what all
// runs of them share.
type unit struct {
	loader  *Loader
	number  uint64
	sources *sources
	names   starlark.StringDict // what every file may use
	web     *web.Env
	threads sync.Pool // of *run, for handlers

	mu       sync.Mutex      // guards the rest
	warnings map[string]bool // given so far
	compiled map[string]*starlark.Program
}

// module is what a load statement found.
type module struct {
	globals starlark.StringDict
	err     error
	busy    bool
}

// open readies a unit.
func (l *Loader) open(generation uint64) (*unit, error) {
	root, err := os.OpenRoot(l.folder)
	if err != nil {
		return nil, fmt.Errorf("the application's folder cannot be opened: %w", err)
	}
	u := &unit{
		loader:   l,
		number:   generation,
		sources:  &sources{root: root, text: make(map[string]string)},
		warnings: make(map[string]bool),
		compiled: make(map[string]*starlark.Program),
	}
	u.web = web.NewEnv(root)
	if u.names, err = u.predeclared(); err != nil {
		l.remember(u)
		u.close()
		return nil, u.explained(err)
	}
	return u, nil
}

// close frees what is not memory.
func (u *unit) close() { u.sources.root.Close() }

// compile answers the program of a file, read and compiled the first time.
func (u *unit) compile(name string) (*starlark.Program, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if p := u.compiled[name]; p != nil {
		return p, nil
	}
	text, err := u.sources.read(name)
	if err != nil {
		return nil, err
	}
	_, p, err := starlark.SourceProgramOptions(dialect, name, text, u.names.Has)
	if err != nil {
		return nil, err
	}
	u.compiled[name] = p
	return p, nil
}

// exec runs a whole file.
func (r *run) exec(name string) (starlark.StringDict, error) {
	p, err := r.unit.compile(name)
	if err != nil {
		return nil, err
	}
	return p.Init(r.thread, r.unit.names)
}

// load is the load statement. A module runs once for each run of a file; it
// may receive, which is why it shares the run.
func (r *run) load(_ *starlark.Thread, name string) (starlark.StringDict, error) {
	name, err := resolve(name)
	if err != nil {
		return nil, err
	}
	m := r.modules[name]
	switch {
	case m == nil:
	case m.busy:
		return nil, fmt.Errorf("%s is being loaded already: files load each other in a circle", name)
	default:
		return m.globals, m.err
	}
	m = &module{busy: true}
	r.modules[name] = m
	outer := r.thread
	r.thread = &starlark.Thread{Name: name, Print: outer.Print, Load: r.load, OnMaxSteps: r.look}
	r.thread.SetLocal(localRun, r)
	r.thread.SetLocal(localContext, r.ctx)
	r.thread.SetMaxExecutionSteps(r.quantum)
	m.globals, m.err = r.exec(name)
	r.thread = outer
	m.busy = false
	return m.globals, m.err
}

// hook calls a function of the script that the file may define, with nobody's
// message.
func (u *unit) hook(ctx context.Context, globals starlark.StringDict, name string) error {
	fn, ok := globals[name].(starlark.Callable)
	if !ok {
		return nil
	}
	r := u.newRun(ctx, name)
	r.out = u.direct()
	_, err := r.call(fn, nil, nil)
	return errors.Join(err, r.saveSessions())
}

// position answers where a function stands in the files.
func position(fn starlark.Value) (syntax.Position, bool) {
	switch fn := fn.(type) {
	case *starlark.Function:
		return fn.Position(), true
	case *starlark.Builtin:
		return syntax.Position{}, false
	}
	return syntax.Position{}, false
}
