package pretty

import (
	"fmt"
	"strings"

	"asgibox/internal/console"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

const (
	briefItems = 20 // items of a collection that are written
	briefDepth = 6
)

// Line returns a value on one line of at most limit characters and a mark where it
// was cut. Its cost depends on the limit, not on the size of the value.
func Line(v starlark.Value, limit int) string {
	l := &liner{room: limit}
	l.value(v, 0)
	return console.Printable(l.out.String())
}

// A liner writes a value until the line is full.
type liner struct {
	out  strings.Builder
	room int // characters, negative if the line was cut
}

// write writes a text, or its start if there is no room for the rest.
func (l *liner) write(text string) {
	switch {
	case l.room < 0:
	case len(text) <= l.room: // in bytes, which are not fewer than the characters
		l.out.WriteString(text)
		l.room -= len(text)
	default:
		l.out.WriteString(prefix(text, l.room) + "…")
		l.room = -1
	}
}

// prefix returns the first n bytes of a text without the part of a character at
// the end.
func prefix(text string, n int) string { return strings.ToValidUTF8(text[:min(n, len(text))], "") }

func (l *liner) value(v starlark.Value, depth int) {
	if l.room < 0 {
		return
	}
	if d, ok := value.DictOf(v); ok {
		v = d
	}
	switch v := v.(type) {
	case starlark.String:
		l.write(starlark.String(prefix(string(v), l.room+1)).String())
		if len(v) > l.room+1 && l.room >= 0 {
			l.write("…")
		}
	case starlark.Bytes:
		l.write(v[:min(len(v), l.room+1)].String())
	case starlark.Int:
		if bits := v.BigInt().BitLen(); bits > 512 {
			l.write(fmt.Sprintf("an int of %d bits", bits))
			return
		}
		l.write(v.String())
	case *starlark.List:
		l.items("[", "]", v.Len(), v, depth)
	case starlark.Tuple:
		if len(v) == 1 {
			l.items("(", ",)", 1, v, depth)
			return
		}
		l.items("(", ")", v.Len(), v, depth)
	case *starlark.Set:
		l.items("set([", "])", v.Len(), v, depth)
	case *starlark.Dict:
		l.pairs(v, v.Len(), depth)
	case starlark.IterableMapping:
		l.pairs(v, -1, depth)
	default:
		if kind := v.Type(); kind == "Channel" || kind == "Group" {
			l.write(kind + " ")
		}
		l.write(v.String())
	}
}

// deep reports whether a collection is too deep, and writes a mark for it.
func (l *liner) deep(open, close string, depth int) bool {
	if depth < briefDepth {
		return false
	}
	l.write(open + "…" + close)
	return true
}

func (l *liner) items(open, close string, n int, v starlark.Iterable, depth int) {
	if l.deep(open, close, depth) {
		return
	}
	l.write(open)
	l.each(n, v, func(item starlark.Value) { l.value(item, depth+1) })
	l.write(close)
}

// pairs writes a dict with n keys, or with an unknown number of them.
func (l *liner) pairs(v starlark.IterableMapping, n, depth int) {
	if l.deep("{", "}", depth) {
		return
	}
	l.write("{")
	l.each(n, v, func(key starlark.Value) {
		l.value(key, depth+1)
		l.write(": ")
		if x, ok, err := v.Get(key); ok && err == nil {
			l.value(x, depth+1)
		}
	})
	l.write("}")
}

// each calls write for the first of n items, with commas between them. The number
// may be unknown.
func (l *liner) each(n int, v starlark.Iterable, write func(starlark.Value)) {
	i := 0
	for item := range starlark.Elements(v) {
		if i > 0 {
			l.write(", ")
		}
		if i == briefItems || l.room < 0 {
			l.write("…")
			if n > 0 {
				l.write(fmt.Sprintf(" %d more", n-i))
			}
			return
		}
		write(item)
		i++
	}
}
