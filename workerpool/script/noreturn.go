package script

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// noneReturns returns the places of the functions in a file that may return None
// on purpose: they have return None or a return without a value, or they do not
// end without return, like a function that returns what another returns.
func noneReturns(f *syntax.File) (places []string) {
	syntax.Walk(f, func(n syntax.Node) bool {
		if def, ok := n.(*syntax.DefStmt); ok && (returnsNone(def.Body) || endsWithReturn(def.Body)) {
			places = append(places, def.Def.String())
		}
		return true
	})
	return places
}

// returnsNone reports whether statements of a function return None explicitly.
// It does not look into functions that are defined there.
func returnsNone(body []syntax.Stmt) (found bool) {
	for _, stmt := range body {
		syntax.Walk(stmt, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.DefStmt, syntax.Expr:
				return false
			case *syntax.ReturnStmt:
				name, ok := n.Result.(*syntax.Ident)
				found = found || n.Result == nil || ok && name.Name == "None"
			}
			return true
		})
	}
	return found
}

// endsWithReturn reports whether statements always end with return.
func endsWithReturn(body []syntax.Stmt) bool {
	if len(body) == 0 {
		return false
	}
	switch last := body[len(body)-1].(type) {
	case *syntax.ReturnStmt:
		return true
	case *syntax.IfStmt:
		return endsWithReturn(last.True) && endsWithReturn(last.False)
	}
	return false
}

// A noReturnError is the failure of a view that ended without return.
type noReturnError struct{ view string }

func (e *noReturnError) Error() string {
	return e.view + " ended without return: is a return missing?"
}

// Hint says how to fix the view.
func (e *noReturnError) Hint() string {
	return "return the response; for an empty one, write return None or return HttpResponse(status=204)"
}

// checkReturn returns an error if a view returned None and probably was meant to
// return a response. If the view has passed on its reply channel instead, it holds the
// request.
func (r *run) checkReturn(m *match) error {
	fn, ok := m.consumer().(*starlark.Function)
	if !ok || fn.Name() == "lambda" || r.held || r.unit.mayReturnNone(fn) {
		return nil
	}
	if err := r.saveSessions(); err != nil { // one may contain the reply channel
		return err
	}
	if r.job.Unanswered() {
		return &noReturnError{m.Name()}
	}
	r.held = r.job.PassedOn()
	return nil
}

// mayReturnNone reports whether a function may return None on purpose.
func (u *unit) mayReturnNone(fn *starlark.Function) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.nones[fn.Position().String()]
}
