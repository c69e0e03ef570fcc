package codec

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"

	"asgibox/asgi"
)

// marker begins a JSON text that stands for a byte string.
const marker = "\uffff"

// AppendJSON appends the message as JSON.
func AppendJSON(dst []byte, m asgi.Message) []byte { return AppendValueJSON(dst, m.Dict) }

// AppendFieldsJSON appends a dict whose values are checked.
func AppendFieldsJSON(dst []byte, fields asgi.Fields) []byte {
	dst = append(dst, '{')
	for i, f := range fields {
		dst = appendKeyJSON(dst, i, f.Key)
		dst = AppendValueJSON(dst, f.Value)
	}
	return append(dst, '}')
}

// AppendValueJSON appends a checked value. It panics on any other.
func AppendValueJSON(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return appendFloatJSON(dst, v)
	case string:
		return appendTextJSON(dst, v)
	case asgi.Bytes:
		dst = append(dst, `"\uffff`...)
		dst = base64.StdEncoding.AppendEncode(dst, []byte(v))
		return append(dst, '"')
	case asgi.List:
		return appendListJSON(dst, v)
	case asgi.Dict:
		return appendDictJSON(dst, v)
	case asgi.Message:
		return appendDictJSON(dst, v.Dict)
	}
	panic("codec: a value that was not checked")
}

func appendListJSON(dst []byte, l asgi.List) []byte {
	dst = append(dst, '[')
	for i, v := range l.All() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendValueJSON(dst, v)
	}
	return append(dst, ']')
}

func appendDictJSON(dst []byte, d asgi.Dict) []byte {
	dst = append(dst, '{')
	for i := range d.Len() {
		f := d.At(i)
		dst = appendKeyJSON(dst, i, f.Key)
		dst = AppendValueJSON(dst, f.Value)
	}
	return append(dst, '}')
}

func appendKeyJSON(dst []byte, i int, key string) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = appendEscaped(dst, key)
	return append(dst, '"', ':')
}

// appendFloatJSON writes the shortest digits that read back as the same float,
// with a point or an exponent so that it does not read back as an integer.
func appendFloatJSON(dst []byte, f float64) []byte {
	format := byte('f')
	if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) {
		format = 'e'
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, format, -1, 64)
	if !strings.ContainsAny(string(dst[start:]), ".e") {
		dst = append(dst, ".0"...)
	}
	return dst
}

func appendTextJSON(dst []byte, s string) []byte {
	dst = append(dst, '"')
	if strings.HasPrefix(s, marker) {
		dst = append(dst, `\uffff`...)
	}
	dst = appendEscaped(dst, s)
	return append(dst, '"')
}

// appendEscaped escapes what JSON wants escaped, U+FFFF, so that the marker is
// seen, and "<", so that the text may stand inside a page.
func appendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != marker[0] {
			i++
			continue
		}
		if c == marker[0] && !strings.HasPrefix(s[i:], marker) {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == marker[0]:
			dst = append(dst, `\uffff`...)
			i += len(marker) - 1
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(dst, s[start:]...)
}

// DecodeJSON reads one message that fills b, but for white space. The message
// keeps nothing of b.
func DecodeJSON(b []byte) (asgi.Message, error) {
	v, err := readAllJSON(b)
	if err != nil {
		return asgi.Message{}, err
	}
	return message(v)
}

// DecodeValueJSON reads one value that fills b and keeps nothing of b.
func DecodeValueJSON(b []byte) (any, error) {
	v, err := readAllJSON(b)
	if err != nil {
		return nil, err
	}
	return foreign.OwnValue(v)
}

// DecodeFieldsJSON reads a dict that fills b, and checks each of its values by
// itself.
func DecodeFieldsJSON(b []byte) (asgi.Fields, error) {
	v, err := readAllJSON(b)
	if err != nil {
		return nil, err
	}
	return envelope(v)
}

// unmark turns a decoded text into what it stands for.
func unmark(s string) any {
	rest, marked := strings.CutPrefix(s, marker)
	switch {
	case !marked:
		return s
	case strings.HasPrefix(rest, marker):
		return rest
	}
	b, err := base64.StdEncoding.Strict().DecodeString(rest)
	if err != nil || strings.ContainsAny(rest, "\r\n") {
		return refused("after U+FFFF, which marks a byte string, stands no standard base64")
	}
	return asgi.Bytes(b)
}

// number reads digits that are known to be a JSON number.
func number(digits string) any {
	if strings.ContainsAny(digits, ".eE") {
		f, err := strconv.ParseFloat(digits, 64)
		if err != nil {
			return refused(short(digits) + " is past the range of a float")
		}
		return f
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return refused(short(digits) + " does not fit in 64 bits signed")
	}
	return n
}

func short(digits string) string {
	if len(digits) > 40 {
		return digits[:40] + "…"
	}
	return digits
}
