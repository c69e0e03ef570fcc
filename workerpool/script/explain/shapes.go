package explain

import (
	"fmt"
	"regexp"
	"strings"

	"asgibox/internal/spell"
)

// A shape is a mistake that shows in several tokens, or in what the parser
// says. see answers no message if it is not this one.
type shape struct {
	said string // what the parser's words contain
	see  func(spot) (message, hint string, at int)
}

// always is a lesson that needs no look at the tokens.
func always(message, hint string) func(spot) (string, string, int) {
	return func(s spot) (string, string, int) { return message, hint, s.at }
}

var shapes = []shape{
	{"does not associate", always("Starlark has no chained comparisons", "write: a < b and b < c")},
	{"want ", comma},
	{"got ':'", parameters},
	{"EOF in string", always("a text is never closed", "close it with its quote; or is the file not saved in full?")},
	{"newline in string", always("a text ends with its line", "close it with its quote, or write it between three quotes each side")},
	{"import at least 1", always("load takes the names that are wanted", `write load("lib/rooms.star", "title")`)},
	{"got '**'", starred},
	{"got '**'", always("Starlark has no ** operator", "write math.pow(a, b), or multiply")},
	{"got '*'", starred},
	{"got string literal", formatted},
	{"got string literal", always("texts side by side are not joined", "write + between them")},
	{"got if", elseIf},
	{"got else", elseIf},
	{"got else", loopElse},
	{"got elif", always("this elif belongs to no if", "check the indentation")},
	{"got '='", equals},
	{"got ':'", annotated},
	{"got ':'", walrus},
	{"got ',', want ':'", setLiteral},
	{"got '}', want ':'", setLiteral},
	{"got newline, want ':'", always("a : is missing at the end of the line", "")},
	{"want indent", always("the lines that belong to this are missing, or not indented", "indent them, or write pass")},
	{"got indent", always("this line is indented deeper than the one before", "indent lines that belong together the same way, with spaces or with tabs")},
	{"unindent does not match", always("this line's indentation fits no line above", "indent lines that belong together the same way, with spaces or with tabs")},
	{"without else", always("a conditional expression needs an else", "write: a if condition else b")},
	{"invalid escape", always("a text has a backslash that means nothing", `write the text as r"…", or the backslash twice`)},
	{"obsolete form of octal", always("an octal number is written with 0o", "like 0o777")},
	{"got return", always("a lambda holds one value and no return", "leave the word out, or write a def")},
	{"not an identifier", always("Starlark has no positional-only parameters", "leave the / out")},
	{"load operand", loadName},
	{"", numbers},
	{"", ellipsis},
	{"", twoNames},
}

var simpleName = regexp.MustCompile(`^[A-Za-z_][\w.\[\]'"]*$`)

// formatted is an f-string, which the parser sees as a name and a text.
func formatted(s spot) (string, string, int) {
	if s.at < 1 || s.tokens[s.at-1].end != s.tokens[s.at].col {
		return "", "", 0
	}
	switch prefix := s.tokens[s.at-1].text; prefix {
	case "f", "F", "fr", "rf":
		return "Starlark has no f-strings", "write " + withFormat(s.tokens[s.at].text), s.at - 1
	case "u", "U":
		return "every text is Unicode", "leave out the u before the quote", s.at - 1
	}
	return "", "", 0
}

// withFormat writes an f-string as a call of format, if it is a simple one.
func withFormat(quoted string) string {
	const general = `"… {} …".format(value)`
	var args []string
	plain := regexp.MustCompile(`\{[^{}]*\}`).ReplaceAllStringFunc(quoted, func(hole string) string {
		args = append(args, strings.TrimSpace(hole[1:len(hole)-1]))
		return "{}"
	})
	for _, a := range args {
		if !simpleName.MatchString(a) {
			return general
		}
	}
	if len(args) == 0 || len(quoted) > 60 || strings.Contains(quoted, "\n") {
		return general
	}
	return fmt.Sprintf("%s.format(%s)", plain, strings.Join(args, ", "))
}

func starred(s spot) (string, string, int) {
	switch within := s.within(); {
	case within == "{":
		return "a dict cannot be unpacked in a dict", "write: first | second", s.at
	case within == "[" || within == "(":
		return "a list cannot be unpacked in a list", "write: first + second", s.at
	case s.said == "got '*', want primary expression":
		return "an assignment cannot gather the rest with *", "take the list whole, and its parts by [0], [1:]", s.at
	}
	return "", "", 0
}

