package codec

import (
	"strings"
	"testing"

	"asgibox/asgi"
)

func TestMaxSizeJSON(t *testing.T) {
	for _, text := range []string{"", "plain", "\x00\x01\x1f", "\"\\/<>\n\r\t", "ü🙂\u2028\x7f", "\uffff", "\uffff\uffffx", "\uffff\ufffe\ufffd"} {
		for _, v := range []any{text, asgi.Bytes(text), []any{text, asgi.Bytes(text)}, map[string]any{text: text}} {
			checked, err := asgi.Converter(nil).Value(v)
			if err != nil {
				t.Fatal(err)
			}
			if got, n := MaxSizeJSON(asgi.Fields{{Key: text, Value: checked}}), len(AppendFieldsJSON(nil, asgi.Fields{{Key: text, Value: checked}})); got < n || got > n+5 {
				t.Errorf("%q in %T: %d, its JSON has %d bytes", text, v, got, n)
			}
		}
	}
	numbers := asgi.MustMessage(
		asgi.Field{Key: "i", Value: -1 << 63}, asgi.Field{Key: "f", Value: -1.2345678901234567e-300}, asgi.Field{Key: "g", Value: -123456789012345678901.0},
		asgi.Field{Key: "n", Value: nil}, asgi.Field{Key: "t", Value: true}, asgi.Field{Key: "s", Value: []any{1, 2.5, false, strings.Repeat("<", 100)}})
	fields := asgi.Fields{{Key: "m", Value: numbers.Dict}}
	if got, n := MaxSizeJSON(fields), len(AppendFieldsJSON(nil, fields)); got < n {
		t.Errorf("numbers: %d, the JSON has %d bytes", got, n)
	}
}
