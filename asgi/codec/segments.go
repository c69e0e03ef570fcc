package codec

import (
	"strconv"
	"strings"

	"asgibox/asgi"
)

// segment follows [marker] in a JSON text that names a segment.
const segment = "\ufffe"

// inline is the length up to which a byte string of ASCII characters is written into
// the JSON.
const inline = 128

// maxKept is the maximum number of segments whose memory is kept for the next dict.
const maxKept = 1000

// Segments are the byte strings that stand beside a JSON dict, in order. The JSON
// names them by their index. The zero value has none.
type Segments struct {
	All []asgi.Bytes

	named  []bool           // whether a value has named the segment; may be shorter than All
	octets appendBytes      // the method appendBytes, which would be allocated for each call
	decode func(string) any // the method unmark
}

// Reset removes the byte strings.
func (s *Segments) Reset() {
	if cap(s.All) > maxKept {
		s.All, s.named = nil, nil
	}
	clear(s.All)
	s.All = s.All[:0]
}

// AppendFields appends a dict of checked values as JSON, and the byte strings that
// it names to s.All. Short byte strings of ASCII characters are in the JSON.
func (s *Segments) AppendFields(dst []byte, fields asgi.Fields) []byte {
	if s.octets == nil {
		s.octets = s.appendBytes
	}
	return appendFieldsJSON(dst, fields, s.octets)
}

// appendBytes appends a byte string as U+FFFF and its characters, or as U+FFFF,
// U+FFFE and the index of a segment.
func (s *Segments) appendBytes(dst []byte, b asgi.Bytes) []byte {
	dst = append(dst, `"\uffff`...)
	if len(b) <= inline && isASCII(string(b)) {
		dst = appendEscaped(dst, string(b))
	} else {
		dst = append(dst, segment...)
		dst = strconv.AppendInt(dst, int64(len(s.All)), 10)
		s.All = append(s.All, b)
	}
	return append(dst, '"')
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// DecodeFields decodes b, which must hold exactly one dict, whose byte strings may
// be in s.All. It checks each value of the dict separately. Each segment may have one
// name, so that the dict is about as long when it is written again.
func (s *Segments) DecodeFields(b []byte) (asgi.Fields, error) {
	if s.decode == nil {
		s.decode = s.unmark
	}
	clear(s.named)
	v, err := readAllJSON(b, s.decode)
	if err != nil {
		return nil, err
	}
	return envelope(v)
}

// unmark returns the text or byte string that a JSON text encodes.
func (s *Segments) unmark(text string) any {
	rest, marked := strings.CutPrefix(text, marker)
	if !marked {
		return text
	}
	if strings.HasPrefix(rest, marker) {
		return rest
	}
	if number, named := strings.CutPrefix(rest, segment); named {
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil || int(n) >= len(s.All) {
			return invalid("U+FFFF and U+FFFE must be followed by the number of a segment, and " + strconv.Quote(short(number)) + " is none")
		}
		for int(n) >= len(s.named) {
			s.named = append(s.named, false)
		}
		if s.named[n] {
			return invalid("segment " + short(number) + " has another name already; write a segment for each byte string")
		}
		s.named[n] = true
		return s.All[n]
	}
	if isASCII(rest) {
		return asgi.Bytes(rest)
	}
	b := make([]byte, 0, len(rest))
	for _, r := range rest {
		if r > 0xff {
			return invalid("after U+FFFF, which marks a byte string, only the characters U+0000 to U+00FF may follow")
		}
		b = append(b, byte(r))
	}
	return asgi.Bytes(b)
}
