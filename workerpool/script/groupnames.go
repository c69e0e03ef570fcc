package script

import (
	"fmt"

	"asgibox/internal/spell"

	scopes "go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// groupNames are the names of groups that files write as literals.
type groupNames struct {
	added   map[string]bool // channels may be added to these groups
	sent    []sentGroup
	unknown bool // channels may be added to groups with other names
}

// A sentGroup is a message to a group.
type sentGroup struct {
	name string
	pos  syntax.Position
	fn   *syntax.Ident // Group or layer
}

// groupCalls returns the calls with groups in a file.
func groupCalls(f *syntax.File) (g groupNames) {
	g.added = make(map[string]bool)
	sends := make(map[*syntax.CallExpr]bool) // calls of Group that only send
	syntax.Walk(f, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok {
			return true
		}
		name, pos, isLiteral := firstLiteral(call)
		switch fn := call.Fn.(type) {
		case *syntax.DotExpr:
			object, _ := fn.X.(*syntax.Ident)
			inner, _ := fn.X.(*syntax.CallExpr)
			switch method := fn.Name.Name; {
			case inner != nil && isGroup(inner) && (method == "send" || method == "discard"):
				sends[inner] = true
				if name, pos, ok := firstLiteral(inner); ok && method == "send" {
					g.sent = append(g.sent, sentGroup{name, pos, inner.Fn.(*syntax.Ident)})
				}
			case object != nil && method == "send_group" && isLiteral:
				g.sent = append(g.sent, sentGroup{name, pos, object})
			case method == "group_add":
				g.add(name, isLiteral)
			}
		case *syntax.Ident:
			if isGroup(call) && !sends[call] {
				g.add(name, isLiteral)
			}
		}
		return true
	})
	return g
}

// add notes that channels may be added to a group.
func (g *groupNames) add(name string, isLiteral bool) {
	if isLiteral {
		g.added[name] = true
	} else {
		g.unknown = true
	}
}

// isGroup reports whether a call is one of a function named Group.
func isGroup(call *syntax.CallExpr) bool {
	fn, ok := call.Fn.(*syntax.Ident)
	return ok && fn.Name == "Group"
}

// firstLiteral returns the first argument of a call if it is a string literal.
func firstLiteral(call *syntax.CallExpr) (text string, pos syntax.Position, ok bool) {
	if len(call.Args) == 0 {
		return "", pos, false
	}
	literal, ok := call.Args[0].(*syntax.Literal)
	if !ok || literal.Token != syntax.STRING {
		return "", pos, false
	}
	return literal.Value.(string), literal.TokenPos, true
}

// merge adds the names of another file, after that file has been resolved.
func (g *groupNames) merge(other groupNames) {
	if g.added == nil {
		g.added = make(map[string]bool)
	}
	for name := range other.added {
		g.added[name] = true
	}
	for _, s := range other.sent {
		if b, ok := s.fn.Binding.(*scopes.Binding); ok && b.Scope == scopes.Predeclared {
			g.sent = append(g.sent, s)
		}
	}
	g.unknown = g.unknown || other.unknown
}

// checkGroups reports messages to a group that no code adds a channel to, if the
// name resembles that of another group.
func (u *unit) checkGroups() error {
	u.mu.Lock()
	g := u.groups
	u.mu.Unlock()
	if g.unknown {
		return nil
	}
	var names []string
	for name := range g.added {
		names = append(names, name)
	}
	for _, s := range g.sent {
		near := spell.Nearest(s.name, names)
		if g.added[s.name] || near == "" {
			continue
		}
		if err := u.reportAt(s.pos, fmt.Sprintf("no code adds a channel to the group %q", s.name), fmt.Sprintf("did you mean %q?", near)); err != nil {
			return err
		}
	}
	return nil
}
