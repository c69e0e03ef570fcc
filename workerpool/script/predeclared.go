package script

import (
	"maps"

	"go.starlark.net/starlark"
)

// predeclared answers the names that every file may use, besides Starlark's
// own.
func (u *unit) predeclared() starlark.StringDict {
	l := u.loader
	names := starlark.StringDict{
		"layer":    layerObject(l.opts.Layer),
		"state":    stateObject(),
		"log":      logObject(),
		"settings": u.settings(),
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
	return names
}
