// Package jsontext is Starlark's json with a bound on how deep what it decodes
// may nest. The decoder recurses on Go's stack, whose end cannot be caught, and
// what it is given comes from outside.
package jsontext

import (
	"fmt"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// MaxDepth is how deep a text may nest.
const MaxDepth = 1000

// Module is json: encode, decode and indent.
var Module = &starlarkstruct.Module{Name: "json", Members: starlark.StringDict{
	"encode": json.Module.Members["encode"],
	"decode": starlark.NewBuiltin("json.decode", decode),
	"indent": json.Module.Members["indent"],
}}

// Encode is json.encode.
func Encode(thread *starlark.Thread, v starlark.Value) (starlark.Value, error) {
	return starlark.Call(thread, Module.Members["encode"], starlark.Tuple{v}, nil)
}

// Decode is json.decode.
func Decode(thread *starlark.Thread, text string) (starlark.Value, error) {
	return starlark.Call(thread, Module.Members["decode"], starlark.Tuple{starlark.String(text)}, nil)
}

// decode is json.decode(x, default=…).
func decode(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var text string
	var otherwise starlark.Value
	if err := starlark.UnpackArgs("json.decode", args, kwargs, "x", &text, "default?", &otherwise); err != nil {
		return nil, err
	}
	if tooDeep(text) {
		if otherwise != nil {
			return otherwise, nil
		}
		return nil, fmt.Errorf("json.decode: the text nests deeper than %d", MaxDepth)
	}
	inner, _ := json.Module.Members["decode"].(*starlark.Builtin)
	return inner.CallInternal(thread, args, kwargs)
}

// tooDeep reports whether brackets outside strings nest deeper than MaxDepth.
func tooDeep(text string) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[', c == '{':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == ']', c == '}':
			depth--
		}
	}
	return false
}
