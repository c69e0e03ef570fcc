package web

import (
	"html/template"
	"slices"
	"strings"
	"text/template/parse"
)

// maxWork limits what package template does to escape the templates of a page, in a
// unit of a few nanoseconds.
const maxWork = 1 << 26

// A work is what package template does to escape a part of a template.
type work struct {
	bytes  int // that it reads, about
	stacks int // copies of its stack of the open braces of a script
	tables int // copies of its table of escaped templates
}

func (w work) plus(n int, other work) work {
	sum := func(a, b int) int { return min(a+n*b, maxWork+1) }
	return work{sum(w.bytes, other.bytes), sum(w.stacks, other.stacks), sum(w.tables, other.tables)}
}

// cost returns the work in the unit of maxWork, after some templates and copies of
// templates. The name of a copy contains the open braces.
func (w work) cost(braces, templates, copies int) int {
	return w.bytes + 2*w.stacks*braces + w.tables*(128*(templates+copies)+braces*copies)
}

// workOf returns the work for a list of nodes. Package template escapes the body of a
// loop twice, so the time that loops in each other take is exponential.
func workOf(list *parse.ListNode) work {
	var w work
	if list == nil {
		return w
	}
	branch := func(n *parse.BranchNode, times int) {
		w.stacks++
		w = w.plus(times, workOf(n.List)).plus(1, workOf(n.ElseList))
	}
	for _, node := range list.Nodes {
		w.bytes += 64
		switch n := node.(type) {
		case *parse.TextNode:
			w.bytes += len(n.Text)
		case *parse.TemplateNode:
			w.bytes += 256
			w.stacks += 16 // it formats one as a text
		case *parse.IfNode:
			branch(&n.BranchNode, 1)
		case *parse.WithNode:
			branch(&n.BranchNode, 1)
		case *parse.RangeNode:
			w.tables++
			branch(&n.BranchNode, 2)
		}
	}
	return w
}

// An escaping limits the time to escape a set of templates. Package template escapes a
// template once for each context in which it is included: text, and each kind of
// attribute and script. It does so once more after an error, and if a template that
// includes itself ends in another context, and forgets what it learned in between. So
// its time can be exponential. It does not end if each context leads to a new one.
type escaping struct {
	parts  map[string]part
	braces int // how many the scripts open at most
	cost   int // to escape each template once
}

// A part is one template of a set.
type part struct {
	tree     *parse.Tree
	work     work
	includes []reference
}

func newEscaping(set *template.Template) (*escaping, error) {
	e := &escaping{parts: map[string]part{}}
	var all work
	for _, t := range set.Templates() {
		if t.Tree == nil {
			continue
		}
		p := part{t.Tree, workOf(t.Tree.Root), includes(nil, t.Tree.Root, "")}
		p.work.tables++
		e.parts[t.Name()] = p
		e.braces += strings.Count(t.Tree.Root.String(), "${")
		all = all.plus(1, p.work)
		if e.cost = all.cost(e.braces, len(e.parts), 0); e.cost > maxWork {
			return nil, tooMuchWork(t.Tree)
		}
	}
	return e, nil
}

func tooMuchWork(t *parse.Tree) *TemplateError {
	return &TemplateError{t.ParseName, 0, 0, "the templates of this page take too long to load",
		"put inner loops into a template of their own, with {{define}}; include fewer templates, above all in attributes and scripts"}
}

// reach returns the work for a template and all that it includes, and whether these
// include the template.
func (e *escaping) reach(name string) (w work, again bool) {
	names := []string{name}
	for i := 0; i < len(names); i++ {
		p := e.parts[names[i]]
		w = w.plus(1, p.work)
		for _, ref := range p.includes {
			again = again || ref.name == name
			if !slices.Contains(names, ref.name) {
				names = append(names, ref.name)
			}
		}
	}
	return w, again
}

// afterError is what package template appends to the name of a template that it
// escapes after an error.
const afterError = "$htmltemplate_stateError"

// limit changes a copy of the set so that package template panics with a
// [*TemplateError] if escaping takes too long:
//
//   - Package template copies a template to escape it for a context other than text.
//     The copies are counted.
//   - A template that is not a copy is escaped for another context only if it includes
//     itself and ends there. A tripwire makes an error of it.
//   - After an error, it finds an empty template in place of each other.
//
// This follows the code of package template. TestTemplatesThatTakeTooLongToEscape fails
// if that changes.
func (e *escaping) limit(set *template.Template) {
	left, braces, copies := maxWork-e.cost, e.braces, 0
	empty := parsed("-")
	for name, p := range e.parts {
		copied := func() {
			w, again := e.reach(name)
			copies++
			if again {
				braces += e.braces
			}
			if left -= 2 * w.cost(braces, len(e.parts), copies); left < 0 {
				panic(tooMuchWork(p.tree))
			}
		}
		root := set.Lookup(name).Tree.Root
		root.Nodes = append([]parse.Node{tripwire(copied)}, root.Nodes...)
		if _, err := set.AddParseTree(name+afterError, empty); err != nil {
			panic(err) // a programming error
		}
	}
}

// elsewhere is a text that is wrong or leads to another context, in each context but text.
const elsewhere = "</script>--></title></textarea></style>" + scriptEnds + scriptEnds

// scriptEnds leaves a script from a string, regular expression or comment. The slash ends
// a regular expression, and begins one elsewhere, so the text is needed twice.
const scriptEnds = `"</script>'</script>` + "`</script>/</script>*/</script>\n</script>"

// tripwire returns a node for the beginning of a template. It is an error if the
// template is escaped for a context other than text. Its copies are not, because they
// have no text. It calls copied for each copy, and does nothing when the template runs.
func tripwire(copied func()) parse.Node {
	never := parsed("{{if false}}{{if 1}}" + elsewhere + "{{end}}{{if 2}}{{end}}{{end}}").Root.Nodes[0].(*parse.IfNode)
	first, last := never.List.Nodes[0].(*parse.IfNode), never.List.Nodes[1].(*parse.IfNode)
	text := first.List.Nodes[0].(*parse.TextNode)
	onCopy(first.Pipe, func() { copied(); text.Text = nil })
	onCopy(last.Pipe, func() { text.Text = []byte(elsewhere) })
	return never
}

// onCopy makes a pipe, which is never run, call a function when it is copied.
func onCopy(p *parse.PipeNode, copied func()) {
	args := p.Cmds[0].Args
	args[0] = probe{args[0], copied}
}

// A probe is an argument that calls a function when it is copied.
type probe struct {
	parse.Node
	copied func()
}

func (p probe) Copy() parse.Node {
	p.copied()
	return p
}

func parsed(text string) *parse.Tree {
	t, err := parse.New("").Parse(text, "", "", map[string]*parse.Tree{})
	if err != nil {
		panic(err) // a programming error
	}
	return t
}
