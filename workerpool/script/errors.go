package script

import (
	"errors"
	"fmt"
	"sync"

	"asgibox/workerpool"
	"asgibox/workerpool/script/explain"

	"go.starlark.net/syntax"
)

// An Error is what went wrong in an application. As text it is one line that
// begins with the place; [Error.Explanation] says more.
type Error struct {
	err  error
	unit *unit

	once    sync.Once
	explain explain.Explanation
}

func (e *Error) Error() string { return e.Explanation().Line() }
func (e *Error) Unwrap() error { return e.err }

// Explanation explains the error, with lines of the files as they were when
// that generation of the application was loaded.
func (e *Error) Explanation() explain.Explanation {
	e.once.Do(func() {
		e.explain = explain.Error(e.err, explain.Options{Predeclared: e.unit.names, Source: e.unit.text})
	})
	return e.explain
}

// explained makes an Error of an error of the unit's scripts.
func (u *unit) explained(err error) error {
	if err == nil || errors.Is(err, workerpool.ErrRetired) {
		return err
	}
	return &Error{err: err, unit: u}
}

// Explain explains an error that a load, or a pool that runs one, has
// reported.
func Explain(err error) explain.Explanation {
	var e *Error
	if errors.As(err, &e) {
		return e.Explanation()
	}
	return explain.Error(err, explain.Options{})
}

// placedError is an error of a place in a file that no call stack leads to.
type placedError struct {
	pos  syntax.Position
	msg  string
	hint string
}

func (e *placedError) Error() string { return e.msg }

// Hint answers what to do about it.
func (e *placedError) Hint() string { return e.hint }

// Place answers where it is.
func (e *placedError) Place() (file string, line, col int) {
	return e.pos.Filename(), int(e.pos.Line), int(e.pos.Col)
}

// atConsumer is an error that a consumer's definition is the place of.
type atConsumer struct {
	error
	pos syntax.Position
}

func (e *atConsumer) Unwrap() error { return e.error }

// Place answers where the consumer is defined.
func (e *atConsumer) Place() (file string, line, col int) {
	return e.pos.Filename(), int(e.pos.Line), int(e.pos.Col)
}

// hinted is an error that knows what to do about it.
type hinted struct {
	err  error
	hint string
}

func (e *hinted) Error() string { return e.err.Error() }
func (e *hinted) Unwrap() error { return e.err }

// Hint answers what to do about it.
func (e *hinted) Hint() string { return e.hint }

func hintf(hint, format string, args ...any) error {
	return &hinted{fmt.Errorf(format, args...), hint}
}
