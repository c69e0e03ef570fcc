package jsontext

import (
	"strings"
	"unicode/utf8"

	"asgibox/workerpool/script/value"
)

// Bytes that are in use at the same time while a text is decoded. A list or dict
// that grows is in use twice, before and after. What decoding drops on the way is
// garbage, like that of all other code, and does not count.
const (
	dictBytes  = 528 // with up to smallDict keys
	entryBytes = 240 // for each key of a larger dict
	smallDict  = 8
	listBytes  = 32
	itemBytes  = 48 // in a list
	textBytes  = 32
	copyBytes  = 16 // for a text that is copied, besides its content
	floatBytes = 8
	bigDigits  = 10 // integers of fewer digits take no memory of their own
	bigBytes   = 96 // for one of bigDigits, and a byte for each further digit
	mostBytes  = 10 // for any character, besides the above for lists, dicts and texts
)

// unscanned is how many bytes a text may take without being scanned.
const unscanned = 64 << 10

// A size is what a text needs when it is decoded.
type size struct {
	bytes  int64 // at most
	depth  int   // of brackets
	digits int   // of the longest number
}

// measure returns the size of a text. It stops where the text is deeper than
// [value.MaxNesting]. What is wrong JSON is not decoded, so its size does not matter.
func measure(text string) size {
	if len(text) <= MaxDigits {
		if n := bound(text); n <= unscanned {
			return size{bytes: n}
		}
	}
	s := size{}
	var keys []int // of the objects around the place; -1 is a list
	digits := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c >= '0' && c <= '9' {
			switch digits++; {
			case digits == bigDigits:
				s.bytes += bigBytes
			case digits > bigDigits:
				s.bytes++
			}
			s.digits = max(s.digits, digits)
			continue
		}
		digits = 0
		switch c {
		case '"':
			end, plain := quoted(text, i)
			s.bytes += textBytes
			if !plain {
				s.bytes += copyBytes + copies(text[i:end])*int64(end-i)
			}
			i = end - 1
		case '.', 'e', 'E':
			s.bytes += floatBytes
		case '{':
			s.bytes += dictBytes
			keys = append(keys, 0)
		case '[':
			s.bytes += listBytes + itemBytes
			keys = append(keys, -1)
		case '}', ']':
			keys = keys[:max(0, len(keys)-1)]
		case ',', ':':
			if len(keys) == 0 {
				continue
			}
			switch n := &keys[len(keys)-1]; {
			case *n < 0:
				s.bytes += itemBytes
			case c == ':':
				switch *n++; {
				case *n == smallDict+1:
					s.bytes += entryBytes * (smallDict + 1)
				case *n > smallDict:
					s.bytes += entryBytes
				}
			}
		}
		if s.depth = max(s.depth, len(keys)); s.depth > value.MaxNesting {
			break
		}
	}
	return s
}

// bound returns at least the bytes of a text, and takes less time. A text of at
// most MaxDigits bytes whose bound is at most unscanned is not too deep.
func bound(text string) int64 {
	objects, lists := strings.Count(text, "{"), strings.Count(text, "[")
	commas, keys := strings.Count(text, ","), strings.Count(text, ":")
	texts := (strings.Count(text, `"`) + 1) / 2
	return int64(objects*dictBytes + (lists+commas)*(listBytes+itemBytes) + keys*entryBytes + texts*(textBytes+copyBytes) + mostBytes*len(text))
}

// copies returns how many times its length a text takes while it is copied. Each byte
// that is not UTF-8 becomes three, in a text that doubles while it grows.
func copies(text string) int64 {
	if utf8.ValidString(text) {
		return 3
	}
	return 8
}

// quoted returns the end of the text in quotes that begins at start. It reports
// whether the text has only ASCII and no escapes, so that it need not be copied.
func quoted(text string, start int) (end int, plain bool) {
	plain = true
	for i := start + 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return i + 1, plain
		case c == '\\':
			plain = false
			i++
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	return len(text), plain
}
