package process

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/workerpool/script/explain"
)

// An Error is a failure that a child has described: of its load, or of a handler. Its
// text is one line that starts with the place.
type Error struct {
	Type   string // like "ValueError"
	Status int    // of the response; 0 if the application gave none

	explanation explain.Explanation
}

func (e *Error) Error() string { return e.explanation.Line() }

// Explanation explains the error.
func (e *Error) Explanation() explain.Explanation { return e.explanation }

// HTTPStatus returns the status of the response.
func (e *Error) HTTPStatus() int {
	if e.Status < 400 || e.Status > 599 {
		return 500
	}
	return e.Status
}

// newError returns the error that a child has described with a dict or a text. It
// trusts nothing: what is not as expected is left out.
func newError(v any) *Error {
	d, ok := v.(asgi.Dict)
	if !ok {
		text, _ := v.(string)
		return &Error{explanation: explain.Explanation{Message: printable(orElse(text, "it failed without a reason"))}}
	}
	e := &Error{Type: d.Text("type"), Status: int(d.Int("status"))}
	e.explanation.Message = printable(orElse(d.Text("message"), orElse(e.Type, "it failed without a reason")))
	if e.Type != "" && d.Text("message") != "" {
		e.explanation.Message = printable(e.Type + ": " + d.Text("message"))
	}
	e.explanation.Hint = printable(d.Text("hint"))
	for _, item := range list(d, "frames") {
		if frame, ok := item.(asgi.Dict); ok {
			e.explanation.Frames = append(e.explanation.Frames, newFrame(frame))
		}
	}
	for _, item := range list(d, "more") {
		e.explanation.More = append(e.explanation.More, newError(item).explanation)
	}
	return e
}

// callFailed returns the error for a handler whose call at a line like app.py:12 has
// failed after the handler went on.
func (g *set) callFailed(at string, err error) error {
	e := remote.ErrorOf(err)
	if e.Kind == remote.Gone || errors.Is(err, asgi.ErrGone) {
		return fmt.Errorf("the client has left: %w", asgi.ErrGone)
	}
	x := explain.Explanation{Message: printable(e.Kind + ": " + e.Detail)}
	if file, number, ok := strings.Cut(at, ":"); ok {
		line, _ := strconv.Atoi(number)
		d := described{folder: g.opts.Folder, sources: map[string]string{}}
		d.sources[file] = d.read(file)
		x.Frames = []explain.Frame{explain.At(file, line, 0, d.source)}
	}
	return &Error{Type: e.Kind, explanation: x}
}

func newFrame(d asgi.Dict) explain.Frame {
	f := explain.Frame{File: printable(d.Text("file")), Line: int(d.Int("line")), Col: int(d.Int("col")), Func: printable(d.Text("func"))}
	for _, item := range list(d, "lines") {
		if l, ok := item.(asgi.List); ok && l.Len() == 2 {
			n, _ := l.At(0).(int64)
			text, _ := l.At(1).(string)
			f.Lines = append(f.Lines, explain.Line{Number: int(n), Text: printable(text)})
		}
	}
	for _, item := range list(d, "locals") {
		if l, ok := item.(asgi.List); ok && l.Len() == 2 {
			name, _ := l.At(0).(string)
			value, _ := l.At(1).(string)
			f.Locals = append(f.Locals, explain.Local{Name: printable(name), Value: printable(value)})
		}
	}
	return f
}

func list(d asgi.Dict, key string) []any {
	v, _ := d.Get(key)
	l, _ := v.(asgi.List)
	items := make([]any, l.Len())
	for i := range items {
		items[i] = l.At(i)
	}
	return items
}

func printable(text string) string { return explain.Printable(text) }

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// An ExitError says that a child has ended although it had work, or before it was
// ready.
type ExitError struct {
	Worker int
	Status string   // like "exit status 3" or "signal: killed"
	Tail   []string // its last lines of stderr
	When   string   // like " while it loaded"; may be empty
	Fault  string   // why the server killed it; "" if it did not
}

func (e *ExitError) Error() string {
	text := fmt.Sprintf("worker %d ended%s (%s)", e.Worker, e.When, e.Status)
	if e.Fault != "" {
		text = fmt.Sprintf("worker %d was ended%s: %s", e.Worker, e.When, e.Fault)
	}
	if len(e.Tail) > 0 {
		text += ": " + e.Tail[len(e.Tail)-1]
	}
	return text
}

// Explanation explains the error with the last lines of the output.
func (e *ExitError) Explanation() explain.Explanation {
	x := explain.Explanation{Message: e.Error()}
	if e.When != "" && e.Status == "exit status 0" && e.Fault == "" {
		x.Hint = "it must run until the server ends it; a program in Go or after -- connects to ASGIBOX_SOCKET and receives messages (docs/layer-socket.md)"
	}
	if len(e.Tail) > 1 {
		short := *e
		short.Tail = nil
		x.Message = short.Error() + "; the last lines of its output:\n" + strings.Join(e.Tail, "\n")
	}
	return x
}
