// Package explain turns the errors of a Starlark program into explanations:
// what happened, where, the lines around it, and what to write instead.
//
// [Error] takes any error, of the parser, the resolver, the interpreter or
// Go. An [Explanation] is printed for terminals and logs by its methods and
// shown in browsers by a [Page]; all show the same.
//
// Errors of ours need no special case here. One that has a method
// Hint() string says itself what to do about it; one that has a method
// Place() (file string, line, col int) happened in a file, like a template.
package explain

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// An Explanation is what can be said of an error.
type Explanation struct {
	Message string  // what happened, one line as a rule
	Hint    string  // what to do about it; may be empty
	Frames  []Frame // where, the innermost call last; none if nobody knows
	More    []Explanation
}

// A Frame is a place in a file and what was being called there.
type Frame struct {
	File  string
	Line  int    // from 1; 0 if unknown
	Col   int    // from 1, in characters; 0 if unknown
	Func  string // empty where no function was running
	Lines []Line // the guilty one and up to two on both sides; may be empty
}

// A Line is one line of a file.
type Line struct {
	Number int
	Text   string
}

// Options say what there is to explain with.
type Options struct {
	// Source answers the text of a file by the name it was compiled under.
	// Without it explanations show no lines and teach no syntax.
	Source func(file string) (string, bool)
	// Predeclared is what every file may use besides Starlark's own, for
	// suggestions.
	Predeclared starlark.StringDict
}

// Error explains an error. It always has something to say.
func Error(err error, o Options) Explanation {
	var (
		wrong   syntax.Error
		names   resolve.ErrorList
		running *starlark.EvalError
	)
	switch {
	case errors.As(err, &running):
		return o.running(running)
	case errors.As(err, &names) && len(names) > 0:
		return o.names(names)
	case errors.As(err, &wrong):
		return o.syntax(wrong)
	}
	return o.plain(err)
}

// plain explains an error that the interpreter has not seen.
func (o Options) plain(err error) Explanation {
	e := Explanation{Message: err.Error()}
	o.ask(&e, err)
	return e
}

// ask lets an error of ours speak for itself.
func (o Options) ask(e *Explanation, err error) {
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

// running explains an error of a program that was running.
func (o Options) running(err *starlark.EvalError) Explanation {
	// A file that fails to load fails within the load statement of another:
	// the cause tells the story, and the statement the way there.
	var (
		cause = err.Unwrap()
		inner *starlark.EvalError
		wrong syntax.Error
		names resolve.ErrorList
	)
	if errors.As(cause, &inner) || errors.As(cause, &wrong) || errors.As(cause, &names) {
		e := Error(cause, o)
		e.Frames = append(o.stack(err.CallStack), e.Frames...)
		return e
	}

	e := Explanation{Message: withoutRepeat(err.Msg), Frames: o.stack(err.CallStack)}
	e.Message = strings.TrimPrefix(e.Message, "Starlark computation cancelled: ")
	o.ask(&e, cause)
	o.blameLoop(&e)
	if e.Hint == "" {
		o.teachRunning(&e, err)
	}
	return e
}

var cannotLoad = regexp.MustCompile(`^cannot load (\S+): (\S+?):? `)

// withoutRepeat takes off a load statement's words where what follows names
// the file too.
func withoutRepeat(said string) string {
	if m := cannotLoad.FindStringSubmatch(said); m != nil && m[1] == m[2] {
		return strings.TrimPrefix(said, "cannot load "+m[1]+": ")
	}
	return said
}

// stack answers the frames of a call stack that stand in files. Those in the
// middle of a long one are given no lines, since they are never shown.
func (o Options) stack(stack starlark.CallStack) []Frame {
	var frames []Frame
	for i, f := range stack {
		if f.Pos.Filename() == "<builtin>" {
			continue
		}
		name := f.Name
		if name == "<toplevel>" {
			name = ""
		}
		from := o
		if i >= mostFrames && i < len(stack)-mostFrames {
			from.Source = nil
		}
		frames = append(frames, from.frame(f.Pos.Filename(), int(f.Pos.Line), int(f.Pos.Col), name))
	}
	return frames
}

// frame answers a place with its lines.
func (o Options) frame(file string, line, col int, fn string) Frame {
	f := Frame{File: file, Line: line, Col: col, Func: fn}
	if text, ok := o.source(file); ok {
		f.Lines = around(text, line)
	}
	return f
}

func (o Options) source(file string) (string, bool) {
	if o.Source == nil {
		return "", false
	}
	return o.Source(file)
}

// around answers a line and up to two on both sides.
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

// Place answers the innermost frame: the guilty line.
func (e Explanation) Place() (f Frame, ok bool) {
	if len(e.Frames) == 0 {
		return Frame{}, false
	}
	return e.Frames[len(e.Frames)-1], true
}

// String answers the place as editors read it: file:line:col.
func (f Frame) String() string {
	switch {
	case f.Line == 0:
		return f.File
	case f.Col == 0:
		return fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Col)
}

// Line answers the explanation in one line, for logs and editors.
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
