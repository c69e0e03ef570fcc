package pretty

import (
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

func eval(t *testing.T, expr string) starlark.Value {
	t.Helper()
	v, err := starlark.EvalOptions(&syntax.FileOptions{Set: true}, &starlark.Thread{}, "test", expr, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestText(t *testing.T) {
	for expr, want := range map[string]string{
		"1":                              "1",
		"'a\\nb'":                        `"a\nb"`,
		"b'a\\xff'":                      `b"a\xff"`,
		"[]":                             "[]",
		"()":                             "()",
		"(1,)":                           "(1,)",
		"[1, (2, 3), {'a': b'x'}]":       `[1, (2, 3), {"a": b"x"}]`,
		"set([1, 2])":                    "set([1, 2])",
		"{1: {2: None}}":                 "{1: {2: None}}",
		"'x' * 1100":                     `"` + strings.Repeat("x", 1000) + `"… 1100 characters`,
		"['é' * 600]":                    "[\n    \"" + strings.Repeat("é", 200) + "\"… 600 characters,\n]",
		"b'x' * 1100":                    `b"` + strings.Repeat("x", 1000) + `"… 1100 bytes`,
		"int('7' * 1100)":                strings.Repeat("7", 1000) + "…",
		"len":                            "<built-in function len>",
		"['aaaaaaaaaaaaaa', 'bbbbbbbb']": `["aaaaaaaaaaaaaa", "bbbbbbbb"]`,
		"{'path': '/chat/red/', 'headers': [['host', 'localhost']], 'n': 1}": `{
    "path": "/chat/red/",
    "headers": [
        ["host", "localhost"],
    ],
    "n": 1,
}`,
		"[1] * 103": "[\n" + strings.Repeat("    1,\n", 100) + "    … 3 more\n]",
	} {
		if got := Text(eval(t, expr), Options{Width: 31}); got != want {
			t.Errorf("%s\n%s\nwant\n%s", expr, got, want)
		}
	}
}

func TestTextOfAValueThatContainsItself(t *testing.T) {
	list := starlark.NewList(nil)
	for range 2 {
		if err := list.Append(list); err != nil {
			t.Fatal(err)
		}
	}
	if got := Text(list, Options{}); got != "[[…], […]]" {
		t.Error(got)
	}
	deep := starlark.NewList(nil)
	for range 100000 {
		deep = starlark.NewList([]starlark.Value{deep})
	}
	if got := Text(deep, Options{Width: 80}); !strings.Contains(got, "[…]") {
		t.Error(got)
	}
}

func TestKeysAreColored(t *testing.T) {
	if got := Text(eval(t, "{'a': 1}"), Options{Width: 20, Color: true}); got != "{\x1b[36m\"a\"\x1b[0m: 1}" {
		t.Errorf("%q", got)
	}
}

func TestFill(t *testing.T) {
	if got := strings.Join(Fill("one two three four", 9), "|"); got != "one two|three|four" {
		t.Error(got)
	}
}

func TestALineIsCut(t *testing.T) {
	long := starlark.NewDict(1)
	if err := long.SetKey(starlark.String("a\x1b"), starlark.NewList([]starlark.Value{starlark.Bytes("\x00b"), starlark.None, starlark.Tuple{starlark.True}})); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		v     starlark.Value
		limit int
		want  string
	}{
		{starlark.String("käse"), 5, `"käs…`},
		{starlark.String("käse"), 50, `"käse"`},
		{starlark.String(strings.Repeat("x", 1000)), 4, `"xxx…`},
		{starlark.Bytes(strings.Repeat("x", 1000)), 6, `b"xxxx…`},
		{long, 100, `{"a\x1b": [b"\x00b", None, (True,)]}`},
		{long, 9, `{"a\x1b":…`},
		{starlark.NewList(nil), 9, `[]`},
	} {
		if got := Line(c.v, c.limit); got != c.want {
			t.Errorf("%v: %s, want %s", c.v, got, c.want)
		}
	}
}
