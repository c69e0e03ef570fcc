// Package stack reads the variables of the calls on the stack of a Starlark thread
// when an error occurs.
package stack

import (
	"errors"
	"strings"

	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/pretty"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

const (
	// maxLocals is how many variables of a frame an error has.
	maxLocals = 30
	// maxLocal is the length of the longest value of a variable, in characters.
	maxLocal = 200
)

// An Outermost is the outermost call of a thread. The interpreter forgets the
// variables of a call when the call ends, also with an error. But it asks each
// call for its name when it makes an error, while the innermost call is still
// running. So [Outermost.Name] can read the variables of all calls.
//
// The zero value is ready for use, by one thread at a time.
type Outermost struct {
	thread *starlark.Thread // nil unless a call is running
	run    func() (starlark.Value, error)
	fn     starlark.Value // that is called if run is nil
	frames []localFrame   // of the newest error, the outermost call first

	entered []entered // functions by their depth, for instrumented files
}

var _ starlark.Callable = (*Outermost)(nil)

// A localFrame is a call on the stack and its variables.
type localFrame struct {
	pos    syntax.Position
	locals []explain.Local
}

// Call calls a function. If the thread is not running yet, its error has the
// variables of the calls on the stack.
func (o *Outermost) Call(thread *starlark.Thread, fn starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if thread.CallStackDepth() > 0 {
		return starlark.Call(thread, fn, args, kwargs)
	}
	o.fn = fn
	return o.begin(thread, args, kwargs)
}

// Call is [Outermost.Call] for one call.
func Call(thread *starlark.Thread, fn starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	return new(Outermost).Call(thread, fn, args, kwargs)
}

// Init runs a program on a thread that is not running yet. Its error has the
// variables of the calls on the stack.
func Init(program *starlark.Program, thread *starlark.Thread, predeclared starlark.StringDict) (globals starlark.StringDict, err error) {
	o := &Outermost{run: func() (starlark.Value, error) {
		var err error
		globals, err = program.Init(thread, predeclared)
		return starlark.None, err
	}}
	_, err = o.begin(thread, nil, nil)
	return globals, err
}

func (o *Outermost) begin(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	o.thread = thread
	v, err := starlark.Call(thread, o, args, kwargs)
	frames := o.frames
	o.thread, o.fn, o.frames = nil, nil, nil
	clear(o.entered)
	o.entered = o.entered[:0]
	if err != nil {
		return nil, withLocals(err, frames)
	}
	return v, nil
}

// withLocals adds the variables of calls to an error of the interpreter.
func withLocals(err error, frames []localFrame) error {
	var failed *starlark.EvalError
	if errors.As(err, &failed) {
		return &errorWithLocals{failed, frames}
	}
	return err
}

// CallInternal makes the call.
func (o *Outermost) CallInternal(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if o.run != nil {
		return o.run()
	}
	return starlark.Call(thread, o.fn, args, kwargs)
}

// Name reads the variables of all calls. The call itself has no name.
func (o *Outermost) Name() string {
	if o.thread != nil {
		o.frames = o.readFrames()
	}
	return ""
}

func (o *Outermost) String() string        { return "<outermost call>" }
func (o *Outermost) Type() string          { return "outermost" }
func (o *Outermost) Freeze()               {}
func (o *Outermost) Truth() starlark.Bool  { return true }
func (o *Outermost) Hash() (uint32, error) { return 0, errors.New("unhashable: outermost") }

// An errorWithLocals is an error of the interpreter and the variables of the
// calls on its stack.
type errorWithLocals struct {
	*starlark.EvalError
	frames []localFrame
}

func (e *errorWithLocals) Unwrap() error { return e.EvalError }

// Locals returns the variables of each call on the stack of an error, or nil if
// they belong to another error.
func (e *errorWithLocals) Locals(of *starlark.EvalError) [][]explain.Local {
	if of != e.EvalError || len(e.frames) != len(of.CallStack) {
		return nil
	}
	all := make([][]explain.Local, len(e.frames))
	for i, f := range e.frames {
		if f.pos != of.CallStack[i].Pos {
			return nil
		}
		all[i] = f.locals
	}
	return all
}

// readFrames reads the variables of the calls that an explanation shows.
func (o *Outermost) readFrames() []localFrame {
	thread, depth := o.thread, o.thread.CallStackDepth()
	frames := make([]localFrame, depth)
	for i := range frames {
		f := thread.DebugFrame(depth - 1 - i)
		frames[i].pos = f.Position()
		if i < explain.MaxFrames || i >= depth-explain.MaxFrames {
			remove := o.restore(i, f)
			frames[i].locals = readLocals(f)
			remove()
		}
	}
	return frames
}

// readLocals reads the variables of a call: the globals at the top level of a file,
// but no functions.
func readLocals(f starlark.DebugFrame) (locals []explain.Local) {
	add := func(name string, v starlark.Value) {
		if v != nil && len(locals) < maxLocals && !strings.HasPrefix(name, "$") {
			locals = append(locals, explain.Local{Name: name, Value: pretty.Line(v, maxLocal)})
		}
	}
	fn, ok := f.Callable().(*starlark.Function)
	if !ok {
		return nil
	}
	for i := range f.NumLocals() {
		b, v := f.Local(i)
		if v != nil && v.Type() == "cell" {
			v = captured(f, b)
		}
		add(b.Name, v)
	}
	for i := range fn.NumFreeVars() {
		b, v := fn.FreeVar(i)
		add(b.Name, v)
	}
	if fn.Name() == "<toplevel>" {
		globals := fn.Globals()
		for _, name := range globals.Keys() {
			if _, isFunction := globals[name].(starlark.Callable); !isFunction {
				add(name, globals[name])
			}
		}
	}
	return locals
}

// captured returns the value of a variable that inner functions use, or nil if no
// variable of the call is such a function.
func captured(f starlark.DebugFrame, b starlark.Binding) starlark.Value {
	for i := range f.NumLocals() {
		_, v := f.Local(i)
		inner, ok := v.(*starlark.Function)
		if !ok {
			continue
		}
		for n := range inner.NumFreeVars() {
			if of, value := inner.FreeVar(n); of == b {
				return value
			}
		}
	}
	return nil
}
