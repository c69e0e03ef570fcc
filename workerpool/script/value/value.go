// Package value turns what messages and state hold into Starlark values and
// back.
//
// | asgi            | Starlark                   |
// |-----------------|----------------------------|
// | nil, bool       | None, bool                 |
// | int64, float64  | int, float                 |
// | string          | string                     |
// | [asgi.Bytes]    | bytes, sharing its storage |
// | [asgi.List]     | list; tuples come as lists |
// | [asgi.Dict]     | dict with text keys        |
//
// Lists and dicts that come out are fresh, mutable and the script's own.
// [Content] puts off making them until a script looks.
package value

import (
	"strings"

	"asgibox/asgi"

	"go.starlark.net/starlark"
)

// ToStarlark makes a script's own copy of a value that a message may hold.
// Text and byte strings are not copied. It panics on any other value.
func ToStarlark(v any) starlark.Value {
	switch v := v.(type) {
	case nil:
		return starlark.None
	case bool:
		return starlark.Bool(v)
	case int64:
		return starlark.MakeInt64(v)
	case float64:
		return starlark.Float(v)
	case string:
		return starlark.String(v)
	case asgi.Bytes:
		return starlark.Bytes(v)
	case asgi.List:
		return List(v)
	case asgi.Dict:
		return Dict(v)
	case asgi.Message:
		return Dict(v.Dict)
	}
	panic("value: no message holds such a value")
}

// List makes a script's own copy of a list.
func List(l asgi.List) *starlark.List {
	elems := make([]starlark.Value, l.Len())
	for i, v := range l.All() {
		elems[i] = ToStarlark(v)
	}
	return starlark.NewList(elems)
}

// Dict makes a script's own copy of a dict, in its order.
func Dict(d asgi.Dict) *starlark.Dict {
	out := starlark.NewDict(d.Len())
	for k, v := range d.All() {
		out.SetKey(starlark.String(k), ToStarlark(v)) // a fresh dict takes every text key
	}
	return out
}

// An names the kind of a value in a sentence: "a list", "an int", "text".
func An(v starlark.Value) string {
	switch t := v.Type(); {
	case t == "NoneType":
		return "None"
	case t == "string":
		return "text"
	case t == "bytes":
		return "bytes"
	case t == "builtin_function_or_method":
		return "a function"
	case strings.IndexByte("aeio", t[0]) >= 0:
		return "an " + t
	default:
		return "a " + t
	}
}
