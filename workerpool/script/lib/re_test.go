package lib

import (
	"regexp"
	"strings"
	"testing"
)

func TestRegularExpressions(t *testing.T) {
	checkAll(t, [][2]string{
		{`re.match(r"\d+", "12ab").group()`, `"12"`},
		{`re.match(r"\d+", "ab12")`, `None`},
		{`re.match("b|a", "ab").group(0)`, `"a"`},
		{`re.match("(?i)ABC", "abc").group()`, `"abc"`},
		{`re.search(r"\d+", "ab12").group()`, `"12"`},
		{`re.search("x", "ab")`, `None`},
		{`re.search(r"(?P<k>\w+)=(?P<v>\w+)?", "a b=").groups()`, `("b", None)`},
		{`re.search(r"(?P<k>\w+)=(?P<v>\w+)", "a=b").groupdict()`, `{"k": "a", "v": "b"}`},
		{`re.search(r"(?P<k>\w+)=(\w+)", "a=b").group("k")`, `"a"`},
		{`re.search(r"(\w+)=(\w+)", "a=b").group(2)`, `"b"`},
		{`re.search("b", "abc").span(), re.search("b", "abc").start(), re.search("b", "abc").end()`, `((1, 2), 1, 2)`},
		{`bool(re.search("", "abc")), str(re.search("b", "abc"))`, `(True, "<match \"b\">")`},
		{`re.findall(r"\d", "a1b2")`, `["1", "2"]`},
		{`re.findall(r"(\w)=", "a=1 b=2")`, `["a", "b"]`},
		{`re.findall(r"(\w)=(\d)", "a=1 b=2")`, `[("a", "1"), ("b", "2")]`},
		{`re.findall("x", "abc")`, `[]`},
		{`re.sub(r"\d", "#", "a1b2")`, `"a#b#"`},
		{`re.sub(r"\d", "#", "a1b2", count=1)`, `"a#b2"`},
		{`re.sub(r"(?P<w>\w)(\d)", r"\2\g<w>\g<1>\\\n$1", "a1")`, `"1aa\\\n$1"`},
		{`re.sub(r"\w", lambda m: m.group().upper(), "ab")`, `"AB"`},
		{`re.sub("(x)?b", r"[\1]", "ab")`, `"a[]"`},
		{`re.split(r"\s*,\s*", "a , b,c")`, `["a", "b", "c"]`},
		{`re.split("(,)", "a,b")`, `["a", ",", "b"]`},
		{`re.split(",", "a,b,c", maxsplit=1)`, `["a", "b,c"]`},
		{`re.split(",", "")`, `[""]`},
		{`re.escape("a.b*")`, `"a\\.b\\*"`},
	})
}

func TestPatternsThatRE2DoesNotKnow(t *testing.T) {
	checkRefused(t, [][3]string{
		{`re.match("(", "")`, `the pattern "(" is wrong: missing closing )`, ""},
		{`re.match("a)(b", "")`, `the pattern "a)(b" is wrong`, ""},
		{`re.search("a(?=b)", "")`, "is wrong", "no lookahead and no lookbehind"},
		{`re.search("(?<!a)b", "")`, "is wrong", "no lookahead and no lookbehind"},
		{`re.search(r"(a)\1", "")`, "is wrong", "no references to groups"},
		{`re.search("a", "a").group(1)`, "the pattern has no group 1; it has 0", ""},
		{`re.search("(?P<name>a)", "a").group("nmae")`, `no group "nmae"`, `did you mean "name"?`},
		{`re.sub("a", r"\1", "a")`, "no group 1", ""},
		{`re.sub("a", r"\q", "a")`, "not a valid escape", "backslash twice"},
		{`re.sub("a", r"\g", "a")`, "no group", ""},
		{`re.sub("a", 5, "a")`, "the replacement is an int; it must be text or a function", ""},
		{`re.sub("a", lambda m: 5, "a")`, "the function returned an int; it must return text", ""},
	})
}

func TestThePatternCacheIsLimited(t *testing.T) {
	src := "for i in range(1000):\n  re.search('a' + str(i), 'a7')\nx = re.search('a7', 'a7').group()\n"
	if got, err := run(t.Context(), Options{}, src); err != nil || got.String() != `"a7"` {
		t.Errorf("got %v, %v", got, err)
	}
	all := &patterns{all: map[string]pattern{}}
	for i := range 1000 {
		if _, err := all.compile(strings.Repeat("a", i), ""); err != nil {
			t.Fatal(err)
		}
	}
	if len(all.all) > maxPatterns {
		t.Errorf("%d patterns are cached", len(all.all))
	}
}

func FuzzReplacement(f *testing.F) {
	f.Add(`\1\g<a>\\`, "ab")
	f.Add(`\g<`, "a")
	f.Add(`\99`, "a")
	f.Fuzz(func(t *testing.T, replacement, text string) {
		m, ok := found(regexp.MustCompile(`(?P<a>.)(.)?`), text).(*match)
		if !ok {
			return
		}
		m.expand(replacement)
	})
}
