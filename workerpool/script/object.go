package script

import (
	"fmt"
	"slices"

	"asgibox/internal/spell"

	"go.starlark.net/starlark"
)

// builtin implements a Starlark function. It receives the run that calls it.
type builtin func(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)

// function returns a Starlark function for a builtin.
func function(name string, f builtin) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		return f(runOf(thread), b, args, kwargs)
	})
}

// method implements a method of values of type T.
type method[T starlark.Value] func(r *run, v T, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)

// methods holds the methods of a type by name.
type methods[T starlark.Value] map[string]method[T]

// bind returns a method of v, or nil if there is no method of that name.
func (m methods[T]) bind(v T, name string) starlark.Value {
	f := m[name]
	if f == nil {
		return nil
	}
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		return f(runOf(thread), v, b, args, kwargs)
	})
}

// names returns the names of the methods and the others, sorted.
func (m methods[T]) names(others ...string) []string {
	for name := range m {
		others = append(others, name)
	}
	slices.Sort(others)
	return others
}

// object is a named set of functions and values, such as layer or state.
type object struct {
	name  string
	attrs starlark.StringDict
}

var _ starlark.HasAttrs = (*object)(nil)

func (o *object) String() string        { return "<" + o.name + ">" }
func (o *object) Type() string          { return o.name }
func (o *object) Freeze()               {}
func (o *object) Truth() starlark.Bool  { return true }
func (o *object) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable: %s", o.name) }

func (o *object) Attr(name string) (starlark.Value, error) { return o.attrs[name], nil }
func (o *object) AttrNames() []string                      { return o.attrs.Keys() }

// functions returns the attributes of an object that has these builtins.
func functions(name string, fs map[string]builtin) starlark.StringDict {
	attrs := make(starlark.StringDict, len(fs))
	for short, f := range fs {
		attrs[short] = function(name+"."+short, f)
	}
	return attrs
}

// didYouMean returns the end of a sentence that suggests the candidate closest to
// the name, or "".
func didYouMean(name string, candidates []string) string {
	if near := spell.Nearest(name, candidates); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}
