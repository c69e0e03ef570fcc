// Package console writes log records for people at a terminal. Each record is
// one line with the time, the message and the attributes, if possible in color.
// Requests and socket events have a format of their own. An error may be
// followed by an explanation.
package console

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"asgibox/internal/logkey"
)

// Options of a [Handler]. The zero value works.
type Options struct {
	// Level is the lowest level that is written. The default is Info.
	Level slog.Leveler
	// Color enables escape sequences for colors.
	Color bool
	// Explain returns the line for an error and further lines that explain
	// it, if any. By default the line is the text of the error.
	Explain func(err error, color bool) (line, more string)
}

// Handler is a [slog.Handler]. It writes each record with one call of Write.
type Handler struct {
	options Options
	out     *output
	attrs   []slog.Attr // their keys include the groups
	group   string      // prefix of the keys of later attributes, with a dot
}

var _ slog.Handler = (*Handler)(nil)

type output struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

// New returns a handler that writes to w.
func New(w io.Writer, o Options) *Handler {
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	if o.Explain == nil {
		o.Explain = func(err error, _ bool) (string, string) { return err.Error(), "" }
	}
	return &Handler{options: o, out: &output{w: w}}
}

// Enabled reports whether records of a level are written.
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= h.options.Level.Level()
}

// WithAttrs returns a handler that adds attributes to every record.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.attrs = with.attrs[:len(with.attrs):len(with.attrs)]
	for _, a := range attrs {
		with.attrs = flatten(with.attrs, h.group, a)
	}
	return &with
}

// WithGroup returns a handler that puts a name before the keys of later
// attributes.
func (h *Handler) WithGroup(name string) slog.Handler {
	with := *h
	if name != "" {
		with.group += name + "."
	}
	return &with
}

// flatten appends an attribute to a list. A group becomes several attributes with
// dotted keys.
func flatten(to []slog.Attr, group string, a slog.Attr) []slog.Attr {
	a.Value = a.Value.Resolve()
	if a.Value.Kind() != slog.KindGroup {
		if a.Equal(slog.Attr{}) {
			return to
		}
		return append(to, slog.Attr{Key: group + a.Key, Value: a.Value})
	}
	if a.Key != "" {
		group += a.Key + "."
	}
	for _, inner := range a.Value.Group() {
		to = flatten(to, group, inner)
	}
	return to
}

// Handle writes a record.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	attrs := h.attrs[:len(h.attrs):len(h.attrs)]
	r.Attrs(func(a slog.Attr) bool {
		attrs = flatten(attrs, h.group, a)
		return true
	})
	l := &line{color: h.options.Color}
	if !r.Time.IsZero() {
		l.colored(dim, r.Time.Format(time.TimeOnly))
		l.WriteByte(' ')
	}
	if access, ok := parseAccess(r.Message, attrs); ok {
		access.write(l)
	} else {
		h.plain(l, r, attrs)
	}
	l.WriteByte('\n')
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	_, err := h.out.w.Write(l.Bytes())
	return err
}

// plain writes a record: the level unless it is Info, the place, the message, the
// first error and the other attributes. The place in the application's code is
// the first attribute with the key [logkey.At]; it comes first because editors
// expect it there. The application may log a second attribute with that key.
func (h *Handler) plain(l *line, r slog.Record, attrs []slog.Attr) {
	switch {
	case r.Level >= slog.LevelError:
		l.colored(red, "error: ")
	case r.Level >= slog.LevelWarn:
		l.colored(yellow, "warning: ")
	case r.Level < slog.LevelInfo:
		l.colored(dim, "debug: ")
	}
	if at := slices.IndexFunc(attrs, func(a slog.Attr) bool { return a.Key == logkey.At }); at >= 0 {
		l.WriteString(Printable(attrs[at].Value.String()) + ": ")
		attrs = slices.Delete(slices.Clone(attrs), at, at+1)
	}
	l.WriteString(Printable(r.Message))
	var explanation string
	for _, a := range attrs {
		err, ok := a.Value.Any().(error)
		if !ok || explanation != "" {
			continue
		}
		var first string
		first, explanation = h.options.Explain(err, l.color)
		l.WriteString(": " + Printable(first))
	}
	link := ""
	for _, a := range attrs {
		if _, ok := a.Value.Any().(error); a.Key == logkey.Inspector {
			link = a.Value.String()
		} else if !ok {
			l.colored(dim, " "+Printable(a.Key)+"=")
			l.WriteString(value(a.Value))
		}
	}
	if explanation = strings.TrimRight(explanation, "\n"); explanation != "" {
		l.WriteString("\n" + explanation)
	}
	if link != "" {
		l.WriteString("\n\n  ")
		l.colored(dim, Printable(link))
	}
}

// value returns the text of an attribute's value. A text with spaces is quoted.
func value(v slog.Value) string {
	if v.Kind() == slog.KindDuration {
		return FormatDuration(v.Duration())
	}
	text := v.String()
	if text == "" || strings.ContainsAny(text, " =\"\n") {
		return fmt.Sprintf("%q", text)
	}
	return Printable(text)
}

// line is the buffer for a record.
type line struct {
	bytes.Buffer
	color bool
}

// Parameters of the escape sequences for colors.
const (
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "34"
)

func (l *line) colored(color, text string) {
	if !l.color {
		l.WriteString(text)
		return
	}
	l.WriteString("\x1b[" + color + "m" + text + "\x1b[0m")
}

// Printable replaces control characters, and those that change the direction of a
// text, because text from clients gets into logs and must not control the terminal.
func Printable(text string) string { return PrintableExcept(text, "") }

// PrintableExcept is Printable, but the characters of keep stay.
func PrintableExcept(text, keep string) string {
	return strings.Map(func(r rune) rune {
		if (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) && !strings.ContainsRune(keep, r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
