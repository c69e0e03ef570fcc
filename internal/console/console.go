// Package console writes log records for people at a terminal: one line each,
// the time, what happened, and what else is known, in colour where there is
// colour. Requests and socket events are laid out as people read them; errors
// that can be explained are followed by their explanation.
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
)

// Options of a [Handler]. The zero value works.
type Options struct {
	// Level is the least that is written; Info unless set.
	Level slog.Leveler
	// Color writes escape sequences for colours.
	Color bool
	// Explain answers the one line that an error is told in and the lines
	// that follow it, if any. Without it the error's own text is the line.
	Explain func(err error, color bool) (line, more string)
}

// Handler is a [slog.Handler] for eyes. It writes each record in one call.
type Handler struct {
	options Options
	out     *output
	attrs   []slog.Attr // with their groups in the key
	group   string      // of attributes to come, with its dot
}

var _ slog.Handler = (*Handler)(nil)

type output struct {
	mu sync.Mutex // one line at a time
	w  io.Writer
}

// New makes a handler that writes to w.
func New(w io.Writer, o Options) *Handler {
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	if o.Explain == nil {
		o.Explain = func(err error, _ bool) (string, string) { return err.Error(), "" }
	}
	return &Handler{options: o, out: &output{w: w}}
}

// Enabled tells whether records of a level are written.
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= h.options.Level.Level()
}

// WithAttrs is this handler with attributes that every record has.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.attrs = with.attrs[:len(with.attrs):len(with.attrs)]
	for _, a := range attrs {
		with.attrs = flatten(with.attrs, h.group, a)
	}
	return &with
}

// WithGroup is this handler with a name before the keys of what follows.
func (h *Handler) WithGroup(name string) slog.Handler {
	with := *h
	if name != "" {
		with.group += name + "."
	}
	return &with
}

// flatten resolves an attribute and lays out groups as dotted keys.
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
		l.in(dim, r.Time.Format(time.TimeOnly))
		l.WriteByte(' ')
	}
	if access, ok := asAccess(r.Message, attrs); ok {
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

// place is the key of where in a file a record comes from: that stands first,
// where editors look for it. The application may have a field of that name too:
// the first is the place.
const place = "at"

// plain writes the level if it is remarkable, the message, its error and the rest.
func (h *Handler) plain(l *line, r slog.Record, attrs []slog.Attr) {
	switch {
	case r.Level >= slog.LevelError:
		l.in(red, "error: ")
	case r.Level >= slog.LevelWarn:
		l.in(yellow, "warning: ")
	case r.Level < slog.LevelInfo:
		l.in(dim, "debug: ")
	}
	if at := slices.IndexFunc(attrs, func(a slog.Attr) bool { return a.Key == place }); at >= 0 {
		l.WriteString(Printable(attrs[at].Value.String()) + ": ")
		attrs = slices.Delete(slices.Clone(attrs), at, at+1)
	}
	l.WriteString(Printable(r.Message))
	var after string
	for _, a := range attrs {
		err, ok := a.Value.Any().(error)
		if !ok || after != "" {
			continue
		}
		var first string
		first, after = h.options.Explain(err, l.color)
		l.WriteString(": " + Printable(first))
	}
	for _, a := range attrs {
		if _, ok := a.Value.Any().(error); !ok {
			l.in(dim, " "+a.Key+"=")
			l.WriteString(value(a.Value))
		}
	}
	if after = strings.TrimRight(after, "\n"); after != "" {
		l.WriteString("\n" + after)
	}
}

// value writes an attribute's value so that it reads as one word.
func value(v slog.Value) string {
	if v.Kind() == slog.KindDuration {
		return Took(v.Duration())
	}
	text := v.String()
	if text == "" || strings.ContainsAny(text, " =\"\n") {
		return fmt.Sprintf("%q", text)
	}
	return Printable(text)
}

// line is one record being written.
type line struct {
	bytes.Buffer
	color bool
}

// The colours, as terminals know them.
const (
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "34"
)

func (l *line) in(color, text string) {
	if !l.color {
		l.WriteString(text)
		return
	}
	l.WriteString("\x1b[" + color + "m" + text + "\x1b[0m")
}

// Printable replaces what would steer a terminal: what clients send gets into
// logs and must stay text there.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, text)
}
