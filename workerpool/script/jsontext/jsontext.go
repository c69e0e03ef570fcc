// Package jsontext is Starlark's json module with limits. Starlark's decoder is
// recursive, so that deeply nested input could overflow the stack and end the
// process. Its encoder sorts keys, and could use much memory, because a small
// script can make a very large value, with lists that contain a list many times.
// The encoder here keeps the order of keys.
package jsontext

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"asgibox/workerpool/script/memory"
	"asgibox/workerpool/script/value"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// MaxLength is the approximate limit for an encoded text, in bytes.
const MaxLength = 16 << 20

// MaxDigits is how many digits a number may have in a text that is decoded. The
// time to read a number grows with the square of its length.
const MaxDigits = 10_000

// Module is the module json, with encode, encode_indent, decode and indent.
var Module = &starlarkstruct.Module{Name: "json", Members: starlark.StringDict{
	"encode":        starlark.NewBuiltin("json.encode", encode),
	"encode_indent": starlark.NewBuiltin("json.encode_indent", encodeIndent),
	"decode":        starlark.NewBuiltin("json.decode", decode),
	"indent":        starlark.NewBuiltin("json.indent", indent),
}}

// Encode calls json.encode.
func Encode(thread *starlark.Thread, v starlark.Value) (starlark.Value, error) {
	return starlark.Call(thread, Module.Members["encode"], starlark.Tuple{v}, nil)
}

// Decode calls json.decode.
func Decode(thread *starlark.Thread, text string) (starlark.Value, error) {
	return starlark.Call(thread, Module.Members["decode"], starlark.Tuple{starlark.String(text)}, nil)
}

// decode implements json.decode(x, default=…).
func decode(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var text string
	var otherwise starlark.Value
	if err := starlark.UnpackArgs("json.decode", args, kwargs, "x", &text, "default?", &otherwise); err != nil {
		return nil, err
	}
	text = strings.TrimPrefix(text, "\ufeff") // a byte order mark
	needs := measure(text)
	if err := memory.Of(thread).Decode(needs.bytes); err != nil {
		return nil, fmt.Errorf("json.decode: %w", err)
	}
	v, err := decodeText(thread, text, needs)
	switch {
	case err == nil:
		return v, nil
	case otherwise != nil:
		return otherwise, nil
	}
	return nil, err
}

func decodeText(thread *starlark.Thread, text string, needs size) (starlark.Value, error) {
	switch {
	case needs.depth > value.MaxNesting:
		return nil, fmt.Errorf("json.decode: the text nests deeper than %d", value.MaxNesting)
	case needs.digits > MaxDigits:
		return nil, fmt.Errorf("json.decode: the text has a number of more than %d digits", MaxDigits)
	case hasCrowdedKeys(text):
		return nil, errors.New("json.decode: the hashes of too many keys of an object are equal")
	}
	if needs.bytes > unscanned && thread.OnMaxSteps != nil {
		thread.SetMaxExecutionSteps(thread.ExecutionSteps()) // the host inspects the thread at the next step
	}
	inner, _ := json.Module.Members["decode"].(*starlark.Builtin)
	v, err := inner.CallInternal(thread, starlark.Tuple{starlark.String(text)}, nil)
	if err != nil {
		return nil, err
	}
	return v, checkDecoded(text)
}

// checkDecoded returns an error if a text that Starlark's decoder accepts is not JSON.
// It accepts control characters in texts, and numbers such as 1. and -.5.
func checkDecoded(text string) error {
	digit := func(i int) bool { return i < len(text) && '0' <= text[i] && text[i] <= '9' }
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '.':
			if !digit(i-1) || !digit(i+1) {
				return fmt.Errorf("json.decode: at offset %d, a number has no digit before or after its point", i)
			}
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				} else if text[i] < ' ' {
					return fmt.Errorf("json.decode: at offset %d, a text contains the control character %q", i, text[i])
				}
			}
		}
	}
	return nil
}

// encodeIndent implements json.encode_indent(x, prefix="", indent="\t").
func encodeIndent(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	text, err := encode(thread, b, args, nil)
	if err != nil {
		return nil, err
	}
	return indent(thread, b, starlark.Tuple{text}, kwargs)
}

// indent implements json.indent(text, prefix="", indent="\t"). It fails if the
// result would be too long.
func indent(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	text, prefix, step := "", "", "\t"
	if err := starlark.UnpackPositionalArgs(b.Name(), args, nil, 1, &text); err != nil {
		return nil, err
	}
	if err := starlark.UnpackArgs(b.Name(), nil, kwargs, "prefix?", &prefix, "indent?", &step); err != nil {
		return nil, err
	}
	if indented(text, len(prefix), len(step)) > MaxLength {
		return nil, fmt.Errorf("%s: %w", b.Name(), errTooLong)
	}
	inner, _ := json.Module.Members["indent"].(*starlark.Builtin)
	return inner.CallInternal(thread, args, kwargs)
}

// indented returns the greatest possible length of an indented text, in which
// each bracket and comma begins a line. It stops when the text is too long.
func indented(text string, prefix, step int) int {
	length, depth, quoted := len(text), 0, false
	for i := 0; i < len(text) && length <= MaxLength; i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[', c == '{':
			depth++
			length += 1 + prefix + depth*step
		case c == ']', c == '}':
			depth = max(0, depth-1)
			length += 1 + prefix + depth*step
		case c == ',':
			length += 1 + prefix + depth*step
		}
	}
	return length
}

// minKeys is how many colons a text has at least if one of its objects has keys
// enough to be slow.
const minKeys = 1 << 10

// hasCrowdedKeys reports whether an object in a text would be a slow dict. The
// text may end early: it is decoded up to there.
func hasCrowdedKeys(text string) bool {
	if strings.Count(text, ":") < minKeys {
		return false
	}
	var open []value.Keys // of the objects around the place
	last := ""            // the last text in quotes
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			start := i
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			last = text[start:min(i+1, len(text))]
		case '{':
			open = append(open, nil)
		case ':':
			if len(open) > 0 {
				open[len(open)-1].Add(unquoted(last))
			}
		case '}':
			if len(open) > 0 {
				if open[len(open)-1].Crowded() {
					return true
				}
				open = open[:len(open)-1]
			}
		}
	}
	return slices.ContainsFunc(open, value.Keys.Crowded)
}

// unquoted returns a text without its quotes and escapes.
func unquoted(text string) string {
	if strings.Contains(text, `\`) {
		var s string
		if stdjson.Unmarshal([]byte(text), &s) == nil {
			return s
		}
	}
	return strings.Trim(text, `"`)
}
