package apptest

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"asgibox/workerpool/script/value"
)

const (
	// maxDifferences is how many differences of two values are listed.
	maxDifferences = 10
	// maxShown is the length of the longest value that is shown, in bytes.
	maxShown = 600
)

// difference describes how two values differ: both values, and the places inside
// them that differ.
func difference(got, want starlark.Value) string {
	lines := []string{"  got:  " + shortened(got), "  want: " + shortened(want)}
	var d differences
	d.compare("", got, want)
	if len(d.lines) > 1 || len(d.lines) == 1 && d.nested {
		lines = append(lines, d.lines...)
	}
	if d.omitted > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more", d.omitted))
	}
	return strings.Join(lines, "\n")
}

// differences lists the places where two values differ.
type differences struct {
	lines   []string
	omitted int
	nested  bool // a place is inside the values
}

func (d *differences) add(path, format string, args ...any) {
	if len(d.lines) == maxDifferences {
		d.omitted++
		return
	}
	if path != "" {
		d.nested = true
		path = "at " + path + ": "
	}
	d.lines = append(d.lines, "  "+path+fmt.Sprintf(format, args...))
}

func (d *differences) compare(path string, got, want starlark.Value) {
	got, want = plain(got), plain(want)
	if same, err := starlark.EqualDepth(got, filled(want, got), value.MaxNesting); same || err != nil {
		return
	}
	switch got := got.(type) {
	case *starlark.Dict:
		if want, ok := want.(*starlark.Dict); ok {
			d.compareDicts(path, got, want)
			return
		}
	case starlark.Indexable:
		want, ok := want.(starlark.Indexable)
		if _, isText := got.(starlark.String); ok && !isText && got.Type() == want.Type() {
			d.compareLists(path, got, want)
			return
		}
	}
	a, isText := starlark.AsString(got)
	b := wildcardOf(want)
	if isText && b != nil && strings.Contains(a+strings.Join(b.parts, ""), "\n") {
		d.compareLines(path, a, b)
		return
	}
	d.add(path, "got %s, want %s", value.Brief(got), value.Brief(want))
}

func (d *differences) compareDicts(path string, got, want *starlark.Dict) {
	for _, key := range want.Keys() {
		place := fmt.Sprintf("%s[%s]", path, value.Brief(key))
		expected, _, _ := want.Get(key)
		if v, ok, _ := got.Get(key); ok {
			d.compare(place, v, expected)
		} else {
			d.add(place, "missing, want %s", value.Brief(expected))
		}
	}
	for _, key := range got.Keys() {
		if _, ok, _ := want.Get(key); !ok {
			v, _, _ := got.Get(key)
			d.add(fmt.Sprintf("%s[%s]", path, value.Brief(key)), "not expected, got %s", value.Brief(v))
		}
	}
}

func (d *differences) compareLists(path string, got, want starlark.Indexable) {
	for i := range max(got.Len(), want.Len()) {
		place := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case i >= got.Len():
			d.add(place, "missing, want %s", value.Brief(want.Index(i)))
		case i >= want.Len():
			d.add(place, "not expected, got %s", value.Brief(got.Index(i)))
		default:
			d.compare(place, got.Index(i), want.Index(i))
		}
	}
}

// compareLines shows the first line that differs.
func (d *differences) compareLines(path, got string, want *wildcard) {
	a, b := strings.Split(got, "\n"), want.lines()
	n := 0
	for n < len(a) && n < len(b) && b[n].matches(starlark.String(a[n])) {
		n++
	}
	gotLine, wantLine := "the end", "the end"
	if n < len(a) {
		gotLine = starlark.String(shortenText(a[n])).String()
	}
	if n < len(b) {
		wantLine = shortenText(b[n].String())
	}
	d.add(fmt.Sprintf("%s line %d", path, n+1), "got %s, want %s", gotLine, wantLine)
}

// shortened returns the text of a value, or the start of a long one.
func shortened(v starlark.Value) string {
	if s, ok := v.(starlark.String); ok {
		v = starlark.String(shortenText(string(s)))
	}
	return shortenText(v.String())
}

func shortenText(text string) string {
	if len(text) <= maxShown {
		return text
	}
	end := maxShown
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
