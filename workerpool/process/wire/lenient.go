package wire

import (
	"bytes"
	"fmt"
	"slices"

	"asgibox/asgi"
)

// A ValueError says that a head has a value that no message may have. The next frame can
// be read.
type ValueError struct {
	Head asgi.Fields // nil stands for such a value; a key may be there twice
	Err  error
}

func (e *ValueError) Error() string { return e.Err.Error() }
func (e *ValueError) Unwrap() error { return e.Err }

// maxBadFields is how many fields a head may have of which one cannot be decoded. Frames
// have few.
const maxBadFields = 100

// decodeBad decodes each field of a head that cannot be decoded as a whole, and returns a
// [ValueError], or an [ErrBadFrame] if the head is no dict or has too many fields.
func (r *Reader) decodeBad(head []byte, err error) error {
	bad, fields := &ValueError{Err: err}, 0
	ok := split(head, func(key, value []byte) {
		if fields++; fields > maxBadFields {
			return
		}
		field, err := r.segments.DecodeFields(slices.Concat([]byte("{"), key, value, []byte("}")))
		if err != nil {
			field, err = r.segments.DecodeFields(slices.Concat([]byte("{"), key, []byte("null}")))
		}
		if err == nil {
			bad.Head = append(bad.Head, field...)
		}
	})
	switch {
	case !ok:
		return fmt.Errorf("%w: its head: %w", ErrBadFrame, err)
	case fields > maxBadFields:
		return fmt.Errorf("%w: its head has %d fields, and one is bad: %w", ErrBadFrame, fields, err)
	}
	return bad
}

// split calls member with each key of a JSON dict, colon included, and its value. It looks
// only at brackets and texts. It reports whether the JSON is a dict.
func split(head []byte, member func(key, value []byte)) bool {
	head = bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\uFEFF")))
	if len(head) < 2 || head[0] != '{' || head[len(head)-1] != '}' {
		return false
	}
	head = head[1 : len(head)-1]
	start, colon, depth, inText := 0, 0, 0, false
	end := func(i int) {
		if colon > start {
			member(head[start:colon], head[colon:i])
		}
	}
	for i := 0; i < len(head); i++ {
		switch c := head[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth < 0 {
				return false
			}
		case c == ':' && depth == 0 && colon == start:
			colon = i + 1
		case c == ',' && depth == 0:
			end(i)
			start, colon = i+1, i+1
		}
	}
	end(len(head))
	return depth == 0 && !inText
}
