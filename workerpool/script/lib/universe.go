package lib

import (
	"fmt"

	"go.starlark.net/starlark"
)

// maxItems is how many items one call goes through. A range costs nothing and
// may have any number of them.
const maxItems = 1 << 22

// universe holds Starlark's own functions that could make very much of little
// in one step, with bounds: texts by their length, collections by the number
// of their items, both before they are made.
func universe() starlark.StringDict {
	all := starlark.StringDict{"zip": bounded("zip", fewPairs)}
	for _, name := range []string{"all", "any", "dict", "enumerate", "list", "max", "min", "reversed", "set", "sorted", "tuple"} {
		all[name] = bounded(name, fewItems)
	}
	for _, name := range []string{"fail", "print", "repr", "str"} {
		all[name] = bounded(name, shortText)
	}
	return all
}

// bounded is a function of Starlark's that looks at its arguments first.
func bounded(name string, check func(call string, args starlark.Tuple) error) *starlark.Builtin {
	inner := starlark.Universe[name].(*starlark.Builtin)
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if err := check(name, args); err != nil {
			return nil, err
		}
		return inner.CallInternal(thread, args, kwargs)
	})
}

// fewItems refuses a collection of very many items.
func fewItems(call string, args starlark.Tuple) error {
	for _, v := range args {
		if n := items(v); n > maxItems {
			return hinted("go through it in a loop, a part at a time", "%s: the %s has %d items; one call takes at most %d", call, v.Type(), n, maxItems)
		}
	}
	return nil
}

// fewPairs refuses collections of which the shortest has very many items.
func fewPairs(call string, args starlark.Tuple) error {
	for _, v := range args {
		if items(v) <= maxItems {
			return nil
		}
	}
	return fewItems(call, args)
}

func items(v starlark.Value) int {
	if s, ok := v.(starlark.Sequence); ok {
		return s.Len()
	}
	return 0
}

// shortText refuses values whose text would be too long. A small script can
// make it as long as it likes, by lists that hold a list many times over.
func shortText(call string, args starlark.Tuple) error {
	left := maxText
	for _, v := range args {
		if _, plain := octets(v); plain {
			continue // it is as long as it is
		}
		if err := measure(call, v, nil, &left); err != nil {
			return err
		}
	}
	return nil
}

// measure takes off what a value's text takes at least. What holds itself is
// written as three dots there, and ends the way here.
func measure(call string, v starlark.Value, way []starlark.Value, left *int) error {
	if len(way) > maxDepth {
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
	if _, tuple := v.(starlark.Tuple); !tuple { // cannot hold itself but by another
		for _, outer := range way {
			if outer == v {
				return nil
			}
		}
	}
	way = append(way, v)
	dict, _ := v.(*starlark.Dict)
	for item := range starlark.Elements(items) {
		if dict != nil {
			value, _, _ := dict.Get(item) // its own key
			if err := measure(call, value, way, left); err != nil {
				return err
			}
		}
		if err := measure(call, item, way, left); err != nil {
			return err
		}
	}
	return take(call, 2, left)
}

// maxDepth is how deep a value that is shown may nest.
const maxDepth = 1000

func take(call string, n int, left *int) error {
	if *left -= n; *left < 0 {
		return fmt.Errorf("%s: the text would be longer than %d MiB", call, maxText>>20)
	}
	return nil
}

// text answers a value as str does.
func text(call string, v starlark.Value) (string, error) {
	if s, ok := octets(v); ok {
		return s, nil
	}
	if err := shortText(call, starlark.Tuple{v}); err != nil {
		return "", err
	}
	return v.String(), nil
}
