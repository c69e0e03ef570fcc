package script

import (
	"fmt"
	"iter"
	"maps"
	"slices"

	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// maxFrozen is how many tuples and functions the globals may hold, counted each
// time that one occurs. Starlark follows them each time, because they cannot be
// marked.
const maxFrozen = 1 << 22

// freeze makes the globals immutable. It fails if a value nests so deeply that
// Starlark, which uses the Go stack for it, would overflow the stack.
func freeze(globals starlark.StringDict) error {
	f := freezer{heights: make(map[starlark.Value]int)}
	names := slices.Sorted(maps.Keys(globals))
	for _, name := range names {
		if _, err := f.check(globals[name], 1); err != nil {
			return fmt.Errorf("the global %s: %w", name, err)
		}
	}
	for _, name := range names { // in the order of the checks, so no deeper than they went
		globals[name].Freeze()
	}
	return nil
}

// A holder is a pointer of this program that holds values of a script, and is
// frozen once.
type holder interface {
	starlark.Value
	Held() []starlark.Value
}

// freezeHeld implements Freeze for a holder.
func freezeHeld(h holder, frozen *bool) {
	if *frozen {
		return
	}
	*frozen = true
	for _, v := range h.Held() {
		v.Freeze()
	}
}

// A freezer follows values in the same way as Starlark's Freeze.
type freezer struct {
	heights map[starlark.Value]int // of values that are frozen once; 0 until it is known
	count   int                    // tuples and functions
}

// check returns the height of a value at a depth: 0 if it cannot hold others.
// It remembers heights, so whether a value nests too deeply does not depend on
// which global is checked first.
func (f *freezer) check(v starlark.Value, depth int) (height int, err error) {
	items := held(v)
	if items == nil {
		return 0, nil
	}
	if depth > value.MaxNesting {
		return 0, errFrozenTooDeep
	}
	once := isFrozenOnce(v)
	if once {
		if height, ok := f.heights[v]; ok {
			if depth+height-1 > value.MaxNesting {
				return 0, errFrozenTooDeep
			}
			return height, nil
		}
		f.heights[v] = 0
	} else if f.count++; f.count > maxFrozen {
		return 0, fmt.Errorf("it contains more than %d tuples and functions", maxFrozen)
	}
	for item := range items {
		h, err := f.check(item, depth+1)
		if err != nil {
			return 0, err
		}
		height = max(height, h)
	}
	height++
	if once {
		f.heights[v] = height
	}
	return height, nil
}

var errFrozenTooDeep = fmt.Errorf("it nests deeper than %d, or a function in it refers to itself; define the function at the top of the file", value.MaxNesting)

// isFrozenOnce reports whether a value that holds others is marked when it is
// frozen.
func isFrozenOnce(v starlark.Value) bool {
	switch v.(type) {
	case starlark.Tuple, *starlark.Function, *starlark.Builtin:
		return false
	}
	return true
}

// held returns the values that a value holds, or nil if it cannot hold any.
func held(v starlark.Value) iter.Seq[starlark.Value] {
	switch v := v.(type) {
	case *starlark.List:
		return v.Elements()
	case starlark.Tuple:
		return v.Elements()
	case *starlark.Set:
		return v.Elements()
	case *starlark.Dict:
		return entries(v)
	case *starlark.Function:
		return inFunction(v)
	case *starlark.Builtin:
		if v.Receiver() != nil {
			return slices.Values([]starlark.Value{v.Receiver()})
		}
	case value.Native: // a message or a session
		if d, ok := value.DictOf(v); ok {
			return slices.Values([]starlark.Value{d})
		}
	case holder:
		return slices.Values(v.Held())
	}
	return nil
}

func entries(d *starlark.Dict) iter.Seq[starlark.Value] {
	return func(yield func(starlark.Value) bool) {
		for k, v := range d.Entries() {
			if !yield(k) || !yield(v) {
				return
			}
		}
	}
}

// inFunction returns what a function holds: the defaults of its parameters and
// the variables of the functions around it.
func inFunction(fn *starlark.Function) iter.Seq[starlark.Value] {
	var all []starlark.Value
	for i := range fn.NumParams() {
		if v := fn.ParamDefault(i); v != nil {
			all = append(all, v)
		}
	}
	for i := range fn.NumFreeVars() {
		if _, v := fn.FreeVar(i); v != nil {
			all = append(all, v)
		}
	}
	return slices.Values(all)
}
