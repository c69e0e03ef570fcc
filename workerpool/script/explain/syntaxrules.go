package explain

import (
	"fmt"
	"regexp"
	"strings"

	"asgibox/internal/spell"
)

// A syntaxRule explains a mistake by the parser's message and the tokens around
// the position. apply returns no message if the rule does not match.
type syntaxRule struct {
	contains string // part of the parser's message
	apply    func(position) (message, hint string, at int)
}

// always is a rule that depends on the parser's message only.
func always(message, hint string) func(position) (string, string, int) {
	return func(s position) (string, string, int) { return message, hint, s.at }
}

var syntaxRules = []syntaxRule{
	{"does not associate", always("Starlark has no chained comparisons", "write: a < b and b < c")},
	{"want ", comma},
	{"got ':'", parameters},
	{"EOF in string", always("this text has no closing quotes", "add the closing quotes, or check that the file was saved in full")},
	{"newline in string", always("this text has no closing quote on its line", `add the closing quote, or write text of several lines as """…"""`)},
	{"import at least 1", always("load needs the names to load", `write load("lib/rooms.star", "title")`)},
	{"got '**'", starred},
	{"got '**'", always("Starlark has no ** operator", "write math.pow(a, b), or multiply")},
	{"got '*'", starred},
	{"got string literal", fString},
	{"got string literal", always("Starlark does not join texts side by side", "write + between them")},
	{"got if", elseIf},
	{"got else", elseIf},
	{"got else", loopElse},
	{"got elif", always("this elif has no if", "check the indentation")},
	{"got '='", equals},
	{"got ':'", annotated},
	{"got ':'", walrus},
	{"got ',', want ':'", setLiteral},
	{"got '}', want ':'", setLiteral},
	{"got newline, want ':'", always("a : is missing at the end of the line", "")},
	{"want indent", always("the body of the statement above is missing, or not indented", "indent it, or write pass")},
	{"got indent", always("this line is indented deeper than the line before", "indent all lines of a block the same way, with spaces or with tabs")},
	{"unindent does not match", always("the indentation of this line matches no line above", "indent all lines of a block the same way, with spaces or with tabs")},
	{"without else", always("a conditional expression needs an else", "write: a if condition else b")},
	{"invalid escape", always("Starlark does not know this backslash sequence", `write the text as r"…", or the backslash twice`)},
	{"obsolete form of octal", always("an octal number begins with 0o", "write, for example, 0o777")},
	{"got return", always("a lambda cannot contain return", "leave out return, or write a def")},
	{"not an identifier", always("Starlark has no positional-only parameters", "leave out the /")},
	{"load operand", loadName},
	{"", numbers},
	{"", ellipsis},
	{"", twoNames},
}

var simpleName = regexp.MustCompile(`^[A-Za-z_][\w.\[\]'"]*$`)

