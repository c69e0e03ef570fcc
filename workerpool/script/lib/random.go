package lib

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"go.starlark.net/starlark"
)

// A generator implements the functions of random.
type generator struct{ *rand.Rand }

// random returns the functions of random.
func (o Options) random() map[string]function {
	g := generator{rand.New(systemRandom{})}
	if o.Random != nil {
		g = generator{rand.New(o.Random)}
	}
	return map[string]function{"random": g.random, "randint": g.randint, "choice": g.choice, "shuffle": g.shuffle}
}

// systemRandom is the source of the Go runtime.
type systemRandom struct{}

func (systemRandom) Uint64() uint64 { return rand.Uint64() }

// random returns a float of at least 0 and less than 1.
func (g generator) random(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	return starlark.Float(g.Float64()), starlark.UnpackArgs(b.Name(), args, kwargs)
}

// randint returns an int from a to b, both included.
func (g generator) randint(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var low, high int64
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "a", &low, "b", &high); err != nil {
		return nil, err
	}
	if low > high {
		return nil, fmt.Errorf("%s: %d is greater than %d; put the smaller number first", b.Name(), low, high)
	}
	span := uint64(high) - uint64(low) + 1
	if span == 0 { // all 64 bits
		return starlark.MakeInt64(int64(g.Uint64())), nil
	}
	return starlark.MakeInt64(low + int64(g.Uint64N(span))), nil
}

func (g generator) choice(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Iterable
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "list", &v); err != nil {
		return nil, err
	}
	items, ok := v.(starlark.Indexable)
	if !ok {
		if err := checkCopy(thread, v); err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name(), err)
		}
		items = starlark.Tuple(slices.Collect(starlark.Elements(v)))
	}
	if items.Len() == 0 {
		return nil, fmt.Errorf("%s: the list is empty; check that it has items first", b.Name())
	}
	return items.Index(g.IntN(items.Len())), nil
}

// shuffle returns a new list, because the old one may be frozen.
func (g generator) shuffle(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Iterable
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "list", &v); err != nil {
		return nil, err
	}
	if err := checkCopy(thread, v); err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	items := slices.Collect(starlark.Elements(v))
	g.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	return starlark.NewList(items), nil
}
