package lib

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.starlark.net/starlark"
)

func TestRegularExpressions(t *testing.T) {
	checkAll(t, [][2]string{
		{`re.match(r"\d+", "12ab").group()`, `"12"`},
		{`re.match(r"\d+", "ab12")`, `None`},
		{`re.match("b|a", "ab").group(0)`, `"a"`},
		{`re.match("\\Qa.b", "a.bc").group(0)`, `"a.b"`},
		{`re.match("(?i)ABC", "abc").group()`, `"abc"`},
		{`re.match(r"\p{L}+" * 16, "abcdefghijklmnop").span()`, `(0, 16)`},
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
		{`re.match("("*999 + "a" + ")"*999, "a")`, "is wrong: expression nests too deeply", ""},
		{`re.findall(r"\b" + "("*997 + "a" + ")"*997, "a a")`, "is wrong: expression nests too deeply", ""},
		{`re.search("a", "a").group(1)`, "the pattern has no group 1; it has 0", ""},
		{`re.search("(?P<name>a)", "a").group("nmae")`, `no group "nmae"`, `did you mean "name"?`},
		{`re.sub("a", r"\1", "a")`, "no group 1", ""},
		{`re.sub("a", r"\q", "a")`, "not a valid escape", "backslash twice"},
		{`re.sub("a", r"\g", "a")`, "no group", ""},
		{`re.sub("a", 5, "a")`, "the replacement is an int; it must be text or a function", ""},
		{`re.sub("a", lambda m: 5, "a")`, "the function returned an int; it must return text", ""},
	})
}

// TestAnErrorOfAFunctionIsNotWrapped checks that nested calls of re.sub do not each make an
// error with a copy of the call stack.
func TestAnErrorOfAFunctionIsNotWrapped(t *testing.T) {
	_, err := run(t.Context(), Options{}, "def f(m):\n  return re.sub('a', f if m.end() > 1 else fail, 'a')\nx = re.sub('.a', f, 'ba')\n")
	failed, ok := err.(*starlark.EvalError)
	if !ok {
		t.Fatalf("%v", err)
	}
	var inner *starlark.EvalError
	if !strings.HasPrefix(failed.Msg, "fail: ") || errors.As(failed.Unwrap(), &inner) {
		t.Errorf("%q wraps %v", failed.Msg, inner)
	}
}

func TestThePatternCacheIsLimited(t *testing.T) {
	src := "for i in range(1000):\n  re.search('a' + str(i), 'a7')\nx = re.search('a7', 'a7').group()\n"
	if got, err := run(t.Context(), Options{}, src); err != nil || got.String() != `"a7"` {
		t.Errorf("got %v, %v", got, err)
	}
	all := &patterns{all: map[string]*pattern{}}
	for i := range 1000 {
		if _, err := all.get(strings.Repeat("a", 10*i)); err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, p := range all.all {
			size += p.size
		}
		if len(all.all) > maxPatterns || size > maxCached {
			t.Fatalf("%d patterns with %d instructions are cached", len(all.all), size)
		}
	}
}

// TestLargePatternsAreRefused has short patterns that take much memory or time to compile,
// or to keep.
func TestLargePatternsAreRefused(t *testing.T) {
	all := &patterns{all: map[string]*pattern{}}
	for source, want := range map[string]string{
		strings.Repeat(`\pL`, 2000):                         "for each class like [a-z]",
		"(?i)" + strings.Repeat("[B-\U0001E942]", 50):       "for each wide range that ignores case",
		`(?si:` + strings.Repeat(`[B-\x{1E942}]`, 50) + ")": "for each wide range that ignores case",
		strings.Repeat(`\pL`, 1200):                         "the pattern is too large",
		strings.Repeat("a{1000}", 300):                      "the pattern is too large",
	} {
		if _, err := all.get(source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20s: got %v, want %q", source, err, want)
		}
	}
	if len(all.all) > 0 {
		t.Errorf("%d patterns that were refused are cached", len(all.all))
	}
	for i := range 20 {
		if _, err := all.get(strings.Repeat(`\pL`, 200) + strings.Repeat("a", i)); err != nil {
			t.Fatal(err)
		}
		ranges := 0
		for _, p := range all.all {
			ranges += p.size - p.instructions
		}
		if ranges > maxCached {
			t.Fatalf("%d patterns with %d ends of ranges are cached", len(all.all), ranges*instructionRanges)
		}
	}
}

