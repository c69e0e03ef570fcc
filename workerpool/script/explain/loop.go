package explain

import (
	"strings"

	"go.starlark.net/syntax"
)

const tookTooLong = "(--handler-timeout)"

// blameLoop moves the innermost frame of a handler that ran too long to the
// loop that it was in. The interpreter knows the places of calls and operators
// only, so of a loop that has none it names whatever else comes before.
func (o Options) blameLoop(e *Explanation) {
	f, ok := e.Place()
	if !ok || !strings.HasSuffix(e.Message, tookTooLong) {
		return
	}
	src, _ := o.source(f.File)
	file, err := (&syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true, Recursion: true}).Parse(f.File, src, 0)
	if err != nil {
		return
	}
	scope := enclosing(file, f)
	if loop := silentLoop(scope, f); loop != nil {
		e.Frames[len(e.Frames)-1] = o.frame(f.File, int(loop.While.Line), int(loop.While.Col), f.Func)
	}
}

// enclosing answers the function that a frame is of, or the file.
func enclosing(file *syntax.File, f Frame) syntax.Node {
	var found syntax.Node = file
	syntax.Walk(file, func(n syntax.Node) bool {
		if def, ok := n.(*syntax.DefStmt); ok && def.Name.Name == f.Func && within(def, f) {
			found = def
		}
		return true
	})
	return found
}

// silentLoop answers the first loop of a scope in which nothing has a place,
// unless the frame stands in a loop itself.
func silentLoop(scope syntax.Node, f Frame) (loop *syntax.WhileStmt) {
	looping := false
	syntax.Walk(scope, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			return n == scope
		case *syntax.ForStmt:
			looping = looping || within(n, f)
		case *syntax.WhileStmt:
			looping = looping || within(n, f)
			if loop == nil && silent(n) {
				loop = n
			}
		}
		return true
	})
	if looping {
		return nil
	}
	return loop
}

// silent reports whether nothing in a loop has a place that the interpreter
// could name.
func silent(loop *syntax.WhileStmt) bool {
	quiet := true
	syntax.Walk(loop, func(n syntax.Node) bool {
		switch n.(type) {
		case *syntax.CallExpr, *syntax.BinaryExpr, *syntax.UnaryExpr, *syntax.IndexExpr, *syntax.SliceExpr, *syntax.DotExpr, *syntax.ForStmt, *syntax.Comprehension:
			quiet = false
		}
		return quiet
	})
	return quiet
}

func within(n syntax.Node, f Frame) bool {
	start, end := n.Span()
	return int(start.Line) <= f.Line && f.Line <= int(end.Line)
}
