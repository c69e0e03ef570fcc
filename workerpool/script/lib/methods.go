package lib

import (
	"fmt"

	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// guardedMethods are the methods that check their arguments first: format of
// text, and those of dicts and sets that look up keys. They are bound to their
// value.
var guardedMethods = map[string]*starlark.Builtin{}

func init() {
	for _, name := range []string{
		"format",
		"get", "pop", "setdefault", "update",
		"add", "difference", "discard", "intersection", "issubset", "issuperset", "remove", "symmetric_difference", "union",
	} {
		guardedMethods[name] = starlark.NewBuiltin(name, callGuarded)
	}
}

// callGuarded checks the arguments and calls the method of the same name.
func callGuarded(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := checkMethod(b, args, kwargs); err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	v, err := b.Receiver().(starlark.HasAttrs).Attr(b.Name())
	if err != nil {
		return nil, err
	}
	return v.(*starlark.Builtin).CallInternal(thread, args, kwargs)
}

func checkMethod(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) error {
	switch recv := b.Receiver().(type) {
	case starlark.String:
		left := value.Budget(value.MaxText)
		return measureFormat(string(recv), args, kwargs, &left)
	case *starlark.Dict:
		if b.Name() == "update" {
			return checkPairs(args)
		}
	case *starlark.Set:
		switch b.Name() {
		case "add", "discard", "remove":
		default:
			return checkKeys(args)
		}
	}
	if len(args) == 0 {
		return nil
	}
	_, err := checkKey(args[0])
	return err
}

// methodsOf returns a value whose methods check their arguments.
func methodsOf(v starlark.Value) (starlark.Value, error) {
	switch v := v.(type) {
	case *starlark.Dict:
		return dictMethods{v}, nil
	case starlark.String, *starlark.Set:
		return checkedMethods{v.(starlark.HasAttrs)}, nil
	case starlark.HasAttrs:
		if _, ok := value.DictOf(v); ok {
			return checkedMethods{v}, nil
		}
	}
	return v, nil
}

type checkedMethods struct{ starlark.HasAttrs }

func (m checkedMethods) Attr(name string) (starlark.Value, error) {
	return checkedMethod(m.HasAttrs.Attr(name))
}

// dictMethods is like checkedMethods, but making one does not allocate.
type dictMethods struct{ *starlark.Dict }

func (m dictMethods) Attr(name string) (starlark.Value, error) {
	return checkedMethod(m.Dict.Attr(name))
}

// checkedMethod returns the guarded method for one of a text, a dict or a set,
// and other values unchanged.
func checkedMethod(v starlark.Value, err error) (starlark.Value, error) {
	b, ok := v.(*starlark.Builtin)
	if !ok || guardedMethods[b.Name()] == nil {
		return v, err
	}
	switch b.Receiver().(type) {
	case starlark.String, *starlark.Dict, *starlark.Set:
		return guardedMethods[b.Name()].BindReceiver(b.Receiver()), nil
	}
	return v, err
}

// getattr implements getattr(x, name, default) with guarded methods.
func getattr(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	v, err := starlark.Universe["getattr"].(*starlark.Builtin).CallInternal(thread, args, kwargs)
	return checkedMethod(v, err)
}
