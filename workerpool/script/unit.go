package script

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"

	"asgibox/asgi"
	"asgibox/workerpool/routing"
	"asgibox/workerpool/script/lib"
	"asgibox/workerpool/script/stack"
	"asgibox/workerpool/script/web"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// unit is one generation of the application: its compiled files and the values
// that all runs of them share.
type unit struct {
	loader  *Loader
	number  uint64
	usage   *usage
	sources *sources
	names   starlark.StringDict // that every file can use
	all     starlark.StringDict // names and the guards, predeclared in every file
	web     *web.Env
	table   *table // of a routed application, after the load
	readers asgi.Readers
	threads sync.Pool      // idle *run values for handlers
	warned  routing.Warned // places and problems of messages

	mu       sync.Mutex // guards the rest
	compiled map[string]*starlark.Program
	nones    map[string]bool // places of functions that may return None on purpose
	rendered []rendering     // templates that the files name
	groups   groupNames      // that the files name
	received map[string]bool // channels that the application's own calls receive from
}

// module is a file that a load statement names.
type module struct {
	globals starlark.StringDict
	err     error
	busy    bool // still running
}

// open returns a unit that has not compiled anything yet.
func (l *Loader) open(generation uint64) (*unit, error) {
	root, err := os.OpenRoot(l.folder)
	if err != nil {
		return nil, fmt.Errorf("cannot open the application's folder: %w", err)
	}
	u := &unit{
		loader:   l,
		number:   generation,
		usage:    &usage{loader: l},
		compiled: make(map[string]*starlark.Program),
		received: make(map[string]bool),
		nones:    make(map[string]bool),
		readers:  asgi.OrUnsupported[asgi.Readers](l.opts.Layer),
	}
	u.sources = &sources{root: root, used: u.usage.add, text: make(map[string]string)}
	u.web = web.NewEnv(root, u.usage.add, u.isPrivate)
	l.began(u)
	if u.names, err = u.predeclared(); err != nil {
		u.close()
		return nil, u.explained(err)
	}
	u.all = lib.Guards()
	u.all[stack.EnterName] = stack.Enter
	maps.Copy(u.all, u.names)
	return u, nil
}

// close closes the application's folder.
func (u *unit) close() { u.sources.root.Close() }

// compile returns the program of a file. It reads and compiles the file the
// first time.
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
	f, err := parse(dialect, name, text)
	if err != nil {
		return nil, err
	}
	calls, groups := renderings(f), groupCalls(f)
	lib.Guard(f)
	if c := u.loader.opts.Coverage; c != nil {
		c.instrument(name, f)
	}
	if u.loader.opts.Locals {
		stack.Instrument(f)
	}
	p, err := starlark.FileProgram(f, u.predeclaredIn(name).Has)
	if err != nil {
		return nil, err
	}
	for _, place := range noneReturns(f) {
		u.nones[place] = true
	}
	u.rendered = append(u.rendered, predeclaredOnly(calls)...)
	u.groups.merge(groups)
	u.compiled[name] = p
	return p, nil
}

// exec runs a whole file and returns its globals.
func (r *run) exec(name string) (starlark.StringDict, error) {
	p, err := r.unit.compile(name)
	if err != nil {
		return nil, err
	}
	return stack.Init(p, r.thread, r.unit.predeclaredIn(name))
}

// load implements the load statement. Each run of the main file runs a module
// once. The module shares the run because it may receive messages.
func (r *run) load(_ *starlark.Thread, name string) (starlark.StringDict, error) {
	name, err := resolve(name)
	if err != nil {
		return nil, err
	}
	m := r.modules[name]
	switch {
	case m == nil:
	case m.busy:
		return nil, fmt.Errorf("%s is already being loaded: files must not load each other in a circle", name)
	default:
		return m.globals, m.err
	}
	m = &module{busy: true}
	r.modules[name] = m
	outer := r.thread
	r.thread = &starlark.Thread{Name: name, Print: outer.Print, Load: r.load, OnMaxSteps: r.inspect}
	r.thread.SetLocal(localRun, r)
	r.thread.SetLocal(localContext, r.ctx)
	r.memory.Use(r.thread)
	r.thread.SetMaxExecutionSteps(r.quantum)
	m.globals, m.err = r.exec(name)
	r.thread = outer
	m.busy = false
	return m.globals, m.err
}

// hook calls a hook such as on_start, if the file defines it.
func (u *unit) hook(ctx context.Context, globals starlark.StringDict, name string) error {
	fn, ok := globals[name].(starlark.Callable)
	if !ok {
		return nil
	}
	r := u.newRun(ctx, name)
	defer r.memory.Release()
	r.out = u.direct()
	_, err := r.call(fn, nil, nil)
	return errors.Join(err, r.saveSessions())
}

// position returns the place of a function's definition in the files.
func position(fn starlark.Value) (syntax.Position, bool) {
	if fn, ok := fn.(*starlark.Function); ok {
		return fn.Position(), true
	}
	return syntax.Position{}, false
}
