package asgibox

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Message is a dict. These are its values:
//
//	in messages      in Go, received   also accepted to send
//	byte string      []byte
//	text             string
//	integer          int64             int, int32
//	float            float64
//	list             []any             []string
//	dict             Message           map[string]any
//	boolean, None    bool, nil
type Message map[string]any

// Text returns the text of a key, or "" if it has none.
func (m Message) Text(key string) string { v, _ := m[key].(string); return v }

// Bytes returns the byte string of a key, or nil if it has none.
func (m Message) Bytes(key string) []byte { v, _ := m[key].([]byte); return v }

// Int returns the integer of a key, or 0 if it has none.
func (m Message) Int(key string) int64 { v, _ := m[key].(int64); return v }

// List returns the list of a key, or nil if it has none.
func (m Message) List(key string) []any { v, _ := m[key].([]any); return v }

// Dict returns the dict of a key, or nil if it has none.
func (m Message) Dict(key string) Message { v, _ := m[key].(Message); return v }

// A text that begins with mark is a byte string: the rest has one character for
// each byte or, after segmentMark, is the number of a segment of the frame. After
// a second mark it is a text that begins with mark.
const (
	mark        = "\uffff"
	segmentMark = "\ufffe"
)

// maxInline is the length up to which a byte string of ASCII is in the head.
const maxInline = 128

// maxDepth is the number of levels that a message may nest, itself included.
const maxDepth = 100

// maxFrame is the length of the longest frame that is read, in bytes.
const maxFrame = 1 << 30

// appendFrame appends a frame: its length, the length of its head, the head, and
// the segments, each after its length.
func appendFrame(dst []byte, head Message) ([]byte, error) {
	start := len(dst)
	w := writer{out: append(dst, 0, 0, 0, 0, 0, 0, 0, 0)}
	if err := w.dict(head, 0); err != nil {
		return nil, err
	}
	out := w.out
	binary.BigEndian.PutUint32(out[start+4:], uint32(len(out)-start-8))
	for _, s := range w.segments {
		out = binary.BigEndian.AppendUint32(out, uint32(len(s)))
		out = append(out, s...)
	}
	if len(out)-start > maxFrame {
		return nil, &Error{"MessageTooLarge", "the message is longer than 1 GiB"}
	}
	binary.BigEndian.PutUint32(out[start:], uint32(len(out)-start-4))
	return out, nil
}

// A writer writes the head of a frame and collects its segments.
type writer struct {
	out      []byte
	segments [][]byte
}

func (w *writer) value(v any, depth int) error {
	switch v := v.(type) {
	case nil:
		w.out = append(w.out, "null"...)
	case bool:
		w.out = strconv.AppendBool(w.out, v)
	case int:
		w.out = strconv.AppendInt(w.out, int64(v), 10)
	case int32:
		w.out = strconv.AppendInt(w.out, int64(v), 10)
	case int64:
		w.out = strconv.AppendInt(w.out, v, 10)
	case float64:
		return w.float(v)
	case string:
		return w.text(v, mark)
	case []byte:
		return w.bytes(v)
	case []string:
		return list(w, v, depth)
	case []any:
		return list(w, v, depth)
	case map[string]any:
		return w.dict(v, depth)
	case Message:
		return w.dict(v, depth)
	default:
		return &Error{"InvalidMessage", fmt.Sprintf("a %T is not allowed in a message", v)}
	}
	return nil
}

// float writes a float with a point or an exponent, which integers do not have.
func (w *writer) float(f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return &Error{"InvalidMessage", "NaN and infinities are not allowed in a message"}
	}
	digits := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(digits, ".e") {
		digits += ".0"
	}
	w.out = append(w.out, digits...)
	return nil
}

// text writes a text. If the text begins with mark, the prefix is written first.
func (w *writer) text(s, prefix string) error {
	if !utf8.ValidString(s) {
		return &Error{"InvalidMessage", "a text is not valid UTF-8; send bytes as []byte"}
	}
	if strings.HasPrefix(s, mark) {
		s = prefix + s
	}
	if plain(s) {
		w.out = append(append(append(w.out, '"'), s...), '"')
		return nil
	}
	quoted, err := json.Marshal(s)
	w.out = append(w.out, quoted...)
	return err
}

// plain reports whether s is ASCII that JSON does not escape.
func plain[T string | []byte](s T) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func (w *writer) bytes(b []byte) error {
	w.out = append(append(w.out, '"'), mark...)
	if len(b) <= maxInline && plain(b) {
		w.out = append(w.out, b...)
	} else {
		w.out = strconv.AppendInt(append(w.out, segmentMark...), int64(len(w.segments)), 10)
		w.segments = append(w.segments, b)
	}
	w.out = append(w.out, '"')
	return nil
}