// fString explains an f-string, which the parser reads as a name and a text.
func fString(s position) (string, string, int) {
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

// withFormat rewrites a simple f-string as a call of format.
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

// starred explains a * or ** that stands where a value begins.
func starred(s position) (string, string, int) {
	if s.at > 0 && s.tokens[s.at-1].endsValue() {
		return "", "", 0 // it is an operator
	}
	switch bracket := s.bracket(); {
	case bracket == "{":
		return "a dict cannot be unpacked in a dict", "write: first | second", s.at
	case bracket == "[" || bracket == "(":
		return "a list cannot be unpacked in a list", "write: first + second", s.at
	case s.parser == "got '*', want primary expression":
		return "an assignment cannot collect the rest with *", "assign the whole list, and take its parts with [0] and [1:]", s.at
	}
	return "", "", 0
}

// comma explains two values in brackets without a comma between them.
func comma(s position) (string, string, int) {
	closes := strings.HasSuffix(s.parser, "want ']'") || strings.HasSuffix(s.parser, "want ')'") || strings.HasSuffix(s.parser, "want '}'") ||
		strings.HasSuffix(s.parser, "want ','")
	if !closes || s.at < 1 || s.tokens[s.at].open < 0 {
		return "", "", 0
	}
	before, here := s.tokens[s.at-1], s.tokens[s.at]
	begins := here.kind == name || here.kind == number || here.kind == text || strings.Contains("([{", here.text)
	if !begins || !before.endsValue() || before.lastLine == here.line {
		return "", "", 0
	}
	return "a comma is missing before this value", fmt.Sprintf("put it at the end of line %d", before.lastLine), s.at
}

// parameters explains a def without a closing bracket before the colon.
func parameters(s position) (string, string, int) {
	endsLine := s.at+1 >= len(s.tokens) || s.tokens[s.at+1].line > s.tokens[s.at].line
	if s.firstWord() == "def" && (s.neighbour(-1) == "(" || endsLine) {
		return "a ) is missing before the :", "", s.at
	}
	return "", "", 0
}

func loadName(s position) (string, string, int) {
	if s.at < 1 || s.tokens[s.at-1].kind != name {
		return "", "", 0
	}
	return "load takes the names in quotes", fmt.Sprintf("write %q", s.tokens[s.at-1].text), s.at - 1
}

func elseIf(s position) (string, string, int) {
	at := s.at
	if s.neighbour(0) == "if" {
		at--
	}
	if at < 0 || s.tokens[at].text != "else" || at+1 >= len(s.tokens) || s.tokens[at+1].text != "if" {
		return "", "", 0
	}
	return "else if is one word in Starlark", "write elif", at
}

// loopElse explains an else after a loop, or one with wrong indentation. The
// last line above it with no deeper indentation shows which of the two it is.
func loopElse(s position) (string, string, int) {
	if s.at < 0 {
		return "", "", 0
	}
	for i := s.at - 1; i >= 0; i-- {
		t := s.tokens[i]
		if !t.first || t.col > s.tokens[s.at].col {
			continue
		}
		if t.text == "for" || t.text == "while" {
			return "Starlark has no else after a loop", "set a variable to True before break, and test it after the loop", s.at
		}
		break
	}
	return "this else has no if", "check the indentation", s.at
}

func equals(s position) (string, string, int) {
	switch first := s.firstWord(); {
	case first == "if" || first == "elif" || first == "while":
		return "= is not a comparison", "write == instead of =", s.at
	case strings.HasSuffix(s.parser, "want newline"):
		return "Starlark assigns to one name at a time", "write one assignment per line", s.at
	}
	return "", "", 0
}

func annotated(s position) (string, string, int) {
	first := s.firstWord()
	if s.neighbour(1) == "=" && s.tokens[s.at].end == s.tokens[s.at+1].col {
		return "", "", 0
	}
	if first == "def" || strings.HasSuffix(s.parser, "want newline") {
		return "Starlark has no type annotations", "leave out the : and the type", s.at
	}
	return "", "", 0
}

func walrus(s position) (string, string, int) {
	if s.neighbour(1) != "=" {
		return "", "", 0
	}
	f := foreignTokens[":="]
	return f.message, f.hint(s), s.at
}

func setLiteral(s position) (string, string, int) {
	if s.bracket() != "{" && s.neighbour(0) != "}" {
		return "", "", 0
	}
	return "Starlark has no set literals", "write set([a, b])", s.at
}

func numbers(s position) (string, string, int) {
	if s.at < 0 || s.tokens[s.at].kind != number {
		return "", "", 0
	}
	switch n := s.tokens[s.at].text; {
	case strings.Contains(n, "_"):
		return "a number cannot contain _", "write " + strings.ReplaceAll(n, "_", ""), s.at
	case strings.HasSuffix(n, "j"):
		return "Starlark has no complex numbers", "", s.at
	}
	return "", "", 0
}

func ellipsis(s position) (string, string, int) {
	if s.neighbour(0) != "." || s.neighbour(1) != "." || s.neighbour(2) != "." {
		return "", "", 0
	}
	return "Starlark has no …", "write pass for an empty body, None for no value", s.at
}

// twoNames explains a misspelt keyword.
func twoNames(s position) (string, string, int) {
	if s.parser != "got identifier, want newline" || s.at < 1 {
		return "", "", 0
	}
	before := s.tokens[s.at-1]
	if near := spell.Nearest(before.text, keywords); before.kind == name && near != "" {
		return before.text + " is not a keyword", "did you mean " + near + "?", s.at - 1
	}
	return "", "", 0
}

var keywords = []string{"def", "for", "while", "return", "if", "elif", "else", "and", "or", "not", "in", "lambda", "pass", "break", "continue"}
