package script

import (
	"log/slog"
	"maps"

	"asgibox/internal/logkey"
	"asgibox/workerpool/script/lib"

	"go.starlark.net/starlark"
)

// predeclared returns the names that every file can use in addition to
// Starlark's own.
func (u *unit) predeclared() (starlark.StringDict, error) {
	l := u.loader
	settings, err := u.settings()
	if err != nil {
		return nil, err
	}
	names := starlark.StringDict{
		"layer":    layerObject(l.opts.Layer),
		"state":    stateObject(),
		"settings": settings,
		"Channel":  function("Channel", newChannel),
		"Group":    function("Group", newGroup),
		"attempt":  function("attempt", attempt),
		"route":    function("route", routeCall),
		"include":  function("include", includeCall),
		"every":    function("every", everyCall),
		"hold":     function("hold", hold),
		"view":     function("view", viewCall),
		"static":   function("static", staticCall),
	}
	maps.Copy(names, u.web.Builtins())
	maps.Copy(names, lib.Builtins(lib.Options{Before: u.before, After: after, Log: u.logger, Client: l.opts.Client, Random: l.opts.Random}))
	maps.Copy(names, l.opts.Names)
	return names, nil
}

// before runs before a call of package lib that waits or leaves the process. It
// fails where the call might run again. Except for sleep, it also waits until
// the run's changes are on disk, because the call may make them visible outside.
func (u *unit) before(thread *starlark.Thread, call string) error {
	r := runOf(thread)
	if err := r.enter(call); err != nil || call == "sleep" {
		return err
	}
	return r.waitBarrier(r.ctx)
}

// after runs after a call of package lib that waited.
func after(thread *starlark.Thread, call string) { runOf(thread).step(call) }

// logger returns the logger of a script, with the generation and the trace.
func (u *unit) logger(thread *starlark.Thread) *slog.Logger {
	log := u.loader.log.With(logkey.Generation, u.number)
	if c := runOf(thread).cause(); c.Trace() != 0 {
		log = log.With(logkey.Trace, c.Trace().String())
	}
	return log
}
