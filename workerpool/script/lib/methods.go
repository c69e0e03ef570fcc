package lib

import (
	"errors"
	"fmt"

	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// Methods that check their arguments first, of text, lists, dicts and sets. They
// are bound to their value.
var (
	textMethods = checked(starlark.String(""), "format", "join", "replace", "rsplit", "split", "splitlines")
	listMethods = checked(new(starlark.List), "extend", "index", "remove")
	dictMethods = checked(new(starlark.Dict), "get", "pop", "setdefault", "update")
	setMethods  = checked(new(starlark.Set), "add", "difference", "discard", "intersection", "issubset",
		"issuperset", "remove", "symmetric_difference", "union", "update")
)

// checked returns methods of a type that check their arguments and then call the
// methods of the same names.
func checked(of starlark.HasAttrs, names ...string) map[string]*starlark.Builtin {
	methods := make(map[string]*starlark.Builtin)
	for _, name := range names {
		v, _ := of.Attr(name)
		inner := v.(*starlark.Builtin)
		methods[name] = starlark.NewBuiltin(name, func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			if err := checkMethod(thread, b, args, kwargs); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			return inner.BindReceiver(b.Receiver()).CallInternal(thread, args, kwargs)
		})
	}
	return methods
}

// hasChecks reports whether a type has a method of that name that checks its
// arguments.
func hasChecks(name string) bool {
	return textMethods[name] != nil || listMethods[name] != nil || dictMethods[name] != nil || setMethods[name] != nil
}

// onlyKey reports whether the only key that a method of that name looks up is
// its first argument.
func onlyKey(name string) bool {
	switch name {
	case "get", "pop", "setdefault", "add", "discard", "index", "remove":
		return true
	}
	return false
}

func checkMethod(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) error {
	switch recv := b.Receiver().(type) {
	case starlark.String:
		switch b.Name() {
		case "join":
			if len(args) > 0 {
				return checkJoin(len(recv), args[0])
			}
			return nil
		case "replace":
			return checkReplace(string(recv), args)
		case "rsplit", "split", "splitlines":
			return checkSplit(thread, b.Name(), string(recv), args)
		}
		if len(kwargs) == 0 && short(string(recv), args) {
			return nil
		}
		left := value.Budget(value.MaxText)
		return measureFormat(string(recv), args, kwargs, &left)
	case *starlark.List:
		if len(args) == 0 {
			return nil
		}
		if b.Name() == "extend" {
			return checkCopy(thread, args[0])
		}
		_, err := checkSought(args[0])
		return err
	case *starlark.Dict:
		if b.Name() == "update" {
			if err := checkPairs(args); err != nil {
				return err
			}
			return reserve(thread, tableItems(args))
		}
	case *starlark.Set:
		switch b.Name() {
		case "add", "discard", "remove":
		case "difference", "intersection", "issubset", "issuperset", "symmetric_difference":
			if len(args) == 0 { // the library's methods fail with a nil pointer
				return errors.New("got 0 arguments, want 1")
			}
			fallthrough
		default:
			if err := checkSetMethod(recv, args); err != nil {
				return err
			}
			return reserve(thread, tableItems(args))
		}
	}
	if len(args) == 0 {
		return nil
	}
	_, err := checkKey(args[0])
	return err
}

// checkSetMethod checks the items of collections that a method looks up in a set or
// adds to it. If they are not few beside those of the set, these count, too.
func checkSetMethod(set *starlark.Set, args starlark.Tuple) error {
	n := 0
	for _, v := range args {
		n += items(v)
	}
	if n >= set.Len()/8 {
		args = append(starlark.Tuple{set}, args...)
	}
	return checkItemKeys(args...)
}

// methodsOf returns a value whose methods check their arguments.
func methodsOf(v starlark.Value) (starlark.Value, error) {
	switch v := v.(type) {
	case *starlark.Dict:
		return dictWithChecks{v}, nil
	case starlark.String, *starlark.List, *starlark.Set:
		return withChecks{v.(starlark.HasAttrs)}, nil
	case starlark.HasAttrs:
		if _, ok := value.DictOf(v); ok {
			return withChecks{v}, nil
		}
	}
	return v, nil
}

type withChecks struct{ starlark.HasAttrs }

func (w withChecks) Attr(name string) (starlark.Value, error) {
	if m := checkedMethod(w.HasAttrs, name); m != nil {
		return m, nil
	}
	return withCheck(w.HasAttrs.Attr(name))
}

// dictWithChecks is like withChecks, but making one does not allocate.
type dictWithChecks struct{ *starlark.Dict }

func (d dictWithChecks) Attr(name string) (starlark.Value, error) {
	if m := checkedMethod(d.Dict, name); m != nil {
		return m, nil
	}
	return d.Dict.Attr(name)
}

// checkedMethod returns the method of a text, a dict or a set that checks its
// arguments, or nil if there is none.
func checkedMethod(recv starlark.Value, name string) starlark.Value {
	var m *starlark.Builtin
	switch recv.(type) {
	case starlark.String:
		m = textMethods[name]
	case *starlark.List:
		m = listMethods[name]
	case *starlark.Dict:
		m = dictMethods[name]
	case *starlark.Set:
		m = setMethods[name]
	}
	if m == nil {
		return nil
	}
	return m.BindReceiver(recv)
}

// withCheck returns the method that checks its arguments in place of v, if there
// is one.
func withCheck(v starlark.Value, err error) (starlark.Value, error) {
	if b, ok := v.(*starlark.Builtin); ok {
		if m := checkedMethod(b.Receiver(), b.Name()); m != nil {
			return m, nil
		}
	}
	return v, err
}

// getattr implements getattr(x, name, default) with guarded methods.
func getattr(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	v, err := starlark.Universe["getattr"].(*starlark.Builtin).CallInternal(thread, args, kwargs)
	return withCheck(v, err)
}
