package script

import (
	"fmt"
	"slices"

	"asgibox/internal/spell"

	"go.starlark.net/starlark"
)

// builtin is a function of ours that knows the run it is called in.
type builtin func(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)

// function makes a Starlark function of a builtin.
func function(name string, f builtin) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		return f(of(thread), b, args, kwargs)
	})
}

// method is a function that is asked for on a value of type T.
type method[T starlark.Value] func(r *run, v T, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)

// methods are a type's methods by name.
type methods[T starlark.Value] map[string]method[T]

// bind answers a method of v, or nil if there is none of that name.
func (m methods[T]) bind(v T, name string) starlark.Value {
	f := m[name]
	if f == nil {
		return nil
	}
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		return f(of(thread), v, b, args, kwargs)
	})
}

// names answers the names of the methods and others, sorted.
func (m methods[T]) names(others ...string) []string {
	for name := range m {
		others = append(others, name)
	}
	slices.Sort(others)
	return others
}

// object is a named set of functions and values, like layer and state.
type object struct {
	name  string
	attrs starlark.StringDict
	get   map[string]func() starlark.Value // attributes that are worked out
}

var _ starlark.HasAttrs = (*object)(nil)

func (o *object) String() string        { return "<" + o.name + ">" }
func (o *object) Type() string          { return o.name }
func (o *object) Freeze()               {}
func (o *object) Truth() starlark.Bool  { return true }
func (o *object) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable: %s", o.name) }

func (o *object) Attr(name string) (starlark.Value, error) {
	if get := o.get[name]; get != nil {
		return get(), nil
	}
	return o.attrs[name], nil
}

func (o *object) AttrNames() []string {
	names := o.attrs.Keys()
	for name := range o.get {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// functions makes the attributes of an object.
func functions(name string, fs map[string]builtin) starlark.StringDict {
	attrs := make(starlark.StringDict, len(fs))
	for short, f := range fs {
		attrs[short] = function(name+"."+short, f)
	}
	return attrs
}

// didYouMean suggests the nearest of the candidates, as the end of a sentence.
func didYouMean(name string, candidates []string) string {
	if near := spell.Nearest(name, candidates); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}
