package lib

import (
	"fmt"

	"asgibox/workerpool/script/jsontext"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// universe returns those of Starlark's own functions that could use much memory
// in one step or overflow the stack, with limits for the length of the text, the
// number of items and the nesting.
// The limits are checked before the function runs, and memory for the items that it
// makes is reserved.
func universe() starlark.StringDict {
	all := starlark.StringDict{
		"zip":     limited("zip", checkZip, tupleItems),
		"dict":    limited("dict", checkDict, tableItems),
		"set":     limited("set", checkSet, tableItems),
		"getattr": starlark.NewBuiltin("getattr", getattr),
		"int":     starlark.NewBuiltin("int", toInt),
	}
	for _, name := range []string{"enumerate", "list", "reversed", "tuple"} {
		all[name] = limited(name, checkItems, listItems)
	}
	for _, name := range []string{"all", "any", "bytes"} {
		all[name] = limited(name, checkItems, nil)
	}
	for _, name := range []string{"max", "min", "sorted"} {
		all[name] = ordered(name)
	}
	for _, name := range []string{"fail", "print", "repr", "str"} {
		all[name] = limited(name, checkText, nil)
	}
	return all
}

// limited returns one of Starlark's functions that checks its arguments first. Made
// returns for how many items it needs memory; if it is nil, for none.
func limited(name string, check func(call string, args starlark.Tuple, kwargs []starlark.Tuple) error, made func(args starlark.Tuple) int) *starlark.Builtin {
	inner := starlark.Universe[name].(*starlark.Builtin)
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if err := check(name, args, kwargs); err != nil {
			return nil, err
		}
		if made != nil {
			if err := reserve(thread, made(args)); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		return inner.CallInternal(thread, args, kwargs)
	})
}

// toInt implements int(x, base=10). It refuses a text that is too long.
func toInt(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x, base starlark.Value
	if err := starlark.UnpackArgs("int", args, kwargs, "x", &x, "base?", &base); err != nil {
		return nil, err
	}
	if text, ok := starlark.AsString(x); ok && len(text) > jsontext.MaxDigits {
		return nil, fmt.Errorf("int: the text has %d characters; a number has at most %d digits", len(text), jsontext.MaxDigits)
	}
	return starlark.Universe["int"].(*starlark.Builtin).CallInternal(thread, args, kwargs)
}

// checkItems fails if a collection has too many items.
func checkItems(call string, args starlark.Tuple, _ []starlark.Tuple) error {
	for _, v := range args {
		if n := items(v); n > maxItems {
			return fmt.Errorf("%s: %w", call, tooManyItems(v, n))
		}
	}
	return nil
}

// checkDict fails if a dict would have too many items, or too large a key.
func checkDict(call string, args starlark.Tuple, _ []starlark.Tuple) error {
	if err := checkItems(call, args, nil); err != nil {
		return err
	}
	if err := checkPairs(args); err != nil {
		return fmt.Errorf("%s: %w", call, err)
	}
	return nil
}

// checkSet fails if a set would have too many items, or too large an item.
func checkSet(call string, args starlark.Tuple, _ []starlark.Tuple) error {
	if err := checkItems(call, args, nil); err != nil {
		return err
	}
	if err := checkItemKeys(args...); err != nil {
		return fmt.Errorf("%s: %w", call, err)
	}
	return nil
}

// checkZip fails if the shortest collection has too many items.
func checkZip(call string, args starlark.Tuple, _ []starlark.Tuple) error {
	for _, v := range args {
		if items(v) <= maxItems {
			return nil
		}
	}
	return checkItems(call, args, nil)
}

// checkText fails if the text of the values, with sep between them, would be too
// long. If the only value is text, its text exists already.
func checkText(call string, args starlark.Tuple, kwargs []starlark.Tuple) error {
	if len(args) == 1 {
		if _, plain := octets(args[0]); plain {
			return nil
		}
	}
	left := value.Budget(value.MaxText)
	sep, _ := starlark.AsString(named(kwargs, "sep"))
	for _, v := range args {
		err := left.Measure(v)
		if err == nil {
			err = left.Take(len(sep))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", call, err)
		}
	}
	return nil
}

// text returns the same text for a value as str.
func text(call string, v starlark.Value) (string, error) {
	s, err := value.Text(v)
	if err != nil {
		return "", fmt.Errorf("%s: %w", call, err)
	}
	return s, nil
}
