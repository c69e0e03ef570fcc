package explain

import (
	"slices"
	"strings"
	"unicode"
)

// A token is a word or an operator of a program, valid or not. Unlike the
// parser's scanner, scan accepts any text, because it reads wrong programs.
type token struct {
	kind      kind
	text      string
	line, col int // where it begins, from 1, col in characters
	end       int // col after its last character
	lastLine  int
	first     bool // whether it begins a line outside brackets
	open      int  // index of the innermost open bracket around it, or -1
}

// endsValue reports whether a value can end with the token.
func (t token) endsValue() bool {
	switch t.kind {
	case name:
		return !slices.Contains(keywords, t.text)
	case operator:
		return strings.Contains(")]}", t.text)
	}
	return true
}

type kind byte

const (
	name kind = iota
	number
	text
	operator
)

// pairs are the two-character operators that the rules distinguish.
var pairs = []string{"**", "==", "!=", "<=", ">=", "<<", ">>", "<>", ":=", "->", "&&", "||", "++", "--", "//", "+=", "-=", "*=", "/="}

// scan returns the tokens of a program, without comments and line ends.
func scan(src string) []token {
	s := scanner{src: []rune(src), line: 1, col: 1, lineStart: true}
	for s.pos < len(s.src) {
		s.next()
	}
	return s.out
}

type scanner struct {
	src       []rune
	pos       int
	line, col int
	lineStart bool // whether the next token begins a line outside brackets
	brackets  []int
	out       []token
}

func (s *scanner) next() {
	c := s.src[s.pos]
	switch {
	case c == '\n':
		s.advance(1)
		s.lineStart = len(s.brackets) == 0
	case c == '#':
		for s.pos < len(s.src) && s.src[s.pos] != '\n' {
			s.advance(1)
		}
	case c == '\\' && s.pos+1 < len(s.src) && s.src[s.pos+1] == '\n':
		s.advance(2)
	case unicode.IsSpace(c):
		s.advance(1)
	case c == '_' || unicode.IsLetter(c):
		s.emit(name, s.span(func(c rune) bool { return c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c) }))
	case unicode.IsDigit(c):
		s.emit(number, s.span(func(c rune) bool { return c == '_' || c == '.' || unicode.IsLetter(c) || unicode.IsDigit(c) }))
	case c == '"' || c == '\'':
		s.emit(text, s.quoted(c))
	default:
		s.operator()
	}
}

func (s *scanner) span(in func(rune) bool) int {
	n := 1
	for s.pos+n < len(s.src) && in(s.src[s.pos+n]) {
		n++
	}
	return n
}

// quoted returns the length of a string. A string without a closing quote ends
// with its line, or with the program if it has three quotes.
func (s *scanner) quoted(quote rune) int {
	rest := s.src[s.pos:]
	if len(rest) >= 3 && rest[1] == quote && rest[2] == quote {
		for n := 3; n+2 < len(rest); n++ {
			if rest[n] == '\\' {
				n++
			} else if rest[n] == quote && rest[n+1] == quote && rest[n+2] == quote {
				return n + 3
			}
		}
		return len(rest)
	}
	for n := 1; n < len(rest); n++ {
		switch rest[n] {
		case '\\':
			n++
		case '\n':
			return n
		case quote:
			return n + 1
		}
	}
	return len(rest)
}

func (s *scanner) operator() {
	n := 1
	if s.pos+1 < len(s.src) && slices.Contains(pairs, string(s.src[s.pos:s.pos+2])) {
		n = 2
	}
	c := s.src[s.pos]
	if strings.ContainsRune(")]}", c) && len(s.brackets) > 0 {
		s.brackets = s.brackets[:len(s.brackets)-1]
	}
	s.emit(operator, n)
	if strings.ContainsRune("([{", c) {
		s.brackets = append(s.brackets, len(s.out)-1)
	}
}

func (s *scanner) emit(k kind, n int) {
	n = min(n, len(s.src)-s.pos)
	t := token{kind: k, text: string(s.src[s.pos : s.pos+n]), line: s.line, col: s.col, first: s.lineStart, open: -1}
	if len(s.brackets) > 0 {
		t.open = s.brackets[len(s.brackets)-1]
	}
	s.advance(n)
	t.lastLine, t.end, s.lineStart = s.line, s.col, false
	s.out = append(s.out, t)
}

func (s *scanner) advance(n int) {
	for range min(n, len(s.src)-s.pos) {
		if s.src[s.pos] == '\n' {
			s.line, s.col = s.line+1, 1
		} else {
			s.col++
		}
		s.pos++
	}
}
