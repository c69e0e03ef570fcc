package script

import (
	"log/slog"
	"maps"

	"asgibox/workerpool/script/lib"

	"go.starlark.net/starlark"
)

// predeclared answers the names that every file may use, besides Starlark's
// own.
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
	maps.Copy(names, lib.Builtins(lib.Options{Before: u.before, Log: u.logger}))
	return names, nil
}

// before lets a call of package lib wait or reach the outside: not where it
// may run again, and to others only what is on disk.
func (u *unit) before(thread *starlark.Thread, call string) error {
	r := of(thread)
	if err := r.pure(call); err != nil || call == "sleep" {
		return err
	}
	return r.waitBarrier(r.ctx)
}

// logger is where a script's log goes, with on whose behalf.
func (u *unit) logger(thread *starlark.Thread) *slog.Logger {
	log := u.loader.log.With("generation", u.number)
	if c := of(thread).cause(); c.Trace() != 0 {
		log = log.With("trace", c.Trace().String())
	}
	return log
}
