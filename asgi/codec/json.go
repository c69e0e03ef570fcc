package codec

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"

	"asgibox/asgi"
)

// marker is the first character of a JSON text that encodes a byte string.
const marker = "\uffff"

// appendBytes appends a byte string as a JSON text.
type appendBytes func(dst []byte, b asgi.Bytes) []byte

// AppendJSON appends the message as JSON.
func AppendJSON(dst []byte, m asgi.Message) []byte { return AppendValueJSON(dst, m.Dict) }

// AppendFieldsJSON appends a dict of checked values as JSON.
func AppendFieldsJSON(dst []byte, fields asgi.Fields) []byte {
	return appendFieldsJSON(dst, fields, appendBase64)
}

// AppendValueJSON appends a checked value as JSON. It panics on other values.
func AppendValueJSON(dst []byte, v any) []byte { return appendValueJSON(dst, v, appendBase64) }

func appendFieldsJSON(dst []byte, fields asgi.Fields, octets appendBytes) []byte {
	dst = append(dst, '{')
	for i, f := range fields {
		dst = appendKeyJSON(dst, i, f.Key)
		dst = appendValueJSON(dst, f.Value, octets)
	}
	return append(dst, '}')
}

func appendBase64(dst []byte, b asgi.Bytes) []byte {
	dst = append(dst, `"\uffff`...)
	dst = base64.StdEncoding.AppendEncode(dst, []byte(b))
	return append(dst, '"')
}

func appendValueJSON(dst []byte, v any, octets appendBytes) []byte {
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
		return octets(dst, v)
	case asgi.List:
		return appendListJSON(dst, v, octets)
	case asgi.Dict:
		return appendDictJSON(dst, v, octets)
	case asgi.Message:
		return appendDictJSON(dst, v.Dict, octets)
	}
	panic("codec: unchecked value")
}

func appendListJSON(dst []byte, l asgi.List, octets appendBytes) []byte {
	dst = append(dst, '[')
	for i, v := range l.All() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValueJSON(dst, v, octets)
	}
	return append(dst, ']')
}

func appendDictJSON(dst []byte, d asgi.Dict, octets appendBytes) []byte {
	dst = append(dst, '{')
	for i := range d.Len() {
		f := d.At(i)
		dst = appendKeyJSON(dst, i, f.Key)
		dst = appendValueJSON(dst, f.Value, octets)
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

// appendFloatJSON appends the shortest digits that decode to the same float,
// with a decimal point or an exponent, so that they do not decode to an
// integer.
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

// appendEscaped appends a text. It escapes what JSON requires, U+FFFF to make
// the marker visible, and "<" so that the JSON can be put in an HTML page.
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

// DecodeJSON decodes b, which must hold exactly one message and may hold white
// space around it. The message shares no memory with b.
func DecodeJSON(b []byte) (asgi.Message, error) {
	v, err := readAllJSON(b, unmark)
	if err != nil {
		return asgi.Message{}, err
	}
	return message(v)
}

// DecodeFieldsJSON decodes b, which must hold exactly one dict. It checks each
// value of the dict separately.
func DecodeFieldsJSON(b []byte) (asgi.Fields, error) {
	v, err := readAllJSON(b, unmark)
	if err != nil {
		return nil, err
	}
	return envelope(v)
}

// unmark returns the text or byte string that a JSON text encodes.
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
		return invalid("after U+FFFF, which marks a byte string, standard base64 must follow")
	}
	return asgi.Bytes(b)
}

// number converts the digits of a valid JSON number.
func number(digits string) any {
	if strings.ContainsAny(digits, ".eE") {
		f, err := strconv.ParseFloat(digits, 64)
		if err != nil {
			return invalid(short(digits) + " does not fit in a 64-bit float")
		}
		return f
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return invalid(short(digits) + " does not fit in 64 bits signed")
	}
	return n
}

func short(digits string) string {
	if len(digits) > 40 {
		return digits[:40] + "…"
	}
	return digits
}
