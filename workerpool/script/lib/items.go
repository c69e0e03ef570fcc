package lib

import (
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/memory"

	"go.starlark.net/starlark"
)

const (
	// maxItems is the largest collection that one call accepts. A range takes no
	// memory and may have any number of items.
	maxItems = 1 << 22
	// maxUnreserved is the same for an operator, which cannot reserve memory, if the
	// items are not in memory yet.
	maxUnreserved = 1 << 18
	// itemBytes is about what an item takes in a collection that a call makes.
	itemBytes = 64
)

// reserve reserves the memory of a handler for the items of a collection that a
// call makes, because the interpreter checks memory only between two calls.
func reserve(thread *starlark.Thread, items int) error {
	return memory.Of(thread).Decode(int64(items) * itemBytes)
}

// listItems returns the number of items of the list that a call makes of a collection.
func listItems(args starlark.Tuple) (n int) {
	for _, v := range args {
		n += items(v)
	}
	return n
}

// tableItems is like listItems for a dict or set, whose items take more memory.
func tableItems(args starlark.Tuple) int { return 4 * listItems(args) }

// tupleItems is like listItems for the tuples that zip makes.
func tupleItems(args starlark.Tuple) (n int) {
	for i, v := range args {
		if m := items(v); i == 0 || m < n {
			n = m
		}
	}
	return n * max(1, len(args)/2)
}

// items returns the number of items of a collection, or maxItems+1 if it has more
// and does not know how many.
func items(v starlark.Value) (n int) {
	switch v := v.(type) {
	case starlark.Sequence:
		return v.Len()
	case starlark.Iterable: // such as text.codepoints()
		for range starlark.Elements(v) {
			if n++; n > maxItems {
				break
			}
		}
	}
	return n
}

func tooManyItems(v starlark.Value, n int) error {
	return explain.Hintf("process it in a loop, one part at a time", "the %s has %d items; one call takes at most %d", v.Type(), n, maxItems)
}

// checkCopy reserves the memory of the items of a collection that a call copies to a list.
func checkCopy(thread *starlark.Thread, v starlark.Value) error {
	n := items(v)
	if n > maxItems {
		return tooManyItems(v, n)
	}
	return reserve(thread, n)
}

// checkItemsOf checks a collection whose items an operator makes or adds to another.
func checkItemsOf(v starlark.Value) (starlark.Value, error) {
	switch v := v.(type) {
	case starlark.String, starlark.Int, starlark.Float, *starlark.List, starlark.Tuple, *starlark.Dict, *starlark.Set:
	default:
		if n := items(v); n > maxUnreserved {
			return nil, explain.Hintf("use list(), extend() or a loop", "the %s has %d items; an operator takes at most %d", v.Type(), n, maxUnreserved)
		}
	}
	return v, nil
}
