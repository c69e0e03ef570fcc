// Package web implements HTTP requests and responses for scripts: the arguments
// and results of views and WSGI applications, and their messages.
//
// The package does not use a channel layer. [NewRequest] makes a [Request] from
// a message. [Env.Respond], [Static.Serve] and [ServeWSGI] turn results into
// messages for a [Sender]. Files and templates are read from one folder, an
// [os.Root], and never from outside of it.
package web

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"go.starlark.net/starlark"
)

// An Env holds the folder of one generation of an application and the templates
// read from it so far. It is safe for concurrent use. The caller closes the
// folder.
type Env struct {
	root      *os.Root
	private   func(io.ReaderAt, fs.FileInfo) bool
	templates templates

	mu      sync.Mutex // guards the rest
	statics []*Static
	sent    map[string]bool // files of FileResponse
}

// NewEnv returns the environment of the application in a folder. It calls used
// with the name of each template before it opens it, and of each folder that
// [Env.Static] looks for in vain. Files for which private returns true are neither
// served nor rendered under any name.
func NewEnv(root *os.Root, used func(name string), private func(io.ReaderAt, fs.FileInfo) bool) *Env {
	e := &Env{root: root, private: private, sent: map[string]bool{}}
	e.templates.root, e.templates.used, e.templates.open = root, used, e.open
	return e
}

// Builtins returns the functions for scripts by name.
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

// A RequestError is an error in the request, not in the application. The client
// should get a response with the status.
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

var errFrozen = errors.New("cannot change a frozen response: it was made at the top level of a file, which all workers share")

// An object holds the methods that the Starlark values of this package share.
type object string

func (o object) Type() string          { return string(o) }
func (o object) String() string        { return "<" + string(o) + ">" }
func (o object) Freeze()               {}
func (o object) Truth() starlark.Bool  { return true }
func (o object) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: %s", string(o)) }

// method returns a built-in function that is a method of a value.
func method(name string, fn func(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		return fn(thread, args, kwargs)
	})
}
