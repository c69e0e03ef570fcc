package asgi

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// A Converter turns a value of another world (a script, a decoder) into one
// that [NewMessage] takes. It need not look inside: the values within an
// answered []any or [Fields] come to it in their turn. Its errors become the
// reason of an [InvalidMessageError] with the value's path, unless they are an
// [ErrMessageTooLarge].
type Converter func(any) (any, error)

// Message makes a message of fields that hold foreign values.
func (c Converter) Message(fields Fields) (Message, error) {
	return c.message(slices.Clone(fields), copied)
}

// Value makes one value fit to be held in a message or in state.
func (c Converter) Value(v any) (any, error) { return c.value(v, 1, copied) }

// OwnMessage is Message for fields that the caller gives up, with all the
// lists and dicts in them: the message keeps them instead of copies. It is for
// decoders.
func (c Converter) OwnMessage(fields Fields) (Message, error) { return c.message(fields, owned) }

// OwnValue is Value for a value that the caller gives up.
func (c Converter) OwnValue(v any) (any, error) { return c.value(v, 1, owned) }

// keeping says whether the slices in what is converted are kept. Those at the
// top always are: who keeps no slice copies it before, where the compiler sees
// that a literal of fields need not be on the heap.
type keeping bool

const (
	copied keeping = false
	owned  keeping = true
)

func (c Converter) message(fields Fields, keep keeping) (Message, error) {
	d, err := c.dict(fields, 1, keep)
	if err != nil {
		return Message{}, err
	}
	return AsMessage(d)
}

// value answers in itself where it can: to put a text into an interface anew
// would allocate.
func (c Converter) value(in any, depth int, keep keeping) (any, error) {
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
			return nil, &InvalidMessageError{Reason: fmt.Sprintf("%v is not a number that a message can hold", v)}
		}
		return in, nil
	case Dict:
		return in, tooDeep(depth + depthOf(v) - 1)
	case Message:
		return v.Dict, tooDeep(depth + depthOf(v.Dict) - 1)
	case List:
		return in, tooDeep(depth + depthOf(v) - 1)
	case []any:
		if keep == copied {
			v = slices.Clone(v)
		}
		return c.list(v, depth, keep)
	case Fields:
		if keep == copied {
			v = slices.Clone(v)
		}
		return c.dict(v, depth, keep)
	case map[string]any:
		return c.dict(sortedFields(v), depth, keep)
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
		return c.value(float64(v), depth, keep)
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
		return c.value(converted, depth, keep)
	}
	return Converter(nil).value(converted, depth, keep)
}

func (c Converter) list(in []any, depth int, keep keeping) (any, error) {
	if err := tooDeep(depth); err != nil {
		return nil, err
	}
	l := List{items: in, size: headerSize(len(in)), depth: 1}
	for i, v := range in {
		v, err := c.value(v, depth+1, keep)
		if err != nil {
			return nil, under("["+strconv.Itoa(i)+"]", err)
		}
		l.items[i] = v
		l.size += SizeOf(v)
		l.heap += itemFootprint + FootprintOf(v)
		l.depth = max(l.depth, 1+depthOf(v))
	}
	return l, nil
}

func (c Converter) dict(in Fields, depth int, keep keeping) (Dict, error) {
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
		if d.twice(f.Key, i) {
			return Dict{}, under(step(f.Key), &InvalidMessageError{Reason: "the key is given twice"})
		}
		v, err := c.value(f.Value, depth+1, keep)
		if err != nil {
			return Dict{}, under(step(f.Key), err)
		}
		d.fields[i].Value = v
		d.size += textSize(len(f.Key)) + SizeOf(v)
		d.heap += fieldFootprint + len(f.Key) + FootprintOf(v)
		d.depth = max(d.depth, 1+depthOf(v))
	}
	return d, nil
}

// twice reports whether the key is among the first n, and notes it if not.
func (d *Dict) twice(key string, n int) bool {
	if d.index != nil {
		_, twice := d.index[key]
		d.index[key] = n
		return twice
	}
	for _, f := range d.fields[:n] {
		if f.Key == key {
			return true
		}
	}
	return false
}

// under puts a step before the path of a refused value.
func under(step string, err error) error {
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

// step writes a key as a step of a path: bare if it reads well, else quoted.
func step(key string) string {
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
		return &InvalidMessageError{Reason: "it is nested deeper than 100 (or holds itself)"}
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
