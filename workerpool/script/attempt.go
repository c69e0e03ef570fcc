package script

import (
	"errors"
	"strings"

	"asgibox/asgi"
	"asgibox/workerpool"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// attempt calls a function and returns (value, None) or (None, error).
func attempt(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) == 0 {
		return nil, errors.New("attempt: the function is missing; write attempt(fn, arguments)")
	}
	if _, ok := args[0].(starlark.Callable); !ok {
		return nil, explain.Hintf("write attempt(fn, arguments), not attempt(fn(arguments))", "attempt: the first argument must be a function, not %s", value.An(args[0]))
	}
	v, err := r.call(args[0], args[1:], kwargs)
	switch {
	case err == nil:
		return starlark.Tuple{v, starlark.None}, nil
	case r.ctx.Err() != nil, errors.Is(err, workerpool.ErrRetired), cancelled(err):
		return nil, err
	}
	return starlark.Tuple{starlark.None, &failure{message: messageOf(err), kind: kindOf(err)}}, nil
}

// kinds maps errors to the kinds that scripts see.
var kinds = []struct {
	err  error
	name string
}{
	{asgi.ErrChannelFull, "ChannelFull"},
	{asgi.ErrMessageTooLarge, "MessageTooLarge"},
	{asgi.ErrInvalidName, "InvalidName"},
	{asgi.ErrInvalidMessage, "InvalidMessage"},
	{asgi.ErrStateFull, "StateFull"},
	{asgi.ErrTooManyNames, "TooManyNames"},
	{asgi.ErrStoreFailed, "StoreFailed"},
}

func kindOf(err error) string {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.name
		}
	}
	return "Error"
}

// messageOf returns an error's text without its place.
func messageOf(err error) string {
	var running *starlark.EvalError
	if errors.As(err, &running) {
		return running.Msg
	}
	return err.Error()
}

// cancelled reports whether the run was cancelled. attempt must not catch that.
func cancelled(err error) bool {
	return strings.HasPrefix(messageOf(err), "Starlark computation cancelled: ")
}

// failure is the error that attempt returns.
type failure struct{ message, kind string }

var _ starlark.HasAttrs = (*failure)(nil)

func (f *failure) String() string        { return f.message }
func (f *failure) Type() string          { return "error" }
func (f *failure) Freeze()               {}
func (f *failure) Truth() starlark.Bool  { return true }
func (f *failure) Hash() (uint32, error) { return hash(f.message), nil }
func (f *failure) AttrNames() []string   { return []string{"kind", "message"} }

func (f *failure) Attr(name string) (starlark.Value, error) {
	switch name {
	case "message":
		return starlark.String(f.message), nil
	case "kind":
		return starlark.String(f.kind), nil
	}
	return nil, nil
}
