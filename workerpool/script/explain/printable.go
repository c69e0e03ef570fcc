package explain

import (
	"slices"
	"strings"

	"asgibox/internal/console"
)

// Limits for the texts of an explanation, in bytes. A message may quote a key or
// text of the application, of any length, and must fit in an error page.
const (
	maxMessage = 4 << 10
	maxLine    = 1 << 10
)

// printable returns the explanation with printable texts of limited lengths:
// source lines and messages must not control a terminal.
func (e Explanation) printable() Explanation {
	e.Message, e.Hint = Printable(shorten(e.Message)), Printable(shorten(e.Hint))
	e.Frames, e.More = slices.Clone(e.Frames), slices.Clone(e.More)
	for i := range e.Frames {
		f := &e.Frames[i]
		f.File, f.Lines = Printable(f.File), slices.Clone(f.Lines)
		if slices.ContainsFunc(f.Lines, func(l Line) bool { return len(l.Text) > maxLine }) {
			f.Lines = nil // as of generated code
		}
		for n := range f.Lines {
			f.Lines[n].Text = Printable(f.Lines[n].Text)
		}
		f.Func, f.Locals = Printable(f.Func), slices.Clone(f.Locals)
		for n, v := range f.Locals {
			f.Locals[n] = Local{Printable(v.Name), Printable(v.Value)}
		}
	}
	for i := range e.More {
		e.More[i] = e.More[i].printable()
	}
	return e
}

// shorten cuts a text that is too long.
func shorten(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage], "") + "…"
}

// Printable replaces control characters except line ends and tabs, and those that
// change the direction of a text. The number of characters stays the same.
func Printable(text string) string { return console.PrintableExcept(text, "\n\t") }
