package asgi

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// A Converter turns a foreign value, of a script or a decoder, into one that
// [NewMessage] takes. It may return an []any or [Fields] that hold foreign
// values: it is then called for each of them. Its error becomes the reason of
// an [InvalidMessageError] with the value's path, unless it is an
// [ErrMessageTooLarge].
type Converter func(any) (any, error)

// Message returns a message of fields that may hold foreign values.
func (c Converter) Message(fields Fields) (Message, error) {
	return c.message(slices.Clone(fields), copied)
}

// Value returns v converted to a value that a message or the state may hold.
func (c Converter) Value(v any) (any, error) { return c.value(v, 1, copied) }

// OwnMessage is like Message, but the message keeps the slices in fields
// instead of copies. The caller must not use them again. It is for decoders.
func (c Converter) OwnMessage(fields Fields) (Message, error) { return c.message(fields, owned) }

// OwnValue is like Value, but the result keeps the slices in v. The caller must
// not use them again.
func (c Converter) OwnValue(v any) (any, error) { return c.value(v, 1, owned) }

// ownership reports whether the result keeps the slices inside a value or
// copies of them. It does not concern the slice given to message, list or
// dict, which they always keep: callers that need a copy clone it first, so
// that the compiler can put a literal of fields on the stack.
type ownership bool

const (
	copied ownership = false
	owned  ownership = true
)

func (c Converter) message(fields Fields, own ownership) (Message, error) {
	d, err := c.dict(fields, 1, own)
	if err != nil {
		return Message{}, err
	}
	return AsMessage(d)
}

// value returns in unchanged if it can, because converting a text to an
// interface again would allocate.
func (c Converter) value(in any, depth int, own ownership) (any, error) {
	switch v := in.(type) {
	case nil, bool, int64, Bytes:
		return in, nil
	case string:
		if !utf8.ValidString(v) {
			return nil, &InvalidMessageError{Reason: "the text is not valid UTF-8; send bytes"}
		}
		return in, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, &InvalidMessageError{Reason: fmt.Sprintf("%v is not a finite number", v)}
		}
		return in, nil
	case Dict:
		return in, tooDeep(depth + depthOf(v) - 1)
	case Message:
		return v.Dict, tooDeep(depth + depthOf(v.Dict) - 1)
	case List:
		return in, tooDeep(depth + depthOf(v) - 1)
	case []any:
		if own == copied {
			v = slices.Clone(v)
		}
		return c.list(v, depth, own)
	case Fields:
		if own == copied {
			v = slices.Clone(v)
		}
		return c.dict(v, depth, own)
	case map[string]any:
		return c.dict(sortedFields(v), depth, own)
	case []byte:
		return Bytes(v), nil
	case int:
		return int64(v), nil
	case int8:
		return int64(v), nil
	case int16:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case uint8:
		return int64(v), nil
	case uint16:
		return int64(v), nil
	case uint32:
		return int64(v), nil
	case uint:
		return fromUint(uint64(v))
	case uint64:
		return fromUint(v)
	case float32:
		return c.value(float64(v), depth, own)
	}
	if c == nil {
		return nil, &InvalidMessageError{Reason: fmt.Sprintf("a %T cannot be sent", in)}
	}
	converted, err := c(in)
	if err != nil {
		var invalid *InvalidMessageError
		if errors.As(err, &invalid) || errors.Is(err, ErrMessageTooLarge) {
			return nil, err
		}
		return nil, &InvalidMessageError{Reason: err.Error()}
	}
	switch converted.(type) {
	case []any, Fields, map[string]any:
		return c.value(converted, depth, own)
	}
	return Converter(nil).value(converted, depth, own)
}

func (c Converter) list(in []any, depth int, own ownership) (any, error) {
	if err := tooDeep(depth); err != nil {
		return nil, err
	}
	l := List{items: in, size: headerSize(len(in)), depth: 1}
	for i, v := range in {
		v, err := c.value(v, depth+1, own)
		if err != nil {
			return nil, prependPath("["+strconv.Itoa(i)+"]", err)
		}
		l.items[i] = v
		l.size += SizeOf(v)
		l.heap += itemFootprint + FootprintOf(v)
		l.depth = max(l.depth, 1+depthOf(v))
	}
	return l, nil
}

func (c Converter) dict(in Fields, depth int, own ownership) (Dict, error) {
	if err := tooDeep(depth); err != nil {
		return Dict{}, err
	}
	d := Dict{fields: in, size: headerSize(len(in)), depth: 1}
	if len(in) >= indexFrom {
		d.index = make(map[string]int, len(in))
		d.heap = indexFootprint * len(in)
	}
	for i, f := range in {
		if !utf8.ValidString(f.Key) {
			return Dict{}, &InvalidMessageError{Reason: fmt.Sprintf("the key %q is not valid UTF-8", f.Key)}
		}
		if d.duplicate(f.Key, i) {
			return Dict{}, prependPath(pathStep(f.Key), &InvalidMessageError{Reason: "the key is given twice"})
		}
		v, err := c.value(f.Value, depth+1, own)
		if err != nil {
			return Dict{}, prependPath(pathStep(f.Key), err)
		}
		d.fields[i].Value = v
		d.size += textSize(len(f.Key)) + SizeOf(v)
		d.heap += fieldFootprint + len(f.Key) + FootprintOf(v)
		d.depth = max(d.depth, 1+depthOf(v))
	}
	return d, nil
}

// duplicate reports whether the key is among the first n fields. It adds the
// key to the index, if there is one.
func (d *Dict) duplicate(key string, n int) bool {
	if d.index != nil {
		_, found := d.index[key]
		d.index[key] = n
		return found
	}
	for _, f := range d.fields[:n] {
		if f.Key == key {
			return true
		}
	}
	return false
}

// prependPath puts a step before the path of an [InvalidMessageError].
func prependPath(step string, err error) error {
	var invalid *InvalidMessageError
	if !errors.As(err, &invalid) {
		return err
	}
	path := invalid.Path
	if path != "" && path[0] != '[' {
		path = "." + path
	}
	return &InvalidMessageError{step + path, invalid.Reason}
}

// pathStep returns a key as a step of a path. A key with characters other
// than letters, digits, "_" and "-" is quoted.
func pathStep(key string) string {
	for i := 0; i < len(key); i++ {
		c := key[i]
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return "[" + strconv.Quote(key) + "]"
		}
	}
	if key == "" {
		return `[""]`
	}
	return key
}

func tooDeep(depth int) error {
	if depth > MaxDepth {
		return &InvalidMessageError{Reason: "it is nested deeper than 100 levels, or it contains itself"}
	}
	return nil
}

func fromUint(v uint64) (any, error) {
	if v > math.MaxInt64 {
		return nil, &InvalidMessageError{Reason: fmt.Sprintf("%d does not fit in 64 bits signed", v)}
	}
	return int64(v), nil
}

func depthOf(v any) int {
	switch v := v.(type) {
	case Dict:
		return max(v.depth, 1)
	case List:
		return max(v.depth, 1)
	}
	return 0
}
