// Package codec is the one home of messages as bytes: MessagePack, in which
// they are stored and sent ([Append], [Decode]), and JSON, in which people and
// other languages read and write them ([AppendJSON], [DecodeJSON]).
//
// # Types
//
// Both forms keep every type of a message apart: text and byte strings,
// integers and floats, nil and false. MessagePack has str for text and bin for
// byte strings. JSON has only text: a byte string is a text that begins with
// U+FFFF, the rest standard base64, and a text that really begins with U+FFFF
// gets one more in front. A float in JSON always has a point or an exponent.
// The order of keys is kept.
//
// # Hostile input
//
// Decoding trusts nothing. Lengths are compared with what is left before
// anything is allocated, nesting ends at [asgi.MaxDepth], and what was read
// goes through the constructors of package asgi: bytes that are not of the
// form at all are [ErrMalformed], values that no message may hold are an
// [asgi.InvalidMessageError] with the value's path.
//
// # Envelopes
//
// A message that travels inside a larger dict, as the layer over HTTP has it,
// is encoded by [AppendFields] and [AppendFieldsJSON]: there each value counts
// its nesting from itself, so that the deepest message still fits.
package codec

import (
	"errors"
	"fmt"

	"asgibox/asgi"
)

// ErrMalformed: the bytes are not of the form that they were decoded as, or
// there are too few or too many of them.
var ErrMalformed = errors.New("malformed")

// malformed says where, in bytes from the start, and what is wrong.
func malformed(form string, at int, what string) error {
	return fmt.Errorf("%w %s at byte %d: %s", ErrMalformed, form, at, what)
}

// message makes a message of a decoded value, which must be a dict.
func message(v any) (asgi.Message, error) {
	fields, ok := v.(asgi.Fields)
	if !ok {
		return asgi.Message{}, &asgi.InvalidMessageError{Reason: "it is not a dict"}
	}
	return foreign.OwnMessage(fields)
}

// envelope checks the values of a decoded dict, each as if it stood alone: how
// deep it may nest and the path in its error begin with it.
func envelope(v any) (asgi.Fields, error) {
	fields, ok := v.(asgi.Fields)
	if !ok {
		return nil, &asgi.InvalidMessageError{Reason: "it is not a dict"}
	}
	seen := make(map[string]bool, len(fields))
	for i, f := range fields {
		if seen[f.Key] {
			return nil, &asgi.InvalidMessageError{Path: f.Key, Reason: "the key is given twice"}
		}
		seen[f.Key] = true
		checked, err := foreign.OwnValue(f.Value)
		if err != nil {
			return nil, err
		}
		fields[i].Value = checked
	}
	return fields, nil
}

// refused stands in the decoded tree where a value was that no message may
// hold, so that the refusal comes with its path.
type refused string

var foreign = asgi.Converter(func(v any) (any, error) {
	if why, ok := v.(refused); ok {
		return nil, errors.New(string(why))
	}
	return nil, fmt.Errorf("a %T cannot be sent", v)
})
