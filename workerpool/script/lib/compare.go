package lib

import (
	"fmt"
	"iter"

	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// A comparison cannot be cancelled. A small script can make values for which it
// takes hours: lists that contain a list many times, which counts each time.
const (
	// maxCompared is how many values a value may contain that is compared once.
	maxCompared = 1 << 24
	// maxSought is how many values a value may contain that is searched for in a
	// list, and is compared with each of its items.
	maxSought = 1 << 10
	// minTable is how many keys a dict or set has at least if its keys are slow
	// to compare.
	minTable = 1 << 8
)

// A compared is the number of values that a value may still contain.
type compared int

// take subtracts the number of values in v, which is nested in depth others. It
// reports whether there are no more than are left.
func (left *compared) take(v starlark.Value, depth int) bool {
	if depth > starlark.CompareLimit {
		return true // Starlark compares no deeper
	}
	switch v := v.(type) {
	case starlark.String:
		left.text(len(v), depth)
	case starlark.Bytes:
		left.text(len(v), depth)
	case *starlark.List:
		*left -= compared(v.Len())
		for i := 0; i < v.Len() && *left >= 0; i++ {
			left.take(v.Index(i), depth+1)
		}
	case starlark.Tuple:
		*left -= compared(len(v))
		for i := 0; i < len(v) && *left >= 0; i++ {
			left.take(v[i], depth+1)
		}
	case *starlark.Dict:
		left.table(v.Len(), starlark.Elements(v))
		for key, item := range v.Entries() {
			if !left.take(key, depth+1) || !left.take(item, depth+1) {
				break
			}
		}
	case *starlark.Set:
		left.table(v.Len(), v.Elements())
		for item := range v.Elements() {
			if !left.take(item, depth+1) {
				break
			}
		}
	}
	return *left >= 0
}

// table subtracts the n keys of a dict or set, and a value for each 128 comparisons
// of two keys with equal hashes.
func (left *compared) table(n int, keys iter.Seq[starlark.Value]) {
	*left -= compared(n)
	if n >= minTable && *left >= 0 {
		*left -= compared(value.Collisions(keys) >> 7)
	}
}

// text subtracts a value for each 256 bytes of a text in a collection, because the
// collection may contain it many times.
func (left *compared) text(length, depth int) {
	if depth > 0 {
		*left -= compared(length >> 8)
	}
}

// checkCompared checks the left side of "==".
func checkCompared(v starlark.Value) (starlark.Value, error) {
	if left := compared(maxCompared); !left.take(v, 0) {
		return nil, fmt.Errorf("the %s cannot be compared: it contains more than %d values, or too much text", v.Type(), maxCompared)
	}
	return dictOf(v)
}

// checkSought checks a value that is searched for in a list or as a key.
func checkSought(v starlark.Value) (starlark.Value, error) {
	if left := compared(maxSought); !left.take(v, 0) {
		return nil, fmt.Errorf("the %s cannot be searched for: it contains more than %d values, or too much text", v.Type(), maxSought)
	}
	return checkKey(v)
}

// ordered returns sorted, min or max with a limit for the values that it
// compares: the items, or their keys.
func ordered(name string) *starlark.Builtin {
	inner := starlark.Universe[name].(*starlark.Builtin)
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if name == "sorted" && len(args) == 0 {
			args, kwargs = positional(kwargs, "iterable")
		}
		if err := checkItems(name, args, nil); err != nil {
			return nil, err
		}
		if name == "sorted" {
			if err := reserve(thread, listItems(args[:min(1, len(args))])); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		o := &order{call: name, left: maxItems}
		if name == "sorted" && len(args) > 1 {
			args = starlark.Tuple{args[0], o.checkedKey(args[1])}
		}
		for i, kw := range kwargs {
			if kw[0] == starlark.Value(starlark.String("key")) {
				kwargs[i] = starlark.Tuple{kw[0], o.checkedKey(kw[1])}
			}
		}
		if !o.byKey {
			for _, v := range args {
				if err := o.check(v); err != nil {
					return nil, err
				}
			}
		}
		return inner.CallInternal(thread, args, kwargs)
	})
}

// positional makes a positional argument of the one with a name.
func positional(kwargs []starlark.Tuple, name starlark.String) (args starlark.Tuple, rest []starlark.Tuple) {
	for _, kw := range kwargs {
		if kw[0] == starlark.Value(name) && args == nil {
			args = starlark.Tuple{kw[1]}
		} else {
			rest = append(rest, kw)
		}
	}
	return args, rest
}

// An order is one call of sorted, min or max.
type order struct {
	call  string
	byKey bool
	left  compared
}

func (o *order) check(v starlark.Value) error {
	if !o.left.take(v, 0) {
		return fmt.Errorf("%s: the values to compare contain more than %d values, or too much text", o.call, maxItems)
	}
	return nil
}

// checkedKey returns a function that checks the keys that a function returns.
func (o *order) checkedKey(key starlark.Value) starlark.Value {
	f, ok := key.(starlark.Callable)
	if !ok {
		return key
	}
	o.byKey = true
	return starlark.NewBuiltin(f.Name(), func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		v, err := starlark.Call(thread, f, args, kwargs)
		if err == nil {
			err = o.check(v)
		}
		return v, err
	})
}