// comma is a value that follows another in brackets, without a comma between.
func comma(s spot) (string, string, int) {
	closes := strings.HasSuffix(s.said, "want ']'") || strings.HasSuffix(s.said, "want ')'") || strings.HasSuffix(s.said, "want '}'") ||
		strings.HasSuffix(s.said, "want ','")
	if !closes || s.at < 1 || s.tokens[s.at].open < 0 {
		return "", "", 0
	}
	before, here := s.tokens[s.at-1], s.tokens[s.at]
	begins := here.kind == name || here.kind == number || here.kind == text || strings.Contains("([{", here.text)
	ends := before.kind == name || before.kind == number || before.kind == text || strings.Contains(")]}", before.text)
	if !begins || !ends || before.lastLine == here.line {
		return "", "", 0
	}
	return "a comma is missing before this", fmt.Sprintf("put it at the end of line %d", before.lastLine), s.at
}

// parameters is a def whose brackets are not closed before its colon.
func parameters(s spot) (string, string, int) {
	if s.starts() == "def" && s.rel(-1) == "(" {
		return "a ) is missing before the :", "", s.at
	}
	return "", "", 0
}

func loadName(s spot) (string, string, int) {
	if s.at < 1 || s.tokens[s.at-1].kind != name {
		return "", "", 0
	}
	return "load takes names as texts", fmt.Sprintf("write %q", s.tokens[s.at-1].text), s.at - 1
}

func elseIf(s spot) (string, string, int) {
	at := s.at
	if s.rel(0) == "if" {
		at--
	}
	if at < 0 || s.tokens[at].text != "else" || at+1 >= len(s.tokens) || s.tokens[at+1].text != "if" {
		return "", "", 0
	}
	return "else if is one word", "write elif", at
}

// loopElse tells an else after a loop from one that is indented wrongly, by
// the last line above it that is indented as it is.
func loopElse(s spot) (string, string, int) {
	if s.at < 0 {
		return "", "", 0
	}
	for i := s.at - 1; i >= 0; i-- {
		t := s.tokens[i]
		if !t.first || t.col > s.tokens[s.at].col {
			continue
		}
		if t.text == "for" || t.text == "while" {
			return "Starlark has no else after a loop", "set a name to True before break, and test it after the loop", s.at
		}
		break
	}
	return "this else belongs to no if", "check the indentation", s.at
}

func equals(s spot) (string, string, int) {
	switch first := s.starts(); {
	case first == "if" || first == "elif" || first == "while":
		return "a comparison is written ==", "write == for =", s.at
	case strings.HasSuffix(s.said, "want newline"):
		return "Starlark assigns to one name at a time", "write an assignment a line", s.at
	}
	return "", "", 0
}

func annotated(s spot) (string, string, int) {
	first := s.starts()
	if s.rel(1) == "=" && s.tokens[s.at].end == s.tokens[s.at+1].col {
		return "", "", 0
	}
	if first == "def" || strings.HasSuffix(s.said, "want newline") {
		return "Starlark has no type annotations", "leave the : and the type out", s.at
	}
	return "", "", 0
}

func walrus(s spot) (string, string, int) {
	if s.rel(1) != "=" {
		return "", "", 0
	}
	w := words[":="]
	return w.message, w.hint(s), s.at
}

func setLiteral(s spot) (string, string, int) {
	if s.within() != "{" && s.rel(0) != "}" {
		return "", "", 0
	}
	return "Starlark has no set literals", "write set([a, b])", s.at
}

func numbers(s spot) (string, string, int) {
	if s.at < 0 || s.tokens[s.at].kind != number {
		return "", "", 0
	}
	switch n := s.tokens[s.at].text; {
	case strings.Contains(n, "_"):
		return "a number holds no _", "write " + strings.ReplaceAll(n, "_", ""), s.at
	case strings.HasSuffix(n, "j"):
		return "Starlark has no complex numbers", "", s.at
	}
	return "", "", 0
}

func ellipsis(s spot) (string, string, int) {
	if s.rel(0) != "." || s.rel(1) != "." || s.rel(2) != "." {
		return "", "", 0
	}
	return "Starlark has no …", "write pass where nothing is to be done, None for no value", s.at
}

// twoNames is a word that looks like a keyword, and is none.
func twoNames(s spot) (string, string, int) {
	if s.said != "got identifier, want newline" || s.at < 1 {
		return "", "", 0
	}
	before := s.tokens[s.at-1]
	if near := spell.Nearest(before.text, keywords); before.kind == name && near != "" {
		return fmt.Sprintf("%s means nothing here", before.text), "did you mean " + near + "?", s.at - 1
	}
	return "", "", 0
}

var keywords = []string{"def", "for", "while", "return", "if", "elif", "else", "and", "or", "not", "in", "lambda", "pass", "break", "continue"}
