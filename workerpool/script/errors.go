package script

import (
	"errors"
	"sync"

	"asgibox/workerpool"
	"asgibox/workerpool/script/explain"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// An Error is a failure in an application's code. Its text is one line that
// starts with the place; [Error.Explanation] contains more.
type Error struct {
	err   error
	unit  *unit
	names starlark.StringDict // that hints suggest

	once    sync.Once
	explain explain.Explanation
}

func (e *Error) Error() string { return e.Explanation().Line() }
func (e *Error) Unwrap() error { return e.err }

// Explanation explains the error. It quotes the files as they were when the
// generation was loaded.
func (e *Error) Explanation() explain.Explanation {
	e.once.Do(func() {
		e.explain = explain.Error(e.err, explain.Options{Predeclared: e.names, Source: e.unit.text})
	})
	return e.explain
}

// explained wraps an error of the unit's code in an [Error].
func (u *unit) explained(err error) error {
	if err == nil || errors.Is(err, workerpool.ErrRetired) {
		return err
	}
	return &Error{err: err, unit: u, names: u.names}
}

// placedError adds a place in a file to an error whose call stack does not
// contain that place.
type placedError struct {
	error
	pos syntax.Position
}

func (e *placedError) Unwrap() error { return e.error }

// Place returns the place of the error.
func (e *placedError) Place() (file string, line, col int) {
	return e.pos.Filename(), int(e.pos.Line), int(e.pos.Col)
}
