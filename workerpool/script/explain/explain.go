// Package explain turns the errors of a Starlark program into explanations
// with a message, a place, the lines around it and a hint how to fix it.
//
// [Error] explains errors of the parser, the resolver, the interpreter and Go.
// The methods of an [Explanation] format it for terminals and logs, and a
// [Page] shows the same content in a browser.
//
// An error of this program may implement two methods: Hint() string returns
// the hint, and Place() (file string, line, col int) returns the position in
// a file, for example of a template.
package explain

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// An Explanation describes one error for the author of the application.
type Explanation struct {
	Message string        // what happened, usually one line
	Hint    string        // how to fix it; may be empty
	Frames  []Frame       // the call stack, innermost call last; empty if unknown
	More    []Explanation // further errors found at the same time
}

// A Frame is a place in a file and the function that was running there.
type Frame struct {
	File  string
	Line  int    // from 1; 0 if unknown
	Col   int    // from 1, in characters; 0 if unknown
	Func  string // empty at the top level
	Lines []Line // the line and up to two lines before and after; may be empty

	Locals []Local // may be empty
}

// A Local is a variable of a call and its value, which may be cut.
type Local struct{ Name, Value string }

// A Line is one line of a file.
type Line struct {
	Number int
	Text   string
}

// Options hold the data that explanations are made from.
type Options struct {
	// Source returns the text of a file by the name it was compiled under.
	// If it is nil, explanations have no lines and no hints about syntax.
	Source func(file string) (string, bool)
	// Predeclared holds the names that every file may use in addition to
	// Starlark's own. Hints suggest them.
	Predeclared starlark.StringDict
}

// Error explains an error. Every error gets at least a message. The texts of the
// explanation contain no control characters except line ends and tabs.
func Error(err error, o Options) Explanation { return o.explain(err).printable() }

// Of returns the explanation that the error, or one that it wraps, returns from a
// method Explanation() [Explanation], or explains it as [Error] does.
func Of(err error) Explanation {
	var explained interface {
		error
		Explanation() Explanation
	}
	if errors.As(err, &explained) {
		return explained.Explanation().printable()
	}
	return Error(err, Options{})
}

func (o Options) explain(err error) Explanation {
	var (
		wrong   syntax.Error
		names   resolve.ErrorList
		running *starlark.EvalError
	)
	switch {
	case errors.As(err, &running):
		return o.running(running, localsOf(err, running))
	case errors.As(err, &names) && len(names) > 0:
		return o.names(names)
	case errors.As(err, &wrong):
		return o.syntax(wrong)
	}
	e := Explanation{Message: err.Error()}
	o.addHintAndPlace(&e, err)
	return e
}

// addHintAndPlace adds the results of the error's methods Hint and Place.
func (o Options) addHintAndPlace(e *Explanation, err error) {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		e.Hint = hinted.Hint()
	}
	var placed interface{ Place() (string, int, int) }
	if errors.As(err, &placed) {
		file, line, col := placed.Place()
		f := o.frame(file, line, col, "")
		e.Message = strings.TrimPrefix(e.Message, f.String()+": ")
		e.Frames = append(e.Frames, f)
	}
}

// running explains an error of a running program.
func (o Options) running(err *starlark.EvalError, locals [][]Local) Explanation {
	// If a load statement failed because of an error in the loaded file, explain that
	// error and show the load statement as an outer frame.
	var outer []Frame
	cause := err.Unwrap()
	for inner := (*starlark.EvalError)(nil); errors.As(cause, &inner); err, cause = inner, inner.Unwrap() {
		if !extends(inner.CallStack, err.CallStack) {
			outer = append(outer, o.stack(err.CallStack, locals)...)
			locals = localsOf(cause, inner)
		}
	}
	frames := append(outer, o.stack(err.CallStack, locals)...)
	var wrong syntax.Error
	var names resolve.ErrorList
	if errors.As(cause, &wrong) || errors.As(cause, &names) {
		e := o.explain(cause)
		e.Frames = append(frames, e.Frames...)
		return e
	}

	e := Explanation{Message: withoutRepeat(err.Msg), Frames: frames}
	e.Message = strings.TrimPrefix(e.Message, "Starlark computation cancelled: ")
	o.addHintAndPlace(&e, cause)
	o.pointToLoop(&e)
	if e.Hint == "" {
		o.addRuntimeHint(&e, err)
	}
	return e
}

