package explain

import (
	"slices"
	"strings"
	"unicode"
)

// printable returns the explanation with printable texts: source lines and
// messages must not control a terminal.
func (e Explanation) printable() Explanation {
	e.Message, e.Hint = printable(e.Message), printable(e.Hint)
	e.Frames, e.More = slices.Clone(e.Frames), slices.Clone(e.More)
	for i := range e.Frames {
		f := &e.Frames[i]
		f.File, f.Lines = printable(f.File), slices.Clone(f.Lines)
		for n := range f.Lines {
			f.Lines[n].Text = printable(f.Lines[n].Text)
		}
	}
	for i := range e.More {
		e.More[i] = e.More[i].printable()
	}
	return e
}

// printable replaces control characters except line ends and tabs. The number of
// characters stays the same.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
