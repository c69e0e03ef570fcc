package testfile

import (
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"asgibox/asgi"
)

// FuzzLiteral checks that Starlark reads texts and byte strings as they were.
func FuzzLiteral(f *testing.F) {
	for _, text := range []string{"", `say "it's"`, `"`, `\"`, "it's", "a\x00\x7f\u00ad\ufeff\u2028😀\r\n\t", "\xff\\\xfe\"", `\`, `"\\"`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var m masker
		list, err := asgi.NewList(asgi.Bytes(text))
		if err != nil {
			return
		}
		v, err := starlark.EvalOptions(&syntax.FileOptions{}, &starlark.Thread{}, "x", m.flat(list), nil)
		if err != nil || string(v.(*starlark.List).Index(0).(starlark.Bytes)) != text {
			t.Errorf("%q as bytes: %v, %v", text, v, err)
		}
		if list, err = asgi.NewList(text); err != nil {
			return // not UTF-8
		}
		if v, err = starlark.EvalOptions(&syntax.FileOptions{}, &starlark.Thread{}, "x", m.literal(list, 0, 200), nil); err != nil || string(v.(*starlark.List).Index(0).(starlark.String)) != text {
			t.Errorf("%q as text: %v, %v", text, v, err)
		}
		if v, err = starlark.EvalOptions(&syntax.FileOptions{}, &starlark.Thread{}, "x", "("+m.block(text, 4)+")", nil); len(text) < maxShown/2 && (err != nil || string(v.(starlark.String)) != text) && len(text) < maxLines {
			t.Errorf("%q as a block: %v, %v", text, v, err)
		}
	})
}
