package process

import (
	"fmt"
	"slices"

	"asgibox/asgi"
	"asgibox/workerpool"
)

// The kinds of application that a child can be.
const (
	kindLoop   = "loop"   // it calls receive itself
	kindRouted = "routed" // it lists its routes
	kindWSGI   = "wsgi"   // it has one function for all requests
	kindASGI3  = "asgi3"  // it has one coroutine for each connection
)

// ready is what a child says when it has loaded the application.
type ready struct {
	kind string
	args asgi.Fields // all fields of the frame, kind included
}

// parseReady returns what a child has said.
func parseReady(args asgi.Fields) (ready, error) {
	r := ready{kind: find[string](args, "kind"), args: slices.Clone(args)}
	if !slices.Contains([]string{kindLoop, kindRouted, kindWSGI, kindASGI3}, r.kind) {
		return r, fmt.Errorf("the kind %q of application is not known; it must be loop, routed, wsgi or asgi3", r.kind)
	}
	return r, nil
}

// application returns the application of a generation whose children are ready.
func (g *set) application(r ready) (workerpool.Application, error) {
	g.use(texts(find[asgi.List](r.args, "files")))
	switch r.kind {
	case kindLoop:
		return &loop{g}, nil
	case kindASGI3:
		return g.newASGI3(r)
	case kindRouted:
		return newRouted(g, r)
	case kindWSGI:
		return newWSGI(g, r)
	}
	return nil, fmt.Errorf("applications of the kind %s cannot run yet", r.kind)
}
