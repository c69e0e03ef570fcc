package explain

import (
	"fmt"
	"strings"

	"go.starlark.net/syntax"
)

// A spot is a token of a wrong program, with the others in sight.
type spot struct {
	tokens []token
	at     int
	said   string // by the parser
}

// syntax explains what the parser refused.
func (o Options) syntax(err syntax.Error) Explanation {
	file, line, col := err.Pos.Filename(), int(err.Pos.Line), int(err.Pos.Col)
	e := Explanation{Message: reword(err.Msg)}
	if src, ok := o.source(file); ok {
		tokens := scan(src)
		s := spot{tokens, find(tokens, line, col, err.Msg), err.Msg}
		if at, found := s.teach(&e); found {
			s.at = at
		}
		line, col = s.place(line, col)
	}
	e.Frames = []Frame{o.frame(file, line, col, "")}
	return e
}

// find answers the token that the parser stumbled over, or -1. The parser
// names its position by the beginning of the token when it wants a value and
// by the end when it wants something else.
func find(tokens []token, line, col int, said string) int {
	wanted := strings.HasPrefix(said, "got ") && !strings.Contains(said, "want primary expression")
	if wanted || strings.Contains(said, "associate") || strings.HasPrefix(said, "load operand") || said == "not an identifier" || said == "invalid syntax" {
		for i, t := range tokens {
			if t.lastLine == line && t.end == col {
				return i
			}
		}
	}
	if wanted && (strings.HasPrefix(said, "got newline") || strings.HasPrefix(said, "got end of file")) {
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

// place answers where to point: at the token, or behind the last one before
// the end of a line or file.
func (s spot) place(line, col int) (int, int) {
	if s.at >= 0 {
		return s.tokens[s.at].line, s.tokens[s.at].col
	}
	if strings.HasPrefix(s.said, "got newline") || strings.HasPrefix(s.said, "got end of file") {
		for i := len(s.tokens) - 1; i >= 0; i-- {
			if t := s.tokens[i]; t.lastLine < line || t.lastLine == line && t.end <= col {
				return t.lastLine, t.end
			}
		}
	}
	return line, col
}

// teach puts the lesson that fits into e and answers which token to point at.
func (s spot) teach(e *Explanation) (at int, ok bool) {
	if at, ok := s.unclosed(e); ok {
		return at, true
	}
	if s.at >= 0 {
		// The words before count too: what is wrong with "assert x" shows
		// at the x.
		for _, at := range []int{s.at, s.at - 1} {
			if at < 0 || s.tokens[at].line != s.tokens[s.at].line {
				continue
			}
			if l, ok := words[s.tokens[at].text]; ok && (at == s.at || l.early) && s.tokens[at].kind != text {
				e.Message = l.message
				e.Hint = l.hint(spot{s.tokens, at, s.said})
				return at, true
			}
		}
	}
	for _, l := range shapes {
		if !strings.Contains(s.said, l.said) {
			continue
		}
		if message, hint, at := l.see(s); message != "" {
			e.Message, e.Hint = message, hint
			return at, true
		}
	}
	return s.at, false
}

// unclosed tells where a bracket was opened that nobody closed.
func (s spot) unclosed(e *Explanation) (int, bool) {
	if !strings.HasPrefix(s.said, "got end of file") || len(s.tokens) == 0 {
		return 0, false
	}
	at := s.tokens[len(s.tokens)-1].open
	if last := len(s.tokens) - 1; strings.Contains("([{", s.tokens[last].text) {
		at = last
	}
	if at < 0 {
		return 0, false
	}
	e.Message = fmt.Sprintf("the %q opened here is never closed", s.tokens[at].text)
	return at, true
}

// rel answers the text of the token n away on the same line, or "".
func (s spot) rel(n int) string {
	i := s.at + n
	if s.at < 0 || i < 0 || i >= len(s.tokens) || s.tokens[i].line != s.tokens[s.at].line {
		return ""
	}
	return s.tokens[i].text
}

// rest answers the texts of the tokens from n away to the end of the line.
func (s spot) rest(n int) []string {
	var out []string
	for i := s.at + n; i < len(s.tokens) && s.tokens[i].line == s.tokens[s.at].line; i++ {
		out = append(out, s.tokens[i].text)
	}
	return out
}

// within answers the bracket that the spot stands in, or "".
func (s spot) within() string {
	if s.at < 0 || s.tokens[s.at].open < 0 {
		return ""
	}
	return s.tokens[s.tokens[s.at].open].text
}

// starts answers the first word of the spot's line.
func (s spot) starts() string {
	if s.at < 0 {
		return ""
	}
	i := s.at
	for i > 0 && s.tokens[i-1].line == s.tokens[s.at].line {
		i--
	}
	return s.tokens[i].text
}

// reword says in plain words what the parser says in its own.
func reword(said string) string {
	got, want, ok := strings.Cut(strings.TrimPrefix(said, "got "), ", want ")
	if !ok || !strings.HasPrefix(said, "got ") {
		return said
	}
	return fmt.Sprintf("%s is out of place here; %s would fit", plainly(got), plainly(want))
}

func plainly(tok string) string {
	switch tok {
	case "primary expression":
		return "a value"
	case "newline":
		return "the end of the line"
	case "end of file":
		return "the end of the file"
	case "identifier":
		return "a name"
	case "indent":
		return "a deeper indentation"
	case "outdent":
		return "an indentation less deep"
	case "string literal":
		return "a text"
	case "int literal", "float literal":
		return "a number"
	}
	return tok
}
