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
	"asgibox/workerpool/script/explain"
)

// shown is the key of a context whose records of the log are in the inspector
// already.
type shown struct{}

var alreadyShown = context.WithValue(context.Background(), shown{}, true)

// A reporter passes failures and records of the log to the inspector, which may be
// in another process.
type reporter struct {
	pass   func(inspector.Failure)       // must not block
	link   func(asgi.TraceID) string     // returns the inspector's URL of a failure, or ""
	editor func(of explain.Frame) string // returns the URL that opens a place, or ""
}

// failed passes a failure to the inspector and logs it. The fault of a client is
// only logged.
func (p *reporter) failed(log *slog.Logger, f workerpool.Failure) {
	if f.Status < http.StatusInternalServerError {
		workerpool.LogFailure(context.Background(), log, f)
		return
	}
	p.pass(p.failureOf(f))
	var link []any
	if url := p.link(f.Trace); url != "" {
		link = []any{logkey.Inspector, url}
	}
	workerpool.LogFailure(alreadyShown, log, f, link...)
}

// failureOf describes a failure to the inspector.
func (p *reporter) failureOf(f workerpool.Failure) inspector.Failure {
	v := p.explained(f.Err)
	v.Kind, v.Trace, v.Number, v.Message = api.ErrorOfHandler, f.Trace, f.ID, f.Message
	v.Channel, v.Handler, v.Generation = f.Channel, f.Consumer, f.Generation
	return v
}

// explained returns the part of a failure that the explanation of an error
// contains.
func (p *reporter) explained(err error) (v inspector.Failure) {
	e := explain.Of(err)
	v.Text = e.Message
	if at, ok := e.Place(); ok {
		v.Place = placeOf(at)
	}
	v.Explain = func() []api.ErrorPart { return p.partsOf(e) }
	return v
}

// placeOf returns the file and the line of a frame.
func placeOf(f explain.Frame) string {
	f.Col = 0
	return f.String()
}

// partsOf converts an explanation for the inspector.
func (p *reporter) partsOf(e explain.Explanation) []api.ErrorPart {
	frames, omitted := e.Shown()
	part := api.ErrorPart{Text: e.Message, Hint: e.Hint, Omitted: omitted}
	for _, f := range frames {
		frame := api.ErrorFrame{File: f.File, Line: f.Line, Col: f.Col, Func: f.Func, Editor: p.editor(f)}
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
		parts = append(parts, p.partsOf(more)...)
	}
	return parts
}

// reporter returns the reporter of the server.
func (s *server) reporter() *reporter {
	return &reporter{link: s.errorURL, editor: func(f explain.Frame) string { return s.generations.editorURL(f, s.options.Editor) }, pass: func(f inspector.Failure) {
		if c := s.control.Load(); c != nil {
			c.Failed(f)
		}
	}}
}

// editorURL returns the URL that opens a place in an editor, or "".
func (g *generations) editorURL(f explain.Frame, e Editor) string {
	if g == nil || f.Line == 0 {
		return ""
	}
	return g.pages.EditorURL(f, e.URL)
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
func (p *reporter) failureOfRecord(attrs []slog.Attr, r slog.Record) (v inspector.Failure) {
	v.Kind, v.Warning, v.At, v.Text = api.ErrorOfLog, r.Level < slog.LevelError, r.Time, r.Message
	var all, telling strings.Builder // attributes; those that tell one error from another
	add := func(a slog.Attr) bool {
		value := a.Value.Resolve()
		if err, ok := value.Any().(error); ok {
			e := p.explained(err)
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
		v := s.reporter().explained(err)
		v.Kind, v.Generation, v.At = api.ErrorOfLoad, g.Number, time.Now()
		c.Failed(v)
	}
	c.Loaded(l)
}
