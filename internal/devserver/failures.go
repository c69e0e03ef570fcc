package devserver

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/inspector"
	"asgibox/inspector/api"
	"asgibox/internal/logkey"
	"asgibox/workerpool"
	"asgibox/workerpool/script"
	"asgibox/workerpool/script/explain"
)

// shown is the key of a context whose records of the log are in the inspector
// already.
type shown struct{}

var alreadyShown = context.WithValue(context.Background(), shown{}, true)

// showFailure passes a failure to the inspector and logs it. The fault of a
// client is only logged.
func (s *server) showFailure(f workerpool.Failure) {
	c := s.control.Load()
	if c == nil || f.Status < http.StatusInternalServerError {
		workerpool.LogFailure(context.Background(), s.log, f)
		return
	}
	c.Failed(s.failureOf(f))
	var link []any
	if url := s.errorURL(f.Trace); url != "" {
		link = []any{logkey.Inspector, url}
	}
	workerpool.LogFailure(alreadyShown, s.log, f, link...)
}

// failureOf describes a failure to the inspector.
func (s *server) failureOf(f workerpool.Failure) inspector.Failure {
	e := script.Explain(f.Err)
	v := s.explained(e)
	v.Kind, v.Trace, v.Number, v.Message = api.ErrorOfHandler, f.Trace, f.ID, f.Message
	v.Channel, v.Handler, v.Generation = f.Channel, f.Consumer, f.Generation
	return v
}

// explained returns the part of a failure that its explanation contains.
func (s *server) explained(e explain.Explanation) (v inspector.Failure) {
	v.Text = e.Message
	if at, ok := e.Place(); ok {
		v.Place = placeOf(at)
	}
	v.Explain = func() []api.ErrorPart { return s.partsOf(e) }
	return v
}

// placeOf returns the file and the line of a frame.
func placeOf(f explain.Frame) string {
	f.Col = 0
	return f.String()
}

// partsOf converts an explanation for the inspector.
func (s *server) partsOf(e explain.Explanation) []api.ErrorPart {
	frames, omitted := e.Shown()
	part := api.ErrorPart{Text: e.Message, Hint: e.Hint, Omitted: omitted}
	for _, f := range frames {
		frame := api.ErrorFrame{File: f.File, Line: f.Line, Col: f.Col, Func: f.Func, Editor: s.editorURL(f)}
		for _, line := range f.Lines {
			frame.Source = append(frame.Source, api.SourceLine{Number: line.Number, Text: line.Text})
		}
		for _, v := range f.Locals {
			frame.Locals = append(frame.Locals, api.Local{Name: v.Name, Value: v.Value})
		}
		part.Frames = append(part.Frames, frame)
	}
	parts := []api.ErrorPart{part}
	for _, more := range e.More {
		parts = append(parts, s.partsOf(more)...)
	}
	return parts
}

// editorURL returns the URL that opens a place in an editor, or "".
func (s *server) editorURL(f explain.Frame) string {
	if f.Line == 0 || s.generations == nil {
		return ""
	}
	return s.generations.loader.EditorURL(f, s.options.Editor.URL)
}

// errorURL returns the address of the inspector's page about an error of a trace,
// or "". It has no token, because clients of the application may see it.
func (s *server) errorURL(t asgi.TraceID) string {
	c := s.control.Load()
	if c == nil || c.listener == nil || t == 0 {
		return ""
	}
	base, _, _ := strings.Cut(c.url(), "?")
	return base + "#/errors/" + t.String()
}

// failureOfRecord describes a record of the log to the inspector.
func (s *server) failureOfRecord(attrs []slog.Attr, r slog.Record) (v inspector.Failure) {
	v.Kind, v.Warning, v.At, v.Text = api.ErrorOfLog, r.Level < slog.LevelError, r.Time, r.Message
	var all, telling strings.Builder // attributes; those that tell one error from another
	add := func(a slog.Attr) bool {
		value := a.Value.Resolve()
		if err, ok := value.Any().(error); ok {
			e := s.explained(script.Explain(err))
			v.Explain, v.Place = e.Explain, cmp.Or(e.Place, v.Place)
			v.Text += ": " + e.Text
			return true
		}
		text := fmt.Sprintf(" %s=%v", a.Key, value)
		all.WriteString(text)
		switch a.Key {
		case logkey.At:
			v.Place = cmp.Or(v.Place, value.String())
		case logkey.Generation:
			v.Generation, _ = value.Any().(uint64)
		case logkey.Trace:
			n, _ := strconv.ParseUint(value.String(), 16, 64)
			v.Trace = asgi.TraceID(n)
		case logkey.Channel:
			v.Channel = value.String()
			fallthrough
		default:
			if kind := value.Kind(); kind != slog.KindDuration && kind != slog.KindTime && !strings.Contains(text, "!") {
				telling.WriteString(text)
			}
		case logkey.App, logkey.Client:
		}
		return true
	}
	for _, a := range attrs {
		add(a)
	}
	r.Attrs(add)
	v.Detail = printable(v.Text + all.String())
	if v.Place == "" {
		v.Text += telling.String()
	}
	v.Text = printable(v.Text)
	return v
}

// maxRecord is the length of the longest text of a record in the inspector.
const maxRecord = 4 << 10

func printable(s string) string {
	if len(s) > maxRecord {
		s = strings.ToValidUTF8(s[:maxRecord], "") + "…"
	}
	return explain.Printable(s)
}

// showLoad passes the outcome of a load to the inspector.
func (s *server) showLoad(g workerpool.Generation, changed []string, err error) {
	c := s.control.Load()
	if c == nil {
		return
	}
	l := api.Load{Generation: g.Number, Kind: string(g.Kind), TookMS: api.Milliseconds(g.Took), Changed: changed, Sockets: s.front.Sockets()}
	if err != nil {
		line, more := explainLines(err, false)
		l.Error = strings.TrimSpace(line + "\n\n" + more)
		v := s.explained(script.Explain(err))
		v.Kind, v.Generation, v.At = api.ErrorOfLoad, g.Number, time.Now()
		c.Failed(v)
	}
	c.Loaded(l)
}
