package stack

import (
	"reflect"
	"slices"
	"unsafe"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// The interpreter forgets the variables of a function that fails in an operator
// before it makes the error. So the functions of an instrumented file begin with a
// call of a built-in function, which notes where the variables are.

// EnterName is the name of the built-in function that instrumented functions
// call. A script cannot write it.
const EnterName = "%enter"

// Enter is the built-in function with the name [EnterName].
var Enter = starlark.NewBuiltin(EnterName, func(thread *starlark.Thread, _ *starlark.Builtin, _ starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	depth := thread.CallStackDepth()
	if o, ok := thread.DebugFrame(depth - 1).Callable().(*Outermost); ok {
		o.enter(depth-2, thread.DebugFrame(1))
	}
	return starlark.None, nil
})

// Instrument makes the functions of a file call [Enter] first.
func Instrument(f *syntax.File) {
	syntax.Walk(f, func(n syntax.Node) bool {
		if def, ok := n.(*syntax.DefStmt); ok {
			name := &syntax.Ident{NamePos: def.Def, Name: EnterName}
			call := &syntax.ExprStmt{X: &syntax.CallExpr{Fn: name, Lparen: def.Def, Rparen: def.Def}}
			def.Body = slices.Insert(def.Body, documentation(def.Body), syntax.Stmt(call))
		}
		return true
	})
}

// documentation returns the number of statements at the start of a function that
// only describe it.
func documentation(body []syntax.Stmt) int {
	if e, ok := body[0].(*syntax.ExprStmt); ok {
		if l, ok := e.X.(*syntax.Literal); ok && l.Token == syntax.STRING {
			return 1
		}
	}
	return 0
}

// An entered function is running at some depth of the stack, or did so before.
type entered struct {
	fn     starlark.Callable
	locals []starlark.Value
}

// enter notes the variables of the function at a depth.
func (o *Outermost) enter(depth int, f starlark.DebugFrame) {
	locals := localsOf(f)
	if locals == nil {
		return
	}
	for len(o.entered) <= depth {
		o.entered = append(o.entered, entered{})
	}
	o.entered[depth] = entered{f.Callable(), *locals}
}

// restore gives a function that has just failed its variables back. It returns a
// function that removes them again.
func (o *Outermost) restore(depth int, f starlark.DebugFrame) (remove func()) {
	locals := localsOf(f)
	if f.NumLocals() > 0 || locals == nil || depth >= len(o.entered) || o.entered[depth].fn != f.Callable() {
		return func() {}
	}
	*locals = o.entered[depth].locals
	return func() { *locals = nil }
}

// localsField is the place of the variables in a frame of the interpreter. Its
// type is nil if this version of the interpreter has another frame.
var localsField = func() (field reflect.StructField) {
	thread := new(starlark.Thread)
	_, _ = starlark.Call(thread, starlark.NewBuiltin("", func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
		if t := reflect.TypeOf(thread.DebugFrame(0)); t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct {
			if f, ok := t.Elem().FieldByName("locals"); ok && f.Type == reflect.TypeFor[[]starlark.Value]() {
				field = f
			}
		}
		return starlark.None, nil
	}), nil, nil)
	return field
}()

// localsOf returns the variables in a frame, or nil if they cannot be reached.
func localsOf(f starlark.DebugFrame) *[]starlark.Value {
	if localsField.Type == nil {
		return nil
	}
	return (*[]starlark.Value)(unsafe.Add(reflect.ValueOf(f).UnsafePointer(), localsField.Offset))
}
