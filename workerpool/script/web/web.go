// Package web gives scripts requests and responses: what a view or a WSGI
// application is called with, what it may return, and the messages that come
// of it.
//
// It knows no channel layer. A [Request] is made of a message; [Respond],
// [Static.Serve] and [ServeWSGI] turn results into messages for a [Sender].
// Files and templates come from one folder, an [os.Root], never from outside.
package web

import (
	"errors"
	"fmt"
	"os"

	"go.starlark.net/starlark"
)

// An Env is what the responses of one generation of an application share: its
// folder, and the templates read from it so far. It is safe for concurrent
// use. The folder is the caller's to close.
type Env struct {
	root      *os.Root
	templates templates
}

// NewEnv makes the environment of an application in a folder.
func NewEnv(root *os.Root) *Env {
	e := &Env{root: root}
	e.templates.root = root
	return e
}

// Builtins answers what scripts may call, by name.
func (e *Env) Builtins() starlark.StringDict {
	all := starlark.StringDict{}
	for name, fn := range map[string]builtin{
		"HttpResponse":          httpResponse,
		"JsonResponse":          jsonResponse,
		"redirect":              redirect,
		"render":                e.render,
		"StreamingHttpResponse": streamingResponse,
		"FileResponse":          e.fileResponse,
	} {
		all[name] = starlark.NewBuiltin(name, fn)
	}
	return all
}

type builtin = func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error)

// A RequestError says that the request is at fault, not the application: it
// should be answered with the status.
type RequestError struct {
	Status int
	Err    error
}

func (e *RequestError) Error() string { return e.Err.Error() }
func (e *RequestError) Unwrap() error { return e.Err }

// HTTPStatus is the status of the response to the request.
func (e *RequestError) HTTPStatus() int { return e.Status }

func badRequest(format string, args ...any) error {
	return &RequestError{400, fmt.Errorf(format, args...)}
}

// A hintedError knows what to do about it; package explain shows it.
type hintedError struct {
	error
	hint string
}

func (e *hintedError) Hint() string  { return e.hint }
func (e *hintedError) Unwrap() error { return e.error }

func hinted(hint, format string, args ...any) error {
	return &hintedError{fmt.Errorf(format, args...), hint}
}

var errFrozen = errors.New("cannot change a frozen response: it was made at the top level, which all workers share")

// An object is the part that our Starlark values have in common.
type object string

func (o object) Type() string          { return string(o) }
func (o object) String() string        { return "<" + string(o) + ">" }
func (o object) Freeze()               {}
func (o object) Truth() starlark.Bool  { return true }
func (o object) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: %s", string(o)) }

// method answers a bound built-in.
func method(name string, fn func(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		return fn(thread, args, kwargs)
	})
}
