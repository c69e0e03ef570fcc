package script

import (
	"errors"
	"fmt"
	"maps"
	"sync"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// A Coverage counts how often the lines and routes of an application are reached,
// in all its generations. Its methods may be called from any goroutine.
type Coverage struct {
	mu     sync.Mutex // guards the rest
	lines  map[string]map[int]int
	routes map[Route]int
	order  []Route
}

// NewCoverage returns an empty coverage.
func NewCoverage() *Coverage {
	return &Coverage{lines: make(map[string]map[int]int), routes: make(map[Route]int)}
}

// Lines returns how often each line that begins a statement was reached, by file.
func (c *Coverage) Lines() map[string]map[int]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]map[int]int)
	for file, lines := range c.lines {
		all[file] = maps.Clone(lines)
	}
	return all
}

// A RouteCount is a route and how often it handled a message.
type RouteCount struct {
	Route
	Count int `json:"count"`
}

// Routes returns the routes in the order of the application.
func (c *Coverage) Routes() (all []RouteCount) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.order {
		all = append(all, RouteCount{r, c.routes[r]})
	}
	return all
}

// addRoutes adds the routes of a table.
func (c *Coverage) addRoutes(routes []Route) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range routes {
		if _, known := c.routes[r]; !known {
			c.routes[r] = 0
			c.order = append(c.order, r)
		}
	}
}

// reached counts a message that a route handles. It does nothing without coverage.
func (c *Coverage) reached(r Route) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.routes[r]++
}

// counterName is the name of the counter in a file. A script cannot write it.
const counterName = "%count"

// instrument adds a statement before each statement of a file that counts its
// line: counter | line.
func (c *Coverage) instrument(name string, f *syntax.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := c.lines[name]
	if lines == nil {
		lines = make(map[int]int)
		c.lines[name] = lines
	}
	counted := func(body []syntax.Stmt) []syntax.Stmt {
		var out []syntax.Stmt
		for _, s := range body {
			pos, _ := s.Span()
			if !isDocumentation(s) {
				lines[int(pos.Line)] += 0
				out = append(out, &syntax.ExprStmt{X: &syntax.BinaryExpr{
					X: &syntax.Ident{NamePos: pos, Name: counterName}, OpPos: pos, Op: syntax.PIPE,
					Y: &syntax.Literal{Token: syntax.INT, TokenPos: pos, Value: int64(pos.Line)},
				}})
			}
			out = append(out, s)
		}
		return out
	}
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			n.Body = counted(n.Body)
		case *syntax.IfStmt:
			n.True, n.False = counted(n.True), counted(n.False)
		case *syntax.ForStmt:
			n.Body = counted(n.Body)
		case *syntax.WhileStmt:
			n.Body = counted(n.Body)
		}
		return true
	})
	f.Stmts = counted(f.Stmts)
}

// isDocumentation reports whether a statement is only a text, which describes a
// function or a file.
func isDocumentation(s syntax.Stmt) bool {
	e, ok := s.(*syntax.ExprStmt)
	if !ok {
		return false
	}
	l, ok := e.X.(*syntax.Literal)
	return ok && l.Token == syntax.STRING
}

// counter counts the lines of a file that are reached.
type counter struct {
	coverage *Coverage
	file     string
}

var _ starlark.HasBinary = counter{}

func (c counter) String() string        { return "counter" }
func (c counter) Type() string          { return "counter" }
func (c counter) Freeze()               {}
func (c counter) Truth() starlark.Bool  { return true }
func (c counter) Hash() (uint32, error) { return 0, errors.New("unhashable: counter") }

// Binary counts a line.
func (c counter) Binary(_ syntax.Token, line starlark.Value, _ starlark.Side) (starlark.Value, error) {
	n, err := starlark.AsInt32(line)
	if err != nil {
		return nil, fmt.Errorf("count: %w", err)
	}
	c.coverage.mu.Lock()
	defer c.coverage.mu.Unlock()
	c.coverage.lines[c.file][n]++
	return starlark.None, nil
}

// predeclaredIn returns the names of a file: those of all files and, with
// coverage, its counter.
func (u *unit) predeclaredIn(file string) starlark.StringDict {
	c := u.loader.opts.Coverage
	if c == nil {
		return u.all
	}
	names := maps.Clone(u.all)
	names[counterName] = counter{c, file}
	return names
}