// extends reports whether a call stack begins with the calls of another one: the error
// with the other stack is the same error, wrapped by a built-in function.
func extends(stack, outer starlark.CallStack) bool {
	return len(stack) >= len(outer) && slices.Equal(stack[:len(outer)], outer)
}

// localsOf returns the variables of the calls on the stack of an error, from the
// method Locals of an error around it.
func localsOf(err error, of *starlark.EvalError) (all [][]Local) {
	for all == nil {
		var around interface {
			error
			Locals(of *starlark.EvalError) [][]Local
		}
		if !errors.As(err, &around) {
			return nil
		}
		all, err = around.Locals(of), errors.Unwrap(around)
	}
	return all
}

var cannotLoad = regexp.MustCompile(`^cannot load (\S+): (\S+?):? `)

// withoutRepeat removes "cannot load FILE: " if the rest of the message names
// the file again.
func withoutRepeat(message string) string {
	if m := cannotLoad.FindStringSubmatch(message); m != nil && m[1] == m[2] {
		return strings.TrimPrefix(message, "cannot load "+m[1]+": ")
	}
	return message
}

// stack returns the frames of a call stack, without those of built-in
// functions. Frames in the middle of a long stack get no lines, because they
// are never shown.
func (o Options) stack(stack starlark.CallStack, locals [][]Local) []Frame {
	var frames []Frame
	for i, f := range stack {
		if f.Pos.Filename() == "<builtin>" {
			continue
		}
		name := f.Name
		if name == "<toplevel>" || name == "<expr>" {
			name = ""
		}
		opts := o
		if i >= MaxFrames && i < len(stack)-MaxFrames {
			opts.Source = nil
		}
		frame := opts.frame(f.Pos.Filename(), int(f.Pos.Line), int(f.Pos.Col), name)
		if i < len(locals) {
			frame.Locals = locals[i]
		}
		frames = append(frames, frame)
	}
	return frames
}

// frame returns a frame with its lines.
func (o Options) frame(file string, line, col int, fn string) Frame {
	f := Frame{File: file, Line: line, Col: col, Func: fn}
	if text, ok := o.source(file); ok {
		f.Lines = around(text, line)
	}
	return f
}

// At returns a frame at a place in a file, with its lines if source knows the file.
func At(file string, line, col int, source func(file string) (string, bool)) Frame {
	return Options{Source: source}.frame(file, line, col, "")
}

func (o Options) source(file string) (string, bool) {
	if o.Source == nil {
		return "", false
	}
	return o.Source(file)
}

// around returns a line and up to two lines before and after it.
func around(text string, line int) []Line {
	all := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if line < 1 || line > len(all) {
		return nil
	}
	var out []Line
	for n := max(1, line-2); n <= min(len(all), line+2); n++ {
		out = append(out, Line{n, strings.TrimSuffix(all[n-1], "\r")})
	}
	return out
}

// Place returns the innermost frame, which is where the error happened.
func (e Explanation) Place() (f Frame, ok bool) {
	if len(e.Frames) == 0 {
		return Frame{}, false
	}
	return e.Frames[len(e.Frames)-1], true
}

// In returns the explanation with paths of files in a folder, instead of their
// names in it.
func (e Explanation) In(folder string) Explanation {
	e.Frames, e.More = slices.Clone(e.Frames), slices.Clone(e.More)
	for i := range e.Frames {
		e.Frames[i].File = filepath.Join(folder, filepath.FromSlash(e.Frames[i].File))
	}
	for i := range e.More {
		e.More[i] = e.More[i].In(folder)
	}
	return e
}

// String returns the place in the form that editors understand: file:line:col.
func (f Frame) String() string {
	switch {
	case f.Line == 0:
		return f.File
	case f.Col == 0:
		return fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Col)
}

// Line returns the explanation as one line, for logs and editors.
func (e Explanation) Line() string {
	line := strings.ReplaceAll(e.Message, "\n", " ")
	if f, ok := e.Place(); ok {
		line = f.String() + ": " + line
	}
	if e.Hint != "" {
		line += " (" + strings.ReplaceAll(e.Hint, "\n", " ") + ")"
	}
	return line
}

// Split returns the explanation as one line, and the lines that follow it.
func (e Explanation) Split(color bool) (line, more string) {
	if len(e.Frames) == 0 && len(e.More) == 0 {
		e.Message, more, _ = strings.Cut(e.Message, "\n")
		return e.Line(), more
	}
	more = e.Text(color)
	if len(e.More) == 0 {
		// The line has the message already.
		_, more, _ = strings.Cut(more, "\n\n")
	}
	return e.Line(), more
}
