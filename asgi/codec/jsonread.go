package codec

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"asgibox/asgi"
)

// scanner reads strict JSON (RFC 8259) into the values that asgi's constructors
// take. encoding/json would lose the order of keys and silently replace lone
// surrogates and invalid UTF-8 by U+FFFD.
type scanner struct {
	in     []byte
	pos    int
	unmark func(string) any // returns the text or byte string that a JSON text encodes
}

// byteOrderMark may stand before JSON. It has no meaning.
var byteOrderMark = []byte("\uFEFF")

func readAllJSON(b []byte, unmark func(string) any) (any, error) {
	s := scanner{in: bytes.TrimPrefix(b, byteOrderMark), unmark: unmark}
	v, err := s.value(0)
	if err != nil {
		return nil, err
	}
	if s.space() != 0 || s.pos < len(s.in) {
		return nil, s.malformed("unexpected data after the value")
	}
	return v, nil
}

// value reads one value that is nested in depth others.
func (s *scanner) value(depth int) (any, error) {
	switch c := s.space(); {
	case c == '{':
		return s.dict(depth + 1)
	case c == '[':
		return s.list(depth + 1)
	case c == '"':
		text, err := s.text()
		if err != nil {
			return nil, err
		}
		return s.unmark(text), nil
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	}
	switch {
	case s.word("null"):
		return nil, nil
	case s.word("true"):
		return true, nil
	case s.word("false"):
		return false, nil
	}
	return nil, s.malformed("expected a value")
}

func (s *scanner) dict(depth int) (any, error) {
	fields := make(asgi.Fields, 0, 4)
	err := s.entries('}', depth, func() error {
		if s.space() != '"' {
			return s.malformed("expected a key")
		}
		key, err := s.key()
		if err != nil {
			return err
		}
		if s.space() != ':' {
			return s.malformed("expected a colon")
		}
		s.pos++
		v, err := s.value(depth)
		fields = append(fields, asgi.Field{Key: key, Value: v})
		return err
	})
	return fields, err
}

func (s *scanner) list(depth int) (any, error) {
	items := make([]any, 0, 2)
	err := s.entries(']', depth, func() error {
		v, err := s.value(depth)
		items = append(items, v)
		return err
	})
	return items, err
}

// entries reads the comma-separated entries between brackets. It limits the
// recursion to one level more than asgi allows, because an envelope adds one.
func (s *scanner) entries(end byte, depth int, entry func() error) error {
	if depth > asgi.MaxDepth+1 {
		return &asgi.InvalidMessageError{Reason: "it is nested deeper than 100 levels"}
	}
	s.pos++
	if s.space() == end {
		s.pos++
		return nil
	}
	for {
		if err := entry(); err != nil {
			return err
		}
		switch s.space() {
		case end:
			s.pos++
			return nil
		case ',':
			s.pos++
		default:
			return s.malformed("expected a comma or " + strconv.QuoteRune(rune(end)))
		}
	}
}

// commonKeys are keys that most messages and calls have, to save their allocation.
var commonKeys = func() map[string]string {
	keys := make(map[string]string)
	for _, key := range []string{
		"id", "call", "quiet", "at", "job", "done", "reply", "channel", "channels", "block", "message",
		asgi.KeyReplyChannel, asgi.KeyStatus, asgi.KeyHeaders, asgi.KeyContent, asgi.KeyMoreContent,
		asgi.KeyText, asgi.KeyBytes, asgi.KeyAccept, asgi.KeyClose, asgi.KeyPath, asgi.KeyOrder,
	} {
		keys[key] = key
	}
	return keys
}()

// key reads a key. The next byte must be its first quote.
func (s *scanner) key() (string, error) {
	rest := s.in[s.pos+1:]
	if n := bytes.IndexByte(rest[:min(len(rest), 16)], '"'); n >= 0 {
		if key, common := commonKeys[string(rest[:n])]; common {
			s.pos += n + 2
			return key, nil
		}
	}
	return s.text()
}

// text reads a text. The next byte must be its first quote.
func (s *scanner) text() (string, error) {
	s.pos++
	start := s.pos
	for s.pos < len(s.in) && s.in[s.pos] != '"' && s.in[s.pos] != '\\' && s.in[s.pos] >= ' ' {
		s.pos++
	}
	if s.peek() == '"' {
		s.pos++
		return s.valid(start, s.in[start:s.pos-1])
	}
	out := append([]byte(nil), s.in[start:s.pos]...)
	for {
		switch c := s.peek(); {
		case c == '"':
			s.pos++
			return s.valid(start, out)
		case c == '\\':
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		case c < ' ':
			return "", s.malformed("the text has no end, or contains a control character that is not escaped")
		default:
			out = append(out, c)
			s.pos++
		}
	}
}

func (s *scanner) valid(start int, raw []byte) (string, error) {
	if !utf8.Valid(raw) {
		s.pos = start
		return "", s.malformed("the text is not valid UTF-8")
	}
	return string(raw), nil
}

var escapes = [256]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (s *scanner) escape() (rune, error) {
	s.pos++
	c := s.peek()
	s.pos++
	if r := escapes[c]; r != 0 {
		return r, nil
	}
	if c != 'u' {
		s.pos--
		return 0, s.malformed("unknown escape")
	}
	r, err := s.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if s.word(`\u`) {
		low, err := s.hex()
		if err != nil {
			return 0, err
		}
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			return r, nil
		}
	}
	return 0, s.malformed("the text contains a lone surrogate")
}

func (s *scanner) hex() (rune, error) {
	if s.pos+4 > len(s.in) {
		return 0, s.malformed("the text has no end")
	}
	var r rune
	for _, c := range s.in[s.pos : s.pos+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, s.malformed(`\u must be followed by four hexadecimal digits`)
		}
		r = r<<4 | rune(c)
	}
	s.pos += 4
	return r, nil
}

func (s *scanner) number() (any, error) {
	start := s.pos
	if s.peek() == '-' {
		s.pos++
	}
	first := s.peek()
	whole := s.digits()
	if whole == 0 || first == '0' && whole > 1 {
		return nil, s.malformed("not a JSON number")
	}
	if s.peek() == '.' {
		s.pos++
		if s.digits() == 0 {
			return nil, s.malformed("expected digits after the decimal point")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if s.digits() == 0 {
			return nil, s.malformed("expected digits in the exponent")
		}
	}
	return number(string(s.in[start:s.pos])), nil
}

func (s *scanner) digits() (n int) {
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.pos++
		n++
	}
	return n
}

// peek returns the next byte, or 0 at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.in) {
		return s.in[s.pos]
	}
	return 0
}

// space skips white space and returns the byte after it, or 0 at the end.
func (s *scanner) space() byte {
	for {
		switch c := s.peek(); c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
}

// word skips w if it comes next, and reports whether it did.
func (s *scanner) word(w string) bool {
	if len(s.in)-s.pos < len(w) || string(s.in[s.pos:s.pos+len(w)]) != w {
		return false
	}
	s.pos += len(w)
	return true
}

func (s *scanner) malformed(problem string) error { return malformed("JSON", s.pos, problem) }
