// Package codec encodes and decodes messages: as MessagePack, for storing and
// sending ([Append], [Decode]), and as JSON, for people and other languages
// ([AppendJSON], [DecodeJSON]).
//
// # Types
//
// Both forms preserve every type of a message: text and byte strings, integers
// and floats, nil and false. MessagePack has str for text and bin for byte
// strings. JSON has only text: a byte string is written as U+FFFF followed by
// standard base64, and a text that begins with U+FFFF gets a second U+FFFF in
// front. A float in JSON always has a decimal point or an exponent. Keys keep
// their order.
//
// # Hostile input
//
// The decoders trust no input. They compare lengths with the remaining input
// before they allocate, limit the nesting to [asgi.MaxDepth], and pass all
// values through the constructors of package asgi. They fail with
// [ErrMalformed] if the bytes are not of the expected form, and with an
// [asgi.InvalidMessageError] that has the path of the value if a value is not
// allowed in messages.
//
// # Envelopes
//
// [AppendFields] and [AppendFieldsJSON] encode a larger dict that holds a
// message, as the layer over HTTP uses it. The nesting of each value counts
// separately, so that a message of the maximum depth is allowed there.
package codec

import (
	"errors"
	"fmt"
	"slices"

	"asgibox/asgi"
)

// ErrMalformed: the input is not valid MessagePack or JSON, or it is too short
// or too long.
var ErrMalformed = errors.New("malformed")

// malformed returns an [ErrMalformed] with the offset in the input.
func malformed(form string, offset int, problem string) error {
	return fmt.Errorf("%w %s at byte %d: %s", ErrMalformed, form, offset, problem)
}

// message returns a decoded value, which must be a dict, as a message.
func message(v any) (asgi.Message, error) {
	fields, err := dict(v)
	if err != nil {
		return asgi.Message{}, err
	}
	return converter.OwnMessage(fields)
}

// dict returns the fields of a decoded value, which must be a dict.
func dict(v any) (asgi.Fields, error) {
	switch v := v.(type) {
	case asgi.Fields:
		return v, nil
	case invalid:
		return nil, &asgi.InvalidMessageError{Reason: string(v)}
	}
	return nil, &asgi.InvalidMessageError{Reason: "it is not a dict"}
}

// fewKeys is the number of keys up to which comparing each with the others is faster
// than a map.
const fewKeys = 16

// envelope checks each value of a decoded dict separately: its nesting and the
// path in its error start at the value.
func envelope(v any) (asgi.Fields, error) {
	fields, err := dict(v)
	if err != nil {
		return nil, err
	}
	var seen map[string]bool // nil for the few keys of most envelopes
	if len(fields) > fewKeys {
		seen = make(map[string]bool, len(fields))
	}
	for i, f := range fields {
		twice := seen[f.Key]
		if seen != nil {
			seen[f.Key] = true
		} else {
			twice = slices.ContainsFunc(fields[:i], func(other asgi.Field) bool { return other.Key == f.Key })
		}
		if twice {
			return nil, &asgi.InvalidMessageError{Path: f.Key, Reason: "the key is given twice"}
		}
		checked, err := converter.OwnValue(f.Value)
		if err != nil {
			return nil, err
		}
		fields[i].Value = checked
	}
	return fields, nil
}

// invalid replaces a value that is not allowed in messages in the decoded tree,
// so that the error gets the path of the value. It is the reason of that error.
type invalid string

var converter = asgi.Converter(func(v any) (any, error) {
	if reason, ok := v.(invalid); ok {
		return nil, errors.New(string(reason))
	}
	return nil, fmt.Errorf("a %T cannot be sent", v)
})
