package web

import (
	"slices"
	"text/template/parse"
)

// A guard changes a parsed template so that a page can limit it.
type guard struct{ tree *parse.Tree }

// list changes a list of nodes. Empty texts, which are written too, make it take a
// step each time it runs, and more for each pipe.
func (g guard) list(list *parse.ListNode) {
	if list == nil {
		return
	}
	nodes := []parse.Node{g.step(list)}
	for _, node := range list.Nodes {
		steps := 0
		switch n := node.(type) {
		case *parse.ActionNode:
			steps = g.pipe(n.Pipe)
			if len(n.Pipe.Decl) == 0 {
				steps-- // it writes its value
				g.output(n.Pipe)
			}
		case *parse.TemplateNode:
			steps = g.pipe(n.Pipe)
		case *parse.IfNode:
			steps = g.branch(&n.BranchNode)
		case *parse.WithNode:
			steps = g.branch(&n.BranchNode)
		case *parse.RangeNode:
			steps = g.branch(&n.BranchNode)
			n.Pipe.Cmds = append(n.Pipe.Cmds, g.call(countKeys, n.Pipe))
		}
		for range steps {
			nodes = append(nodes, g.step(node))
		}
		if _, ok := node.(*parse.TemplateNode); ok {
			nodes = append(nodes, g.do(enter, node), node, g.do(leave, node))
			continue
		}
		nodes = append(nodes, node)
	}
	list.Nodes = nodes
}

func (g guard) step(at parse.Node) parse.Node {
	return &parse.TextNode{NodeType: parse.NodeText, Pos: at.Position()}
}

// branch changes a branch or loop, and returns the steps of its pipe.
func (g guard) branch(n *parse.BranchNode) int {
	g.list(n.List)
	g.list(n.ElseList)
	return g.pipe(n.Pipe)
}

// output counts the text of a value that is written to the page, before it is
// escaped.
func (g guard) output(p *parse.PipeNode) {
	last := p.Cmds[len(p.Cmds)-1]
	switch name := function(last); name {
	case "print", "println", "printf", "js":
		return // counts itself
	case "html", "urlquery":
		// Package template joins these to its own escapers, and they must be last.
		if len(p.Cmds) == 1 {
			last.Args[0] = g.identifier("print", last.Args[0])
			p.Cmds = append(p.Cmds, g.call(name, p))
			return
		}
		p.Cmds = slices.Insert(p.Cmds, len(p.Cmds)-1, g.call(countText, p))
	default:
		p.Cmds = append(p.Cmds, g.call(countText, p))
	}
}

// pipe counts texts that functions compare or look up, and the results of methods. It
// returns the steps that the pipe takes: one for each command or four arguments.
func (g guard) pipe(p *parse.PipeNode) (steps int) {
	if p == nil {
		return 0
	}
	var cmds []*parse.CommandNode
	for i, cmd := range p.Cmds {
		steps += 1 + len(cmd.Args)/4
		first := firstText(cmd)
		for j, arg := range cmd.Args {
			steps += g.argument(arg)
			if first > 0 && j >= first {
				cmd.Args[j] = g.counted(arg, p)
			}
		}
		piped := i > 0
		if piped && first > 0 && len(cmd.Args) >= first {
			cmds = append(cmds, g.call(countText, p))
		}
		cmds = append(cmds, cmd)
		if isField(cmd.Args[0]) && (piped || len(cmd.Args) > 1) {
			cmds = append(cmds, g.call(countText, p))
		}
	}
	p.Cmds = cmds
	return steps
}

// firstText returns the index of the first argument of a command that it may read
// as a text, if it makes none; 0 if there is none.
func firstText(cmd *parse.CommandNode) int {
	switch function(cmd) {
	case "eq", "ne", "lt", "le", "gt", "ge":
		return 1
	case "index":
		return 2
	}
	return 0
}

// argument changes what is in brackets.
func (g guard) argument(arg parse.Node) (steps int) {
	switch n := arg.(type) {
	case *parse.PipeNode:
		return g.pipe(n)
	case *parse.ChainNode:
		return g.argument(n.Node)
	}
	return 0
}

// counted returns (arg | _count_text), for an argument of a command in a pipe.
func (g guard) counted(arg parse.Node, p *parse.PipeNode) parse.Node {
	switch arg.Type() {
	case parse.NodeNumber, parse.NodeBool, parse.NodeNil:
		return arg
	}
	value, inner := *p.Cmds[0], *p // for their positions
	value.Args = []parse.Node{arg}
	inner.Decl, inner.IsAssign = nil, false
	inner.Cmds = []*parse.CommandNode{&value, g.call(countText, p)}
	return &inner
}

// call returns a command for a pipe that calls a function with the result of the
// command before.
func (g guard) call(name string, p *parse.PipeNode) *parse.CommandNode {
	cmd := *p.Cmds[0] // for its position
	cmd.Args = []parse.Node{g.identifier(name, p)}
	return &cmd
}

// do returns a node that calls a function and writes nothing. It sets a variable whose name
// no template can write.
func (g guard) do(name string, at parse.Node) parse.Node {
	pos := at.Position()
	call := &parse.CommandNode{NodeType: parse.NodeCommand, Pos: pos, Args: []parse.Node{g.identifier(name, at)}}
	result := &parse.VariableNode{NodeType: parse.NodeVariable, Pos: pos, Ident: []string{"$ "}}
	return &parse.ActionNode{NodeType: parse.NodeAction, Pos: pos, Pipe: &parse.PipeNode{
		NodeType: parse.NodePipe, Pos: pos, Decl: []*parse.VariableNode{result}, Cmds: []*parse.CommandNode{call},
	}}
}

func (g guard) identifier(name string, at parse.Node) parse.Node {
	return parse.NewIdentifier(name).SetPos(at.Position()).SetTree(g.tree)
}

// function returns the name of the function that a command calls, or "".
func function(cmd *parse.CommandNode) string {
	if id, ok := cmd.Args[0].(*parse.IdentifierNode); ok {
		return id.Ident
	}
	return ""
}

// isField reports whether a node may name a method.
func isField(n parse.Node) bool {
	switch n.Type() {
	case parse.NodeField, parse.NodeVariable, parse.NodeChain:
		return true
	}
	return false
}
