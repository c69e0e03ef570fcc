package value

import (
	"fmt"

	"asgibox/asgi"

	"go.starlark.net/starlark"
)

// A Native is a Starlark value of ours that may stand in a message or in
// state: as what it answers, or refused with its error as the reason.
type Native interface {
	starlark.Value
	// Native answers a value that [asgi.NewMessage] takes and that nobody
	// else will change, or a Starlark value.
	Native() (any, error)
}

// Message makes a message of a Starlark dict. A value that no message may
// hold is an [asgi.InvalidMessageError]. Every value takes a byte or more, so
// one of more than limit values is an [asgi.MessageTooLargeError] before they
// are all looked at: a small script can make a list that holds a list many
// times over.
func Message(content starlark.Value, limit int) (asgi.Message, error) {
	d, ok := content.(*starlark.Dict)
	if !ok {
		return asgi.Message{}, &asgi.InvalidMessageError{Reason: fmt.Sprintf("it is %s; a message is a dict", An(content))}
	}
	fields, err := fields(d)
	if err != nil {
		return asgi.Message{}, &asgi.InvalidMessageError{Reason: err.Error()}
	}
	return Converter(limit).OwnMessage(fields)
}

// FromStarlark makes a value fit for state or a session, under the conditions
// of [Message].
func FromStarlark(v starlark.Value, limit int) (any, error) { return Converter(limit).OwnValue(v) }

// Converter answers the [asgi.Converter] of Starlark values. It is for one
// conversion, of at most limit values.
func Converter(limit int) asgi.Converter {
	left := limit
	return func(v any) (any, error) {
		if left -= 1; left < lenOf(v) {
			return nil, &asgi.MessageTooLargeError{Size: limit + 1, Limit: limit}
		}
		return convert(v)
	}
}

// lenOf answers how many elements a value has, each of which will be counted
// in its turn.
func lenOf(v any) int {
	if v, ok := v.(starlark.Sequence); ok {
		return v.Len()
	}
	return 0
}

// convert answers one value, its elements untouched.
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
		i, ok := v.Int64()
		if !ok {
			return nil, fmt.Errorf("%s does not fit in 64 bits signed; send it as text", shorten(v.String()))
		}
		return i, nil
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
		return v.Native()
	case starlark.Value:
		return nil, refusal(v)
	}
	return nil, fmt.Errorf("a %T cannot be sent", v)
}

// fields answers the keys and values of a dict, which must have text keys.
func fields(d *starlark.Dict) (asgi.Fields, error) {
	out := make(asgi.Fields, d.Len())
	for i, k := range d.Keys() { // to range over Entries allocates for all that its loop touches
		s, ok := starlark.AsString(k)
		if !ok {
			return nil, fmt.Errorf("its key %s is %s; keys are text: str(%s)", shorten(k.String()), An(k), shorten(k.String()))
		}
		v, _, err := d.Get(k)
		if err != nil {
			return nil, err
		}
		out[i] = asgi.Field{Key: s, Value: v}
	}
	return out, nil
}

// refusal says why a value can't be sent and what can.
func refusal(v starlark.Value) error {
	switch v.(type) {
	case starlark.Callable:
		return fmt.Errorf("%s is a function, which cannot be sent; call it, or send its name", shorten(v.String()))
	case starlark.Iterable:
		return fmt.Errorf("it is %s, which cannot be sent; make it a list: list(…)", An(v))
	}
	return fmt.Errorf("it is %s, which cannot be sent; values are None, bool, int, float, text, bytes, list and dict", An(v))
}

// shorten keeps a value's text fit for one line.
func shorten(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
