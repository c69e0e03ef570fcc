// Package pretty writes Starlark values for people at a terminal: nested values
// on several lines if they are long, and long texts and byte strings cut.
package pretty

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"asgibox/internal/console"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// Options of [Text].
type Options struct {
	Width int  // number of columns
	Color bool // color the keys of dicts
}

const (
	maxText  = 1000 // characters of a text, and bytes of a byte string
	maxInner = 200  // the same inside another value
	maxItems = 100  // items of a collection
	maxDepth = 20
	step     = 4 // columns of an indentation
	minWidth = 20
)

// Text returns a value as text, with the syntax of Starlark where it has one. It
// has no line end at its end.
func Text(v starlark.Value, o Options) string {
	p := &printer{color: o.Color, width: max(o.Width, minWidth)}
	p.value(v, 0, 0, nil)
	return p.out.String()
}

// A printer writes a value. If it is flat, it stops when the line is full.
type printer struct {
	out   strings.Builder
	color bool
	width int
	flat  bool // on one line
	room  int  // number of columns left on the line, if flat
}

// full reports whether the value does not fit on the line.
func (p *printer) full() bool { return p.flat && p.room < 0 }

func (p *printer) write(text string) {
	p.out.WriteString(text)
	p.room -= utf8.RuneCountInString(text)
}

func (p *printer) key(text string) {
	if !p.color {
		p.write(text)
		return
	}
	p.out.WriteString("\x1b[36m")
	p.write(text)
	p.out.WriteString("\x1b[0m")
}

// value writes a value that begins in the column at of a line that is indented.
// It leaves room for a comma. Path has the collections around the value.
func (p *printer) value(v starlark.Value, at, indent int, path []starlark.Value) {
	c, ok := collectionOf(v)
	if !ok {
		limit := maxInner
		if len(path) == 0 {
			limit = maxText
		}
		p.write(scalar(v, limit))
		return
	}
	if len(path) >= maxDepth || slices.ContainsFunc(path, func(outer starlark.Value) bool { return same(outer, v) }) {
		p.write(c.open + "…" + c.close)
		return
	}
	path = append(path[:len(path):len(path)], v)
	if !p.flat {
		line := &printer{color: p.color, flat: true, room: p.width - at - 1}
		line.collection(c, indent, path)
		if !line.full() {
			p.out.WriteString(line.out.String())
			return
		}
	}
	p.collection(c, indent, path)
}

func (p *printer) collection(c collection, indent int, path []starlark.Value) {
	inner := indent + step
	p.write(c.open)
	for i, item := range c.items {
		if p.full() {
			return
		}
		switch {
		case !p.flat:
			p.write("\n" + strings.Repeat(" ", inner))
		case i > 0:
			p.write(" ")
		}
		at := inner
		if item.key != "" {
			p.key(item.key)
			p.write(c.between)
			at += utf8.RuneCountInString(item.key + c.between)
		}
		p.value(item.value, at, inner, path)
		if i < len(c.items)-1 || c.more > 0 || !p.flat || c.single {
			p.write(",")
		}
	}
	if c.more > 0 {
		before := " "
		if !p.flat {
			before = "\n" + strings.Repeat(" ", inner)
		}
		p.write(fmt.Sprintf("%s… %d more", before, c.more))
	}
	if !p.flat {
		p.write("\n" + strings.Repeat(" ", indent))
	}
	p.write(c.close)
}

// A collection is a value with items.
type collection struct {
	open, between, close string
	items                []item
	more                 int  // number of items that are not shown
	single               bool // a tuple with one item
}

type item struct {
	key   string // as it is written; empty without one
	value starlark.Value
}

// collectionOf returns the items of a value that has some.
func collectionOf(v starlark.Value) (c collection, ok bool) {
	if d, ok := value.DictOf(v); ok {
		v = d
	}
	switch v := v.(type) {
	case *starlark.List:
		return sequence("[", v, "]"), true
	case starlark.Tuple:
		c = sequence("(", v, ")")
		c.single = len(v) == 1
		return c, true
	case *starlark.Set:
		return sequence("set([", v, "])"), true
	case starlark.IterableMapping:
		c = collection{open: "{", between: ": ", close: "}"}
		items := v.Items()
		c.more = max(0, len(items)-maxItems)
		for _, pair := range items[:len(items)-c.more] {
			c.items = append(c.items, item{scalar(pair[0], maxInner), pair[1]})
		}
		return c, true
	case starlark.HasAttrs:
		if v.Type() == "http.response" {
			return fields(v, "status", "url", "headers", "text"), true
		}
	}
	return c, false
}

func sequence(open string, s starlark.Sequence, close string) collection {
	c := collection{open: open, close: close, more: max(0, s.Len()-maxItems)}
	for v := range starlark.Elements(s) {
		if len(c.items) == s.Len()-c.more {
			break
		}
		c.items = append(c.items, item{value: v})
	}
	return c
}

// fields returns a collection of attributes.
func fields(v starlark.HasAttrs, names ...string) collection {
	c := collection{open: v.Type() + "(", between: " = ", close: ")"}
	for _, name := range names {
		if attr, err := v.Attr(name); err == nil && attr != nil {
			c.items = append(c.items, item{name, attr})
		}
	}
	return c
}

// same reports whether two values are one collection that can be changed.
func same(a, b starlark.Value) bool {
	switch a.(type) {
	case *starlark.List, *starlark.Dict, *starlark.Set:
		return a == b
	}
	return false
}

// scalar returns the text of a value without items, or of a key. A longer text
// than the limit is cut.
func scalar(v starlark.Value, limit int) string {
	switch v := v.(type) {
	case starlark.String:
		text, n := cut(string(v), limit)
		if n > limit {
			return starlark.String(text).String() + fmt.Sprintf("… %d characters", n)
		}
		return v.String()
	case starlark.Bytes:
		if len(v) > limit {
			return v[:limit].String() + fmt.Sprintf("… %d bytes", len(v))
		}
		return v.String()
	case starlark.HasAttrs:
		if kind := v.Type(); kind == "Channel" || kind == "Group" {
			name, _ := v.Attr("name")
			return fmt.Sprintf("%s(%s)", kind, scalar(name, limit))
		}
	}
	left := value.Budget(value.MaxText)
	if left.Measure(v) != nil {
		return value.An(v)
	}
	text, n := cut(v.String(), limit)
	if n > limit {
		text += "…"
	}
	return console.Printable(text)
}

// cut returns the start of a text, and the number of all its characters.
func cut(text string, limit int) (start string, n int) {
	n = utf8.RuneCountInString(text)
	if n <= limit {
		return text, n
	}
	return string([]rune(text)[:limit]), n
}

// Fill breaks a text into lines of at most width columns, at its spaces.
func Fill(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}
