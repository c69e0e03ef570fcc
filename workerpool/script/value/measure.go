package value

import (
	"fmt"

	"go.starlark.net/starlark"
)

const (
	// MaxText is the length of the longest text that one operation makes, in
	// bytes.
	MaxText = 16 << 20
	// MaxNesting is how many levels of lists, dicts and other collections a value
	// may have to be written as text or JSON, to be decoded from JSON, to be a key
	// of a dict, or to be a global. Starlark uses the Go stack for these, and a Go
	// stack overflow ends the process.
	MaxNesting = 1000
)

var (
	errTooLong = fmt.Errorf("the text would be longer than %d MiB", MaxText>>20)
	errTooDeep = fmt.Errorf("the value nests deeper than %d, or contains itself", MaxNesting)
)

// A Budget is the number of bytes that a text may still have. Even a small
// script can make a value with a very long text: lists that contain a list many
// times.
type Budget int

// Take subtracts n bytes. It fails if fewer are left.
func (b *Budget) Take(n int) error {
	if *b -= Budget(n); *b < 0 {
		return errTooLong
	}
	return nil
}

// Measure subtracts the smallest possible length of a value's text, as repr
// writes it. It fails if fewer bytes are left, or if the value nests too deeply.
func (b *Budget) Measure(v starlark.Value) error { return b.measure(v, nil, 0) }

// measure measures a value that is nested in depth others. path holds the lists
// and dicts around it. One of these inside itself adds nothing, because its text
// is three dots.
func (b *Budget) measure(v starlark.Value, path []starlark.Value, depth int) error {
	switch v := v.(type) {
	case starlark.String:
		return b.Take(len(v) + 2)
	case starlark.Bytes:
		return b.Take(len(v) + 3)
	case starlark.Int:
		if _, ok := v.Int64(); ok {
			return b.Take(1)
		}
		return b.Take(v.BigInt().BitLen() / 4)
	}
	if _, ok := v.(starlark.Iterable); ok && depth >= MaxNesting {
		return errTooDeep
	}
	switch v := v.(type) {
	case *starlark.List:
		if contains(path, v) {
			return nil
		}
		return b.elements(v, append(path, v), depth)
	case *starlark.Dict:
		if contains(path, v) {
			return nil
		}
		return b.items(v, append(path, v), depth)
	case *starlark.Set:
		return b.elements(v, path, depth)
	case starlark.Tuple:
		return b.elements(v, path, depth)
	case starlark.IterableMapping: // its String method does not know path
		return b.items(v, nil, depth)
	}
	return b.Take(1)
}

func (b *Budget) elements(v starlark.Iterable, path []starlark.Value, depth int) error {
	for item := range starlark.Elements(v) {
		if err := b.measure(item, path, depth+1); err != nil {
			return err
		}
	}
	return b.Take(2)
}

func (b *Budget) items(v starlark.IterableMapping, path []starlark.Value, depth int) error {
	for _, item := range v.Items() {
		if err := b.elements(item, path, depth); err != nil {
			return err
		}
	}
	return b.Take(2)
}

func contains(path []starlark.Value, v starlark.Value) bool {
	for _, outer := range path {
		if outer == v {
			return true
		}
	}
	return false
}

// Text returns the text of a value as str writes it.
func Text(v starlark.Value) (string, error) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), nil
	case starlark.Bytes:
		return string(v), nil
	}
	left := Budget(MaxText)
	if err := left.Measure(v); err != nil {
		return "", err
	}
	return v.String(), nil
}

// Brief returns a short text of a value for an error: the value itself if it
// is short, otherwise its type.
func Brief(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.String:
		if len(v) > 40 {
			return starlark.String(v[:40]).String() + "…"
		}
	case starlark.Int:
		if bits := v.BigInt().BitLen(); bits > 128 {
			return fmt.Sprintf("an int of %d bits", bits)
		}
	}
	if left := Budget(100); left.Measure(v) != nil {
		return An(v)
	}
	return v.String()
}
