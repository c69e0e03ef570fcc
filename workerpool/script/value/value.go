// Package value converts the values of messages and state to Starlark values
// and back.
//
// | asgi            | Starlark                   |
// |-----------------|----------------------------|
// | nil, bool       | None, bool                 |
// | int64, float64  | int, float                 |
// | string          | string                     |
// | [asgi.Bytes]    | bytes, sharing its storage |
// | [asgi.List]     | list; tuples become lists  |
// | [asgi.Dict]     | dict with text keys        |
//
// Converted lists and dicts are new and mutable, and belong to the script.
// [Content] makes them only when a script uses them.
package value

import (
	"fmt"
	"strings"

	"asgibox/asgi"

	"go.starlark.net/starlark"
)

// ToStarlark converts a value of a message to a new Starlark value. Text and
// byte strings share their storage. ToStarlark panics if v is not a value that a
// message may contain.
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
	panic(fmt.Sprintf("value: a message cannot contain a %T", v))
}

// List converts a list to a new Starlark list.
func List(l asgi.List) *starlark.List {
	elems := make([]starlark.Value, l.Len())
	for i, v := range l.All() {
		elems[i] = ToStarlark(v)
	}
	return starlark.NewList(elems)
}

// Dict converts a dict to a new Starlark dict in the same order.
func Dict(d asgi.Dict) *starlark.Dict {
	out := starlark.NewDict(d.Len())
	for k, v := range d.All() {
		out.SetKey(starlark.String(k), ToStarlark(v)) // cannot fail: the dict is new
	}
	return out
}

// An returns the type of a value with its article: "a list", "an int", "text".
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
