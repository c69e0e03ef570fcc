package codec

import (
	"encoding/base64"
	"strings"

	"asgibox/asgi"
)

// longestNumber is more than the longest number has in JSON, in bytes.
const longestNumber = 32

// MaxSizeJSON returns a number of bytes that the JSON of a dict of checked values does
// not exceed. It is exact but for numbers.
func MaxSizeJSON(fields asgi.Fields) int {
	n := 2
	for _, f := range fields {
		n += fieldSizeJSON(f)
	}
	return n
}

// fieldSizeJSON includes the quotes of the key, the colon and a comma.
func fieldSizeJSON(f asgi.Field) int { return 4 + escapedSize(f.Key) + valueSizeJSON(f.Value) }

func valueSizeJSON(v any) int {
	n := 2
	switch v := v.(type) {
	case string:
		if strings.HasPrefix(v, marker) {
			n += len(`\uffff`)
		}
		return n + escapedSize(v)
	case asgi.Bytes:
		return n + len(`\uffff`) + base64.StdEncoding.EncodedLen(len(v))
	case asgi.List:
		for _, item := range v.All() {
			n += 1 + valueSizeJSON(item)
		}
		return n
	case asgi.Dict:
		for i := range v.Len() {
			n += fieldSizeJSON(v.At(i))
		}
		return n
	case asgi.Message:
		return valueSizeJSON(v.Dict)
	}
	return longestNumber
}

// escapedSize returns the length of what [appendEscaped] appends.
func escapedSize(s string) int {
	n := len(s)
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t':
			n++
		case c < ' ' || c == '<':
			n += len(`\u0000`) - 1
		case c == marker[0] && strings.HasPrefix(s[i:], marker):
			n += len(`\uffff`) - len(marker)
		}
	}
	return n
}
