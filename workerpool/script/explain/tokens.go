package explain

import (
	"strings"
	"unicode"
)

// A token is a word of a program, right or wrong. Unlike the parser's scanner
// this one never gives up, since it reads programs that are not Starlark.
type token struct {
	kind      kind
	text      string
	line, col int // where it begins, from 1, col in characters
	end       int // col after its last character
	lastLine  int
	first     bool // of its statement's line
	open      int  // index of the innermost bracket it stands in, or -1
}

type kind byte

const (
	name kind = iota
	number
	text
	operator
)

// two-character operators that a lesson tells apart
var pairs = []string{"**", "==", "!=", "<=", ">=", "<<", ">>", "<>", ":=", "->", "&&", "||", "++", "--", "//", "+=", "-=", "*=", "/="}

// scan cuts a program into tokens, without comments and line ends.
func scan(src string) []token {
	s := scanner{src: []rune(src), line: 1, col: 1, fresh: true}
	for s.pos < len(s.src) {
		s.next()
	}
	return s.out
}

type scanner struct {
	src       []rune
	pos       int
	line, col int
	fresh     bool // nothing yet on this line
	brackets  []int
	out       []token
}

func (s *scanner) next() {
	c := s.src[s.pos]
	switch {
	case c == '\n':
		s.advance(1)
		s.fresh = len(s.brackets) == 0
	case c == '#':
		for s.pos < len(s.src) && s.src[s.pos] != '\n' {
			s.advance(1)
		}
	case c == '\\' && s.pos+1 < len(s.src) && s.src[s.pos+1] == '\n':
		s.advance(2)
	case unicode.IsSpace(c):
		s.advance(1)
	case c == '_' || unicode.IsLetter(c):
		s.take(name, s.span(func(c rune) bool { return c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c) }))
	case unicode.IsDigit(c):
		s.take(number, s.span(func(c rune) bool { return c == '_' || c == '.' || unicode.IsLetter(c) || unicode.IsDigit(c) }))
	case c == '"' || c == '\'':
		s.take(text, s.quoted(c))
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

// quoted answers the length of a string; one that does not end, ends with its
// line.
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
	if s.pos+1 < len(s.src) {
		two := string(s.src[s.pos : s.pos+2])
		for _, p := range pairs {
			if two == p {
				n = 2
			}
		}
	}
	c := s.src[s.pos]
	if strings.ContainsRune(")]}", c) && len(s.brackets) > 0 {
		s.brackets = s.brackets[:len(s.brackets)-1]
	}
	s.take(operator, n)
	if strings.ContainsRune("([{", c) {
		s.brackets = append(s.brackets, len(s.out)-1)
	}
}

func (s *scanner) take(k kind, n int) {
	n = min(n, len(s.src)-s.pos)
	t := token{kind: k, text: string(s.src[s.pos : s.pos+n]), line: s.line, col: s.col, first: s.fresh, open: -1}
	if len(s.brackets) > 0 {
		t.open = s.brackets[len(s.brackets)-1]
	}
	s.advance(n)
	t.lastLine, t.end, s.fresh = s.line, s.col, false
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
