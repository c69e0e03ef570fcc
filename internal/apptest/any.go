package apptest

import (
	"errors"
	"slices"
	"strings"

	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// A wildcard is a value that a test expects but does not know in full: ANY, or
// texts with ANY between them. ANY + "x" makes one.
type wildcard struct {
	parts []string // the known texts, with any text between two of them
}

// anything is ANY.
var anything = &wildcard{[]string{"", ""}}

func (w *wildcard) Type() string          { return "ANY" }
func (w *wildcard) Freeze()               {}
func (w *wildcard) Truth() starlark.Bool  { return true }
func (w *wildcard) Hash() (uint32, error) { return 0, errors.New("unhashable: ANY") }

func (w *wildcard) String() string {
	var texts []string
	for i, part := range w.parts {
		if i > 0 {
			texts = append(texts, "ANY")
		}
		if part != "" {
			texts = append(texts, starlark.String(part).String())
		}
	}
	if texts == nil {
		return `""`
	}
	return strings.Join(texts, " + ")
}

// Binary implements ANY + text and text + ANY.
func (w *wildcard) Binary(op syntax.Token, other starlark.Value, side starlark.Side) (starlark.Value, error) {
	var parts []string
	switch other := other.(type) {
	case starlark.String:
		parts = []string{string(other)}
	case *wildcard:
		parts = other.parts
	}
	if op != syntax.PLUS || parts == nil {
		return nil, nil
	}
	if side == starlark.Left {
		return &wildcard{joined(w.parts, parts)}, nil
	}
	return &wildcard{joined(parts, w.parts)}, nil
}

// wildcardOf returns a text as a wildcard, or nil if the value is neither.
func wildcardOf(v starlark.Value) *wildcard {
	if text, ok := starlark.AsString(v); ok {
		return &wildcard{[]string{text}}
	}
	w, _ := v.(*wildcard)
	return w
}

// joined returns the parts of two texts in a row.
func joined(a, b []string) []string {
	parts := slices.Concat(a, b[1:])
	parts[len(a)-1] = a[len(a)-1] + b[0]
	return parts
}

// matches reports whether the value is one that the test expects.
func (w *wildcard) matches(got starlark.Value) bool {
	if slices.Equal(w.parts, anything.parts) {
		return true
	}
	text, ok := starlark.AsString(got)
	if len(w.parts) == 1 {
		return ok && text == w.parts[0]
	}
	first, last := w.parts[0], w.parts[len(w.parts)-1]
	if !ok || len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range w.parts[1 : len(w.parts)-1] {
		_, rest, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = rest
	}
	return true
}

// lines returns the lines of the text as texts with ANY, for a comparison of
// lines.
func (w *wildcard) lines() (lines []*wildcard) {
	current := []string{}
	for _, part := range w.parts {
		texts := strings.Split(part, "\n")
		current = append(current, texts[0])
		for _, text := range texts[1:] {
			lines = append(lines, &wildcard{current})
			current = []string{text}
		}
	}
	return append(lines, &wildcard{current})
}

// filled returns want with the values from got in the place of those with ANY
// that match them. It leaves out what nests deeper than a value that can be compared, and
// all after the first million values: a value may contain itself.
func filled(want, got starlark.Value) starlark.Value {
	f := filler{1 << 20}
	return f.fill(want, got, value.MaxNesting)
}

type filler struct{ left int }

func (f *filler) fill(want, got starlark.Value, depth int) starlark.Value {
	if f.left--; f.left < 0 || depth < 0 {
		return want
	}
	want, got = plain(want), plain(got)
	switch want := want.(type) {
	case *wildcard:
		if want.matches(got) {
			return got
		}
	case *starlark.Dict:
		if got, ok := got.(*starlark.Dict); ok {
			d := starlark.NewDict(want.Len())
			for _, item := range want.Items() {
				inner := item[1]
				if v, found, _ := got.Get(item[0]); found {
					inner = f.fill(inner, v, depth-1)
				}
				_ = d.SetKey(item[0], inner) // it was a key before
			}
			return d
		}
	case *starlark.List:
		if got, ok := got.(*starlark.List); ok {
			return starlark.NewList(f.items(want, got, depth-1))
		}
	case starlark.Tuple:
		if got, ok := got.(starlark.Tuple); ok {
			return starlark.Tuple(f.items(want, got, depth-1))
		}
	}
	return want
}

func (f *filler) items(want, got starlark.Indexable, depth int) []starlark.Value {
	items := make([]starlark.Value, want.Len())
	for i := range items {
		if items[i] = want.Index(i); i < got.Len() {
			items[i] = f.fill(items[i], got.Index(i), depth)
		}
	}
	return items
}
