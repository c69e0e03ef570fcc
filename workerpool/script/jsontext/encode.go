package jsontext

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

var (
	errTooLong = fmt.Errorf("the text would be longer than %d MiB", MaxLength>>20)
	errTooDeep = fmt.Errorf("the value nests deeper than %d, or contains itself", value.MaxNesting)
	errBytes   = explain.Hintf("JSON has no bytes; convert them with str(data) or base64.encode(data)", "bytes cannot be written as JSON")
)

// encode implements json.encode(x). It fails if x nests too deeply or is too long.
func encode(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x starlark.Value
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &x); err != nil {
		return nil, err
	}
	var e encoder
	if err := e.value(x, 1); err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	return starlark.String(e.out), nil
}

// An encoder writes one value.
type encoder struct{ out []byte }

// value writes a value. If it holds others, it is the level of that depth.
func (e *encoder) value(v starlark.Value, depth int) error {
	switch v := v.(type) {
	case starlark.NoneType:
		return e.add("null")
	case starlark.Bool:
		return e.add(strconv.FormatBool(bool(v)))
	case starlark.Int:
		return e.int(v)
	case starlark.Float:
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("cannot encode non-finite float %v", v)
		}
		return e.add(v.String())
	case starlark.String:
		return e.text(string(v))
	case starlark.Bytes:
		return errBytes
	}
	if depth > value.MaxNesting {
		return errTooDeep
	}
	switch v := v.(type) {
	case starlark.IterableMapping:
		return e.dict(v, depth)
	case starlark.Iterable:
		return e.list(v, depth)
	case starlark.HasAttrs:
		return e.attrs(v, depth)
	}
	return fmt.Errorf("cannot encode %s as JSON", v.Type())
}

func (e *encoder) add(s string) error {
	if len(e.out)+len(s) > MaxLength {
		return errTooLong
	}
	e.out = append(e.out, s...)
	return nil
}

func (e *encoder) int(v starlark.Int) error {
	if n, ok := v.Int64(); ok {
		e.out = strconv.AppendInt(e.out, n, 10)
		return e.add("")
	}
	if v.BigInt().BitLen()/4 > MaxLength {
		return errTooLong
	}
	return e.add(v.String())
}

func (e *encoder) text(s string) error {
	if len(s) > MaxLength {
		return errTooLong
	}
	if printable(s) {
		if !strings.ContainsAny(s, `"\`) {
			e.out = append(append(append(e.out, '"'), s...), '"')
			return e.add("")
		}
		e.out = strconv.AppendQuote(e.out, s)
		return e.add("")
	}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return e.add(string(data))
}

// printable reports whether a text has only printable ASCII characters, which
// Go and JSON quote alike.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

func (e *encoder) dict(d starlark.IterableMapping, depth int) error {
	e.out = append(e.out, '{')
	for i, item := range d.Items() {
		name, ok := starlark.AsString(item[0])
		if !ok {
			return fmt.Errorf("%s has %s key, want string", d.Type(), item[0].Type())
		}
		if err := e.field(i, name, item[1], depth); err != nil {
			return within(err, "in %s key %s", d.Type(), value.Brief(item[0]))
		}
	}
	return e.add("}")
}

func (e *encoder) attrs(v starlark.HasAttrs, depth int) error {
	names := slices.Sorted(slices.Values(v.AttrNames()))
	e.out = append(e.out, '{')
	for i, name := range names {
		field, err := v.Attr(name)
		if err != nil {
			return fmt.Errorf("cannot access attribute %s.%s: %w", v.Type(), name, err)
		}
		if field == nil {
			return fmt.Errorf("%s has no attribute %s", v.Type(), name)
		}
		if err := e.field(i, name, field, depth); err != nil {
			return within(err, "in field .%s", name)
		}
	}
	return e.add("}")
}

func (e *encoder) field(i int, name string, v starlark.Value, depth int) error {
	if i > 0 {
		e.out = append(e.out, ',')
	}
	if err := e.text(name); err != nil {
		return err
	}
	e.out = append(e.out, ':')
	return e.value(v, depth+1)
}

func (e *encoder) list(v starlark.Iterable, depth int) error {
	e.out = append(e.out, '[')
	i := 0
	for item := range starlark.Elements(v) {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		if err := e.value(item, depth+1); err != nil {
			return within(err, "at %s index %d", v.Type(), i)
		}
		i++
	}
	return e.add("]")
}

// within adds the place in a value to an error. It leaves errors about the whole
// value unchanged.
func within(err error, format string, args ...any) error {
	if errors.Is(err, errTooLong) || errors.Is(err, errTooDeep) {
		return err
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
