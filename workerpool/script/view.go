package script

import (
	"errors"

	"asgibox/asgi"

	"go.starlark.net/starlark"
)

// view is what a route made by view() or static() has besides.
type view struct {
	params []string
}

func (v *view) String() string { return "view" }

func (m *match) view(v *view, rest *rest) bool { return false }

func (r *run) serve(m *match, v *view, msg *message) error { return errors.New("no views") }

func (r *run) serveWSGI(fn starlark.Callable, d asgi.Delivery) error { return errors.New("no views") }
