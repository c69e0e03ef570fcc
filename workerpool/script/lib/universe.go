package lib

import (
	"fmt"

	"asgibox/workerpool/script/explain"

	"go.starlark.net/starlark"
)

// maxItems is the largest collection that one call accepts. A range takes no
// memory and may have any number of items.
const maxItems = 1 << 22

// universe returns those of Starlark's own functions that could use much memory
// in one step, with limits for the length of the text or the number of items.
// The limits are checked before the function runs.
func universe() starlark.StringDict {
	all := starlark.StringDict{"zip": limited("zip", checkZip)}
	for _, name := range []string{"all", "any", "dict", "enumerate", "list", "max", "min", "reversed", "set", "sorted", "tuple"} {
		all[name] = limited(name, checkItems)
	}
	for _, name := range []string{"fail", "print", "repr", "str"} {
		all[name] = limited(name, checkText)
	}
	return all
}

// limited returns one of Starlark's functions that checks its arguments first.
func limited(name string, check func(call string, args starlark.Tuple) error) *starlark.Builtin {
	inner := starlark.Universe[name].(*starlark.Builtin)
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if err := check(name, args); err != nil {
			return nil, err
		}
		return inner.CallInternal(thread, args, kwargs)
	})
}

// checkItems fails if a collection has too many items.
func checkItems(call string, args starlark.Tuple) error {
	for _, v := range args {
		if n := items(v); n > maxItems {
			return explain.Hintf("process it in a loop, one part at a time", "%s: the %s has %d items; one call takes at most %d", call, v.Type(), n, maxItems)
		}
	}
	return nil
}

// checkZip fails if the shortest collection has too many items.
func checkZip(call string, args starlark.Tuple) error {
	for _, v := range args {
		if items(v) <= maxItems {
			return nil
		}
	}
	return checkItems(call, args)
}

func items(v starlark.Value) int {
	if s, ok := v.(starlark.Sequence); ok {
		return s.Len()
	}
	return 0
}

// checkText fails if the text of the values would be too long. Even a small
// script can make a very long text, with lists that contain a list many times.
func checkText(call string, args starlark.Tuple) error {
	left := maxText
	for _, v := range args {
		if _, plain := octets(v); plain {
			continue // the text exists already
		}
		if err := measure(call, v, nil, &left); err != nil {
			return err
		}
	}
	return nil
}

// measure subtracts the smallest possible length of a value's text from left.
// path holds the collections around the value. A collection inside itself adds
// nothing, because its text is three dots.
func measure(call string, v starlark.Value, path []starlark.Value, left *int) error {
	if len(path) > maxDepth {
		return fmt.Errorf("%s: the value nests deeper than %d", call, maxDepth)
	}
	var items starlark.Iterable
	switch v := v.(type) {
	case starlark.String:
		return take(call, len(v)+2, left)
	case starlark.Bytes:
		return take(call, len(v)+3, left)
	case starlark.Int:
		return take(call, v.BigInt().BitLen()/4, left)
	case *starlark.List:
		items = v
	case *starlark.Dict:
		items = v
	case *starlark.Set:
		items = v
	case starlark.Tuple:
		items = v
	default:
		return take(call, 1, left)
	}
	// A tuple can contain itself only through another collection, and == would
	// panic for it.
	if _, tuple := v.(starlark.Tuple); !tuple {
		for _, outer := range path {
			if outer == v {
				return nil
			}
		}
	}
	path = append(path, v)
	dict, _ := v.(*starlark.Dict)
	for item := range starlark.Elements(items) {
		if dict != nil {
			value, _, _ := dict.Get(item) // cannot fail: item is a key of dict
			if err := measure(call, value, path, left); err != nil {
				return err
			}
		}
		if err := measure(call, item, path, left); err != nil {
			return err
		}
	}
	return take(call, 2, left)
}

// maxDepth is how deeply a value may nest to be written as text.
const maxDepth = 1000

func take(call string, n int, left *int) error {
	if *left -= n; *left < 0 {
		return tooLong(call)
	}
	return nil
}

// text returns the same text for a value as str.
func text(call string, v starlark.Value) (string, error) {
	if s, ok := octets(v); ok {
		return s, nil
	}
	if err := checkText(call, starlark.Tuple{v}); err != nil {
		return "", err
	}
	return v.String(), nil
}
