package explain

import (
	"strings"

	"go.starlark.net/syntax"
)

const timeoutSuffix = "(--handler-timeout)"

// pointToLoop moves the innermost frame of a handler that ran too long to its
// endless loop. The interpreter records positions of calls and operators only,
// so for a loop without any it reports an earlier position.
func (o Options) pointToLoop(e *Explanation) {
	f, ok := e.Place()
	if !ok || !strings.HasSuffix(e.Message, timeoutSuffix) {
		return
	}
	src, _ := o.source(f.File)
	file, err := (&syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true, Recursion: true}).Parse(f.File, src, 0)
	if err != nil {
		return
	}
	scope := enclosing(file, f)
	if loop := unrecordedLoop(scope, f); loop != nil {
		e.Frames[len(e.Frames)-1] = o.frame(f.File, int(loop.While.Line), int(loop.While.Col), f.Func)
	}
}

// enclosing returns the function that contains a frame, or the file.
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

// unrecordedLoop returns the first while loop of a scope for which the
// interpreter records no position, or nil if the frame is itself in a loop.
func unrecordedLoop(scope syntax.Node, f Frame) (loop *syntax.WhileStmt) {
	inLoop := false
	syntax.Walk(scope, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			return n == scope
		case *syntax.ForStmt:
			inLoop = inLoop || within(n, f)
		case *syntax.WhileStmt:
			inLoop = inLoop || within(n, f)
			if loop == nil && unrecorded(n) {
				loop = n
			}
		}
		return true
	})
	if inLoop {
		return nil
	}
	return loop
}

// unrecorded reports whether the interpreter records no position in a loop.
func unrecorded(loop *syntax.WhileStmt) bool {
	none := true
	syntax.Walk(loop, func(n syntax.Node) bool {
		switch n.(type) {
		case *syntax.CallExpr, *syntax.BinaryExpr, *syntax.UnaryExpr, *syntax.IndexExpr, *syntax.SliceExpr, *syntax.DotExpr, *syntax.ForStmt, *syntax.Comprehension:
			none = false
		}
		return none
	})
	return none
}

func within(n syntax.Node, f Frame) bool {
	start, end := n.Span()
	return int(start.Line) <= f.Line && f.Line <= int(end.Line)
}
