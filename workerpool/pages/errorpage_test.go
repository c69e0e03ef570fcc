package pages

import (
	"strings"
	"testing"

	"asgibox/asgi"
)

// TestLongValuesAreShortened checks that a long value of a failed message costs the
// error page little memory, and shows its beginning.
func TestLongValuesAreShortened(t *testing.T) {
	long := strings.Repeat("\x00", 1<<20)
	many := make([]any, 100_000)
	for i := range many {
		many[i] = map[string]any{"key": int64(i)}
	}
	m := asgi.MustMessage(
		asgi.Field{Key: "text", Value: long}, asgi.Field{Key: "bytes", Value: asgi.Bytes(long)},
		asgi.Field{Key: "list", Value: many}, asgi.Field{Key: "dict", Value: map[string]any{long: long}},
		asgi.Field{Key: "short", Value: []any{"é", asgi.Bytes("\xff"), nil, true, 1.5, map[string]any{"a": int64(1), "b": []any{}}}},
	)
	for key, want := range map[string]string{
		"text": `"\x00\x00`, "bytes": `b"\x00\x00`, "list": `[{"key": 0}, {"key": 1}, `, "dict": `{"\x00\x00`,
		"short": `["é", b"\xff", None, true, 1.5, {"a": 1, "b": []}]`,
	} {
		v, _ := m.Get(key)
		got := shorten(v)
		if !strings.HasPrefix(got, want) || len(got) > maxShown+len("…") {
			t.Errorf("%s is shown as %d bytes, %.60s", key, len(got), got)
		}
		if n := len(appendValue(nil, v)); n > 10*maxShown {
			t.Errorf("%s: %d bytes were formatted", key, n)
		}
	}
}
