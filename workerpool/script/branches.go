package script

import (
	"asgibox/workerpool/script/explain"

	"go.starlark.net/syntax"
)

// maxBranches is how many branches of if statements may be behind or in each other,
// and how many clauses a comprehension may have. The compiler follows the ends of all
// others for each of them, and nothing can interrupt it.
const maxBranches = 5000

// parse parses a file. It refuses one that would take long to compile.
func parse(options *syntax.FileOptions, name string, source any) (*syntax.File, error) {
	f, err := options.Parse(name, source, 0)
	if err != nil {
		return nil, err
	}
	return f, checkBranches(f)
}

// checkBranches returns an error for a statement or comprehension with too many
// branches. An elif is a statement in the else before it.
func checkBranches(f *syntax.File) (err error) {
	var open []bool // for each node around the place, whether it is an if statement
	depth := 0
	syntax.Walk(f, func(n syntax.Node) bool {
		if n == nil {
			if open[len(open)-1] {
				depth--
			}
			open = open[:len(open)-1]
			return true
		}
		what, hint := "", ""
		_, isIf := n.(*syntax.IfStmt)
		if isIf {
			if depth++; depth > maxBranches {
				what, hint = "the if statement has more than %d branches", "put the cases into a dict"
			}
		}
		if c, ok := n.(*syntax.Comprehension); ok && len(c.Clauses) > maxBranches {
			what, hint = "the comprehension has more than %d clauses", "write a loop"
		}
		if what != "" && err == nil {
			pos, _ := n.Span()
			err = &placedError{explain.Hintf(hint, what, maxBranches), pos}
		}
		open = append(open, isIf)
		return true
	})
	return err
}
