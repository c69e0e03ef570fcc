package lib

import (
	"log/slog"
	"strings"
	"testing"

	"go.starlark.net/starlark"
)

// amplifiers maps scripts that would use much memory in one step to errors.
var amplifiers = map[string]string{
	"list(range(1 << 40))":                                     "list: the range has 1099511627776 items",
	"sorted(range(1 << 40))":                                   "sorted: the range",
	"tuple(range(1 << 40))":                                    "tuple: the range",
	"set(range(1 << 40))":                                      "set: the range",
	"reversed(range(1 << 40))":                                 "reversed: the range",
	"list(enumerate(range(1 << 40)))":                          "enumerate: the range",
	"zip(range(1 << 40), range(1 << 41))":                      "zip: the range",
	"max(range(1 << 40))":                                      "max: the range",
	"all(range(1, 1 << 40))":                                   "all: the range",
	"str(twice)":                                               "str: the text would be longer",
	"print(\"a\", twice)":                                      "print: the text would be longer",
	"log.info(\"a\", b=twice)":                                 "log.info: the text would be longer",
	"urlencode({\"a\": (twice,)})":                             "urlencode: the text would be longer",
	"urlencode({\"a\": [\"x\" * (1 << 20)] * 1000})":           "urlencode: the text would be longer",
	"json.encode(twice)":                                       "json.encode: the text would be longer",
	"json.encode_indent([1] * 1000, indent=\" \" * (1 << 20))": "json.encode_indent: the text would be longer",
	"json.indent(\"[1\" + \",1\" * 1000 + \"]\", prefix=\" \" * 100000)": "json.indent: the text would be longer",
	"re.findall(\"a\", \"a\" * 300000)":                                  "re.findall: the pattern matches more than",
	"str(deep)":                                                          "str: the value nests deeper than 1000",
}

const amplifying = `
twice = ["a" * 10000]
for i in range(24):
    twice = [twice, twice]
deep = []
for i in range(100000):
    deep = [deep]
`

func TestNoCallUsesMuchMemory(t *testing.T) {
	o := Options{Log: func(*starlark.Thread) *slog.Logger { return slog.New(slog.DiscardHandler) }}
	for call, says := range amplifiers {
		_, err := run(t.Context(), o, amplifying+"x = "+call+"\n")
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", call, err, says)
		}
	}
}

func TestLimitsAllowNormalCalls(t *testing.T) {
	checkAll(t, [][2]string{
		{"len(list(range(1000000)))", "1000000"},
		{"zip(range(1 << 40), [1, 2])", "[(0, 1), (1, 2)]"},
		{"sorted([3, 1], key=lambda n: -n, reverse=True)", "[1, 3]"},
		{"max(1, 2), min([3, 4])", "(2, 3)"},
		{"dict([(1, 2)], a=3)", `{1: 2, "a": 3}`},
		{"len(str(b\"x\" * (20 << 20)))", "20971520"},
		{"len(str([\"x\" * 1000] * 1000)) > 1000000", "True"},
		{"str(None) + str(True) + str(1.5) + str(10 * 10)", `"NoneTrue1.5100"`},
		{"str((1, [2], {3: set([4])}))", `"(1, [2], {3: set([4])})"`},
		{"type(str(range(1 << 40)))", `"string"`},
		{"5 in range(1 << 40)", "True"},
		{"json.encode_indent({\"a\": [1]}, prefix=\"-\", indent=\" \")", `"{\n- \"a\": [\n-  1\n- ]\n-}"`},
		{"re.split(\",\", \"a,b\", 1), re.sub(\"a\", \"b\", \"aa\", 1)", `(["a", "b"], "ba")`},
	})
}

func TestAValueThatContainsItselfIsWrittenAsBefore(t *testing.T) {
	got, err := run(t.Context(), Options{}, "a = [1]\na.append(a)\nd = {}\nd[1] = (d, a)\nx = str(d)\n")
	if want := `"{1: ({...}, [1, [...]])}"`; err != nil || got.String() != want {
		t.Errorf("got %v, %v", got, err)
	}
}
