package lib

import (
	"strings"
	"testing"

	"asgibox/workerpool/script/memory"

	"go.starlark.net/starlark"
)

// runWithin runs a script that may use some bytes of memory for items. It returns
// what the script assigns to x.
func runWithin(bytes int64, src string) (starlark.Value, error) {
	thread := &starlark.Thread{Name: "test"}
	memory.NewAccount(bytes).NewShare().Use(thread)
	f, err := dialect.Parse("app.star", src, 0)
	if err != nil {
		return nil, err
	}
	Guard(f)
	predeclared := Builtins(Options{})
	for name, v := range Guards() {
		predeclared[name] = v
	}
	program, err := starlark.FileProgram(f, predeclared.Has)
	if err != nil {
		return nil, err
	}
	globals, err := program.Init(thread, predeclared)
	return globals["x"], err
}

// TestOneCallMakesNoMoreItemsThanMemoryAllows: a client chooses how many separators
// a text has.
func TestOneCallMakesNoMoreItemsThanMemoryAllows(t *testing.T) {
	const prelude = "many = 'a,' * 100000\nwords = 'a ' * 100000\nlines = 'a\\n' * 100000\n"
	for _, call := range []string{
		"many.split(',')", "many.rsplit(',')", "many.rsplit(',', 1)", "many.split(',', 90000)", "words.split()", "words.split(None)",
		"words.rsplit()", "lines.splitlines()", "lines.splitlines(True)", "getattr(many, 'split')(',')", "[f for f in [many.split]][0](',')",
		"list(many.codepoints())", "tuple(many.codepoint_ords())", "list(many.elems())", "list(bytes(many).elems())", "enumerate(many.elems())",
		"[].extend(many.codepoints())", "[].extend(range(100000))", "sorted(iterable=many.elems())", "set().union(range(100000))",
		"zip(many.elems(), many.elems())", "set(range(100000))", "dict([(i, i) for i in range(100000)])", "sorted(many.elems())", "reversed(range(100000))",
		"random.shuffle(many.codepoints())", "random.choice(many.codepoints())",
	} {
		_, err := runWithin(4<<20, prelude+"x = "+call+"\n")
		if err == nil || !strings.Contains(err.Error(), "this needs more than 4 MiB of memory (--memory)") {
			t.Errorf("%s with 4 MiB: %v", call, err)
		}
		if _, err := runWithin(64<<20, prelude+"x = "+call+"\n"); err != nil {
			t.Errorf("%s with 64 MiB: %v", call, err)
		}
	}
	for _, call := range []string{"many.split(',', 1)", "words.split(None, 1)", "words.rsplit(None, 1)", "all(range(1000000))", "min(range(1000000))"} {
		if _, err := runWithin(4<<20, prelude+"x = "+call+"\n"); err != nil {
			t.Errorf("%s with 4 MiB: %v", call, err)
		}
	}
}

func TestCallsRefuseTextsWithTooManyItems(t *testing.T) {
	for _, call := range []string{
		"list(long.codepoints())", "enumerate(long.codepoint_ords())", "list(bytes(long).elems())", "[0] + list(zip(long.codepoints(), long.codepoints()))",
		"[].extend(long.codepoints())", "set(long.codepoints())", "set().union(long.codepoints())", "random.shuffle(long.codepoints())",
	} {
		_, err := runWithin(-1, "long = 'a' * (5 << 20)\nx = "+call+"\n")
		if err == nil || !strings.Contains(err.Error(), "one call takes at most 4194304") {
			t.Errorf("%s: %v", call, err)
		}
	}
}

// TestOperatorsMakeFewItems: an operator cannot reserve memory.
func TestOperatorsMakeFewItems(t *testing.T) {
	for _, code := range []string{"x = []\nx += many.codepoints()", "x = []\nx += range(300000)", "x = str(*many.elems())"} {
		_, err := runWithin(-1, "many = 'a' * 300000\n"+code+"\n")
		if err == nil || !strings.Contains(err.Error(), "an operator takes at most 262144") {
			t.Errorf("%s: %v", code, err)
		}
	}
	for code, want := range map[string]string{
		"x = len(set(range(300000)))":                      "300000",
		"x = len(set([1]).union(range(300000)))":           "300000",
		"x = len(random.shuffle(range(300000)))":           "300000",
		"l = list(range(300000))\nl += l\nx = len(l)":      "600000",
		"x = [0] + [1] * 300000\nx = len(x)":               "300001",
		"l = []\nl += 'abc'.codepoints()\nx = l":           `["a", "b", "c"]`,
		"x = sorted(key=lambda n: -n, iterable=[1, 3, 2])": "[3, 2, 1]",
		"x = sorted(iterable=[1, 3, 2], reverse=True)":     "[3, 2, 1]",
	} {
		if got, err := runWithin(-1, code+"\n"); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v, want %s", code, got, err, want)
		}
	}
}

func TestSplitMakesTheSamePartsAsBefore(t *testing.T) {
	for call, want := range map[string]string{
		"'a,b,c'.split(',')":               `["a", "b", "c"]`,
		"'a,b,c'.split(',', 1)":            `["a", "b,c"]`,
		"'a,b,c'.split(',', 2)":            `["a", "b", "c"]`,
		"'a,b,c'.split(',', 1 << 40)":      `["a", "b", "c"]`,
		"'a,b,c'.rsplit(',', 1)":           `["a,b", "c"]`,
		"'a,b,c'.rsplit(',', 1 << 60)":     `["a", "b", "c"]`,
		"' a  b c '.split()":               `["a", "b", "c"]`,
		"' a  b c '.split(None, 1)":        `["a", "b c "]`,
		"' a  b c '.split(None, 3)":        `["a", "b", "c"]`,
		"' a  b c '.rsplit(None, 1)":       `[" a  b", "c"]`,
		"' a  b c '.rsplit(None, 1 << 60)": `["a", "b", "c"]`,
		"' '.split(None, 5)":               `[]`,
		"''.split(',')":                    `[""]`,
		"'a\\nb\\n'.splitlines()":          `["a", "b"]`,
		"'a\\nb\\n'.splitlines(True)":      `["a\n", "b\n"]`,
	} {
		got, err := runWithin(-1, "x = "+call+"\n")
		if err != nil || got.String() != want {
			t.Errorf("%s: got %v, %v, want %s", call, got, err, want)
		}
	}
	for call, says := range map[string]string{
		"'a'.split('')": "empty separator", "'a'.split(1)": "want string", "'a'.split(',', 'b')": "want int", "'a'.rsplit(',', 1 << 80)": "out of range",
	} {
		if _, err := runWithin(-1, "x = "+call+"\n"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", call, err, says)
		}
	}
}
