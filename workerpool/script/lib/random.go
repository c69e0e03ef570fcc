package lib

import (
	"fmt"
	"math/rand/v2"

	"go.starlark.net/starlark"
)

var randomFunctions = map[string]function{
	"random":  random,
	"randint": randint,
	"choice":  choice,
	"shuffle": shuffle,
}

// random answers a float from 0 to below 1.
func random(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	return starlark.Float(rand.Float64()), starlark.UnpackArgs(b.Name(), args, kwargs)
}

// randint answers an int from a to b, both included.
func randint(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var low, high int64
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "a", &low, "b", &high); err != nil {
		return nil, err
	}
	if low > high {
		return nil, fmt.Errorf("%s: %d is more than %d; the smaller comes first", b.Name(), low, high)
	}
	span := uint64(high) - uint64(low) + 1
	if span == 0 { // all 64 bits
		return starlark.MakeInt64(int64(rand.Uint64())), nil
	}
	return starlark.MakeInt64(low + int64(rand.Uint64N(span))), nil
}

func choice(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	items, err := list(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("%s: there is nothing to choose from", b.Name())
	}
	return items[rand.IntN(len(items))], nil
}

// shuffle answers a new list; the old one may be frozen.
func shuffle(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	items, err := list(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	rand.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	return starlark.NewList(items), nil
}

func list(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) ([]starlark.Value, error) {
	var v starlark.Iterable
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "list", &v); err != nil {
		return nil, err
	}
	var items []starlark.Value
	it := v.Iterate()
	defer it.Done()
	var item starlark.Value
	for it.Next(&item) {
		items = append(items, item)
	}
	return items, nil
}
