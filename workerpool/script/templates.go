package script

import (
	"strings"

	"asgibox/workerpool/script/explain"

	scopes "go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// A rendering is a call of render with the name of a template as a literal.
type rendering struct {
	call     *syntax.Ident
	template string
	pos      syntax.Position // of the name
}

// renderings returns the calls of render in a file.
func renderings(f *syntax.File) (found []rendering) {
	syntax.Walk(f, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		fn, ok := call.Fn.(*syntax.Ident)
		name, isLiteral := call.Args[0].(*syntax.Literal)
		if !ok || fn.Name != "render" || !isLiteral || name.Token != syntax.STRING {
			return true
		}
		found = append(found, rendering{fn, name.Value.(string), name.TokenPos})
		return true
	})
	return found
}

// predeclaredOnly returns the calls that call the predeclared render, after the
// file has been resolved.
func predeclaredOnly(calls []rendering) (own []rendering) {
	for _, c := range calls {
		if b, ok := c.call.Binding.(*scopes.Binding); ok && b.Scope == scopes.Predeclared {
			own = append(own, c)
		}
	}
	return own
}

// checkTemplates fails if a template that the files render is missing or broken.
func (u *unit) checkTemplates() error {
	if u.loader.opts.NoCheck {
		return nil
	}
	u.mu.Lock()
	calls := u.rendered
	u.mu.Unlock()
	checked := make(map[string]bool)
	for _, c := range calls {
		if checked[c.template] {
			continue
		}
		checked[c.template] = true
		err := u.web.CheckTemplate(c.template)
		if err == nil {
			continue
		}
		x := explain.Of(u.explained(err))
		pos := c.pos
		if len(x.Frames) > 0 && x.Frames[0].Line > 0 {
			at := x.Frames[0]
			pos = syntax.MakePosition(&at.File, int32(at.Line), int32(at.Col))
		}
		return &placedError{explain.Hintf(x.Hint, "the template %q cannot be rendered: %s", c.template, strings.TrimPrefix(x.Message, "render: ")), pos}
	}
	return nil
}
