package script

import (
	"fmt"

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
	f := freezer{seen: make(map[starlark.Value]bool)}
	for name, v := range globals {
		if err := f.check(v, 1); err != nil {
			return fmt.Errorf("the global %s: %w", name, err)
		}
	}
	globals.Freeze()
	return nil
}

// A freezer follows values in the same way as Starlark's Freeze.
type freezer struct {
	seen  map[starlark.Value]bool // lists, dicts and sets
	count int                     // tuples and functions
}

func (f *freezer) check(v starlark.Value, depth int) error {
	if depth > value.MaxNesting {
		return fmt.Errorf("it nests deeper than %d, or a function in it refers to itself; define the function at the top of the file", value.MaxNesting)
	}
	switch v := v.(type) {
	case *starlark.List:
		return f.once(v, depth)
	case *starlark.Set:
		return f.once(v, depth)
	case *starlark.Dict:
		return f.dict(v, depth)
	case starlark.Tuple:
		if err := f.counted(); err != nil {
			return err
		}
		return f.items(v, depth)
	case *starlark.Function:
		if err := f.counted(); err != nil {
			return err
		}
		return f.function(v, depth)
	case *starlark.Builtin:
		if v.Receiver() != nil {
			return f.check(v.Receiver(), depth+1)
		}
	}
	return nil
}

func (f *freezer) counted() error {
	if f.count++; f.count > maxFrozen {
		return fmt.Errorf("it contains more than %d tuples and functions", maxFrozen)
	}
	return nil
}

func (f *freezer) once(v starlark.Iterable, depth int) error {
	if f.seen[v] {
		return nil
	}
	f.seen[v] = true
	return f.items(v, depth)
}

func (f *freezer) items(v starlark.Iterable, depth int) error {
	for item := range starlark.Elements(v) {
		if err := f.check(item, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (f *freezer) dict(d *starlark.Dict, depth int) error {
	if f.seen[d] {
		return nil
	}
	f.seen[d] = true
	for k, v := range d.Entries() {
		if err := f.check(k, depth+1); err != nil {
			return err
		}
		if err := f.check(v, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// function checks what a function holds: the defaults of its parameters and the
// variables of the functions around it.
func (f *freezer) function(fn *starlark.Function, depth int) error {
	for i := range fn.NumParams() {
		if v := fn.ParamDefault(i); v != nil {
			if err := f.check(v, depth+1); err != nil {
				return err
			}
		}
	}
	for i := range fn.NumFreeVars() {
		if _, v := fn.FreeVar(i); v != nil {
			if err := f.check(v, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}