// errDepth is the error for a message that is nested deeper than maxDepth.
var errDepth = &Error{"InvalidMessage", fmt.Sprintf("the message is nested deeper than %d levels", maxDepth)}

// list writes a list that is nested in depth others.
func list[T any](w *writer, items []T, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	w.out = append(w.out, '[')
	for i, item := range items {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		if err := w.value(item, depth+1); err != nil {
			return err
		}
	}
	w.out = append(w.out, ']')
	return nil
}

// dict writes a dict that is nested in depth others.
func (w *writer) dict(d map[string]any, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	w.out = append(w.out, '{')
	for key, v := range d {
		if w.out[len(w.out)-1] != '{' {
			w.out = append(w.out, ',')
		}
		if err := w.text(key, ""); err != nil { // keys are never marked
			return err
		}
		w.out = append(w.out, ':')
		if err := w.value(v, depth+1); err != nil {
			return err
		}
	}
	w.out = append(w.out, '}')
	return nil
}

// frames reads frames. A read that was interrupted can go on later.
type frames struct {
	from io.Reader
	buf  []byte // bytes that are not yet part of a frame
}

// next returns the head of the next frame. Its error is io.EOF if the connection ends
// between two frames.
func (f *frames) next() (Message, error) {
	for {
		needed := 4
		if len(f.buf) >= 4 {
			length := binary.BigEndian.Uint32(f.buf)
			if length > maxFrame {
				return nil, fmt.Errorf("asgibox: a frame of the server has %d bytes", length)
			}
			if needed += int(length); len(f.buf) >= needed {
				frame := bytes.Clone(f.buf[4:needed])
				f.buf = f.buf[:copy(f.buf, f.buf[needed:])]
				return decode(frame)
			}
		}
		f.buf = slices.Grow(f.buf, max(4<<10, min(needed-len(f.buf), 1<<20)))
		n, err := f.from.Read(f.buf[len(f.buf):cap(f.buf)])
		f.buf = f.buf[:len(f.buf)+n]
		if err == io.EOF && len(f.buf) > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil && n == 0 {
			return nil, fmt.Errorf("asgibox: read from the server: %w", err)
		}
	}
}

// decode returns the head of a frame. Its byte strings are parts of the frame.
func decode(frame []byte) (Message, error) {
	head, rest, ok := cut(frame)
	var segments [][]byte
	for ok && len(rest) > 0 {
		var s []byte
		s, rest, ok = cut(rest)
		segments = append(segments, s)
	}
	if !ok {
		return nil, fmt.Errorf("asgibox: a frame of the server ends in the middle of a part")
	}
	decoder := json.NewDecoder(bytes.NewReader(head))
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		return nil, fmt.Errorf("asgibox: the head of a frame of the server: %w", err)
	}
	v, err := received(fields, segments)
	if err != nil {
		return nil, fmt.Errorf("asgibox: a frame of the server: %w", err)
	}
	m, _ := v.(Message)
	return m, nil
}

// cut returns the part at the start of b, which follows its length.
func cut(b []byte) (part, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := uint64(binary.BigEndian.Uint32(b))
	if n > uint64(len(b)-4) {
		return nil, nil, false
	}
	return b[4 : 4+n : 4+n], b[4+n:], true
}

// received converts the values that JSON has to those of a message.
func received(v any, segments [][]byte) (_ any, err error) {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			if v[key], err = received(v[key], segments); err != nil {
				return nil, err
			}
		}
		return Message(v), nil
	case []any:
		for i := range v {
			if v[i], err = received(v[i], segments); err != nil {
				return nil, err
			}
		}
	case json.Number:
		if strings.ContainsAny(string(v), ".eE") {
			return v.Float64()
		}
		return v.Int64()
	case string:
		if rest, marked := strings.CutPrefix(v, mark); marked {
			return unmark(rest, segments)
		}
	}
	return v, nil
}

// unmark returns the byte string or text whose encoding continues with rest after
// the mark.
func unmark(rest string, segments [][]byte) (any, error) {
	if strings.HasPrefix(rest, mark) {
		return rest, nil
	}
	if number, ok := strings.CutPrefix(rest, segmentMark); ok {
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || n >= len(segments) {
			return nil, fmt.Errorf("there is no segment %q", number)
		}
		return segments[n], nil
	}
	b := make([]byte, 0, len(rest))
	for _, r := range rest {
		if r > 0xff {
			return nil, fmt.Errorf("a byte string has the character %q", r)
		}
		b = append(b, byte(r))
	}
	return b, nil
}
