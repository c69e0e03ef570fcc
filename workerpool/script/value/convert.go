package value

import (
	"fmt"

	"asgibox/asgi"

	"go.starlark.net/starlark"
)

// A Native is a Starlark value of this program that converts itself for a
// message or state.
type Native interface {
	starlark.Value
	// Native returns a Starlark dict, or a value that [asgi.NewMessage]
	// accepts and that does not change afterwards. If it fails, the value is
	// not allowed in a message. A value that returns a dict behaves like it.
	Native() (any, error)
}

// Message converts a Starlark dict to a message. It fails with an
// [asgi.InvalidMessageError] if a message cannot contain a value, and with an
// [asgi.MessageTooLargeError] if there are more than limit values, because each
// value takes at least one byte. It stops at the limit, because a small script
// can make a list that contains a list many times.
func Message(content starlark.Value, limit int) (asgi.Message, error) {
	d, ok := DictOf(content)
	if !ok {
		return asgi.Message{}, &asgi.InvalidMessageError{Reason: fmt.Sprintf("it is %s; a message must be a dict", An(content))}
	}
	fields, err := fields(d)
	if err != nil {
		return asgi.Message{}, &asgi.InvalidMessageError{Reason: err.Error()}
	}
	return Converter(limit).OwnMessage(fields)
}

// DictOf returns a dict, or the dict that a [Native] value behaves like, and
// reports whether the value is one of them.
func DictOf(v starlark.Value) (*starlark.Dict, bool) {
	var inner any = v
	if n, ok := v.(Native); ok {
		inner, _ = n.Native()
	}
	d, ok := inner.(*starlark.Dict)
	return d, ok
}

// FromStarlark converts a value for state or a session. It fails like [Message].
func FromStarlark(v starlark.Value, limit int) (any, error) { return Converter(limit).OwnValue(v) }

// Converter returns an [asgi.Converter] for one conversion of at most limit
// Starlark values.
func Converter(limit int) asgi.Converter {
	left := limit
	return func(v any) (any, error) {
		if left--; left < lenOf(v) {
			return nil, &asgi.MessageTooLargeError{Size: limit + 1, Limit: limit}
		}
		return convert(v)
	}
}

// lenOf returns the number of elements of a value, which the converter gets
// next.
func lenOf(v any) int {
	if v, ok := v.(starlark.Sequence); ok {
		return v.Len()
	}
	return 0
}

// convert converts one value, but not its elements.
func convert(v any) (any, error) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), nil
	case starlark.Bytes:
		return asgi.Bytes(v), nil
	case starlark.NoneType:
		return nil, nil
	case starlark.Bool:
		return bool(v), nil
	case starlark.Float:
		return float64(v), nil
	case starlark.Int:
		if i, ok := v.Int64(); ok {
			return i, nil
		}
		return nil, fmt.Errorf("%s is too large for a signed 64-bit integer; send it as text", Brief(v))
	case *starlark.List:
		items := make([]any, v.Len())
		for i := range items {
			items[i] = v.Index(i)
		}
		return items, nil
	case starlark.Tuple:
		items := make([]any, len(v))
		for i, item := range v {
			items[i] = item
		}
		return items, nil
	case *starlark.Dict:
		return fields(v)
	case Native:
		if d, ok := DictOf(v); ok {
			return fields(d)
		}
		return v.Native()
	case starlark.Value:
		return nil, refusal(v)
	}
	return nil, fmt.Errorf("a %T cannot be sent", v)
}

// fields returns the keys and values of a dict. It fails if a key is not text.
func fields(d *starlark.Dict) (asgi.Fields, error) {
	out := make(asgi.Fields, d.Len())
	for i, k := range d.Keys() { // ranging over Entries would allocate more
		s, ok := starlark.AsString(k)
		if !ok {
			return nil, fmt.Errorf("its key %s is %s; keys must be text: str(%s)", Brief(k), An(k), Brief(k))
		}
		v, _, err := d.Get(k)
		if err != nil {
			return nil, err
		}
		out[i] = asgi.Field{Key: s, Value: v}
	}
	return out, nil
}

// refusal returns the reason why a value cannot be sent.
func refusal(v starlark.Value) error {
	switch v.(type) {
	case starlark.Callable:
		return fmt.Errorf("%s is a function, which cannot be sent; call it, or send its name", v.String())
	case starlark.Iterable:
		return fmt.Errorf("it is %s, which cannot be sent; make it a list: list(…)", An(v))
	}
	return fmt.Errorf("it is %s, which cannot be sent; values are None, bool, int, float, text, bytes, list and dict", An(v))
}
