package explain

import (
	"cmp"
	"fmt"
	"strings"

	"go.starlark.net/syntax"
)

// A position is one token of a wrong program, with all other tokens and the
// parser's message.
type position struct {
	tokens []token
	at     int // index of the token, or -1
	parser string
}

// syntax explains an error of the parser.
func (o Options) syntax(err syntax.Error) Explanation {
	file, line, col := err.Pos.Filename(), int(err.Pos.Line), int(err.Pos.Col)
	e := Explanation{Message: reword(err.Msg)}
	if src, ok := o.source(file); ok {
		tokens := scan(src)
		s := position{tokens, find(tokens, line, col, err.Msg), err.Msg}
		if at, found := s.explain(&e); found {
			s.at = at
		}
		line, col = s.place(line, col)
	}
	e.Frames = []Frame{o.frame(file, line, col, "")}
	return e
}

// find returns the index of the token that the parser reported, or -1. The
// parser gives the beginning of the token if it expected a value, and its end
// if it expected something else.
func find(tokens []token, line, col int, message string) int {
	atEnd := strings.HasPrefix(message, "got ") && !strings.Contains(message, "want primary expression")
	if atEnd || strings.Contains(message, "associate") || strings.HasPrefix(message, "load operand") || message == "not an identifier" || message == "invalid syntax" {
		for i, t := range tokens {
			if t.lastLine == line && t.end == col {
				return i
			}
		}
	}
	if atEnd && atLineEnd(message) {
		return -1
	}
	last := -1
	for i, t := range tokens {
		if t.line == line && t.col <= col {
			last = i
		}
	}
	return last
}

// atLineEnd reports whether the parser met the end of a line or file too soon.
func atLineEnd(message string) bool {
	return strings.HasPrefix(message, "got newline") || strings.HasPrefix(message, "got end of file")
}

// place returns the line and column to point to: the token's, or those after
// the last token before the end of a line or file.
func (s position) place(line, col int) (int, int) {
	if s.at >= 0 {
		return s.tokens[s.at].line, s.tokens[s.at].col
	}
	if atLineEnd(s.parser) {
		for i := len(s.tokens) - 1; i >= 0; i-- {
			if t := s.tokens[i]; t.lastLine < line || t.lastLine == line && t.end <= col {
				return t.lastLine, t.end
			}
		}
	}
	return line, col
}

// explain sets the message and hint of the first rule that matches, and returns
// the index of the token to point to.
func (s position) explain(e *Explanation) (at int, ok bool) {
	if s.parser == "excessive nesting" {
		e.Message, e.Hint = "blocks, brackets and operators nest too deeply", "split the statement, and use functions"
		return s.at, true
	}
	if at, ok := s.unclosed(e); ok {
		return at, true
	}
	if s.at >= 0 {
		// The token before may be the wrong one: for "assert x" the parser
		// reports the x.
		for _, at := range []int{s.at, s.at - 1} {
			if at < 0 || s.tokens[at].line != s.tokens[s.at].line {
				continue
			}
			if f, ok := foreignTokens[s.tokens[at].text]; ok && (at == s.at || f.early) && s.tokens[at].kind != text {
				e.Message, e.Hint = f.message, f.hint(position{s.tokens, at, s.parser})
				return at, true
			}
		}
	}
	for _, r := range syntaxRules {
		if !strings.Contains(s.parser, r.contains) {
			continue
		}
		if message, hint, at := r.apply(s); message != "" {
			e.Message, e.Hint = message, hint
			return at, true
		}
	}
	return s.at, false
}

// unclosed explains a bracket that is never closed.
func (s position) unclosed(e *Explanation) (int, bool) {
	if !strings.HasPrefix(s.parser, "got end of file") || len(s.tokens) == 0 {
		return 0, false
	}
	at := s.tokens[len(s.tokens)-1].open
	if last := len(s.tokens) - 1; strings.Contains("([{", s.tokens[last].text) {
		at = last
	}
	if at < 0 {
		return 0, false
	}
	open := s.tokens[at].text
	e.Message = fmt.Sprintf("the %q opened here is never closed", open)
	e.Hint = "add the closing " + map[string]string{"(": ")", "[": "]", "{": "}"}[open]
	return at, true
}

// neighbour returns the text of the token n places further on the same line,
// or "".
func (s position) neighbour(n int) string {
	i := s.at + n
	if s.at < 0 || i < 0 || i >= len(s.tokens) || s.tokens[i].line != s.tokens[s.at].line {
		return ""
	}
	return s.tokens[i].text
}

// rest returns the texts of the tokens from n places further to the end of the
// line.
func (s position) rest(n int) []string {
	var out []string
	for i := s.at + n; i < len(s.tokens) && s.tokens[i].line == s.tokens[s.at].line; i++ {
		out = append(out, s.tokens[i].text)
	}
	return out
}

// bracket returns the innermost open bracket around the token, or "".
func (s position) bracket() string {
	if s.at < 0 || s.tokens[s.at].open < 0 {
		return ""
	}
	return s.tokens[s.tokens[s.at].open].text
}

// firstWord returns the text of the first token on the line.
func (s position) firstWord() string {
	if s.at < 0 {
		return ""
	}
	i := s.at
	for i > 0 && s.tokens[i-1].line == s.tokens[s.at].line {
		i--
	}
	return s.tokens[i].text
}

// reword replaces the parser's terms with plain ones.
func reword(message string) string {
	got, want, ok := strings.Cut(strings.TrimPrefix(message, "got "), ", want ")
	if !ok || !strings.HasPrefix(message, "got ") {
		return message
	}
	return fmt.Sprintf("unexpected %s; expected %s", plainTerm(got), plainTerm(want))
}

var plainTerms = map[string]string{
	"primary expression": "value",
	"newline":            "end of line",
	"identifier":         "name",
	"indent":             "deeper indentation",
	"outdent":            "less indentation",
	"string literal":     "text",
	"int literal":        "number",
	"float literal":      "number",
}

func plainTerm(term string) string { return cmp.Or(plainTerms[term], term) }