// TestMatchesAreThoseOfGo compares the matches with those of package regexp, for all
// pairs of patterns and texts.
func TestMatchesAreThoseOfGo(t *testing.T) {
	for _, source := range []string{
		"", "a", "a*", "a*?", "a|b|", "(a)|(b)", "^", "$", "^a", "(?m)^", "(?m)^a*", "(?m)$", `\b`, `\B`, `\b|a`, `\ba`, `a\b`, `\w+`, `\A`, `\Aa`, `\z`, `.`, `(?s).`,
		`(?i)A|^b`, `(?P<x>\b.)(.)?`, `a(.*b)?`, `\b\w*?\b`, `é`, `\bé|.`, `(|a)+`, `(^|a)b`, `^|b`, `(?m:^)|\s`, `[^a]*`, `\x{FFFD}`, `\b\x{FFFD}|a`,
		`\b\Qa`, `(?s)\ba.|(?i:B)`, `(?U)\ba+|b`, `(?i)\bé|\BA`, `\b(?:a|b){2,3}?`,
	} {
		p, err := newPattern(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"", "a", "b", "aab", "baab ab", "a\nb\n\naa", "\n", "éaé bé", "a\xffb", "\xe2\x82\xacab", "\xe2\x82a\x80", "ab-ab_ab aBA", "   ", strings.Repeat("ab ", 50)} {
			for _, limit := range []int{1, 2, 1000} {
				var got [][]int
				if err := p.matches(t.Context(), text, limit, func(m *match) error { got = append(got, m.at); return nil }); err != nil {
					t.Fatal(err)
				}
				if want := regexp.MustCompile(source).FindAllStringSubmatchIndex(text, limit); !slices.EqualFunc(got, want, slices.Equal) {
					t.Errorf("%q in %q, at most %d: got %v, want %v", source, text, limit, got, want)
				}
			}
		}
	}
}

// TestGroupsOfMatchesAreLimited finds few matches that have many groups.
func TestGroupsOfMatchesAreLimited(t *testing.T) {
	for _, call := range []string{`re.findall("()"*1000+"x", s)`, `re.split("()"*1000+"x", s)`, `re.sub("()"*1000+"x", "", s)`} {
		src := "s = 'x' * 1000\nx = len(" + call + ")\n"
		if _, err := runWithin(-1, src); err == nil || !strings.Contains(err.Error(), "the pattern matches more than 262 times") {
			t.Errorf("%s: %v", call, err)
		}
		src = strings.Replace(src, "1000", "200", 1)
		if _, err := runWithin(-1, src); err != nil {
			t.Errorf("%s: %v", call, err)
		}
		if _, err := runWithin(16<<20, src); err == nil || !strings.Contains(err.Error(), "this needs more than 16 MiB of memory (--memory)") {
			t.Errorf("%s with 16 MiB: %v", call, err)
		}
	}
}

func TestAPatternWithManyGroupsIsRefusedForALongText(t *testing.T) {
	for call, want := range map[string]string{
		`re.split("(x)" * 50, "x" * (16 << 20))`:    "would take too long",
		`re.search("()" * 20000 + "x", "y" * 1000)`: "would take too long",
		`re.search("()" * 20000 + "x", "y")`:        "this needs more than 64 MiB of memory",
	} {
		if _, err := runWithin(64<<20, "x = "+call+"\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", call, err)
		}
	}
}

// TestACallThatSearchesOftenIsCancelled makes each of many searches read the whole text.
func TestACallThatSearchesOftenIsCancelled(t *testing.T) {
	for _, call := range []string{`re.findall("x(?:.*y)?", s)`, `re.split("x(?:.*y)?", s)`, `re.sub("x(?:.*y)?", "", s)`} {
		why := errors.New("the handler ran too long")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		if _, err := run(ctx, Options{}, "s = 'x' * (1 << 20)\nx = "+call+"\n"); !errors.Is(err, why) {
			t.Errorf("%s: %v", call, err)
		}
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
