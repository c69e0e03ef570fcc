package script

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"asgibox/internal/console"
	"asgibox/workerpool"
	"asgibox/workerpool/script/lib"
	"asgibox/workerpool/script/memory"
	"asgibox/workerpool/script/pretty"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// PromptOptions configure a [Prompt].
type PromptOptions struct {
	// Out gets the results and what the code prints.
	Out io.Writer
	// Terminal makes print replace control characters, which could control
	// the terminal.
	Terminal bool
	// Color enables escape sequences for colors in results.
	Color bool
	// Width returns the number of columns for results. The default is 80.
	Width func() int
	// Channels and Groups return names for completion. They may be nil.
	Channels, Groups func(context.Context) []string
}

// A Prompt evaluates statements that a user enters, one entry after the other.
// Its limits are those of its context; the limits of handlers do not apply. It
// must be used by one goroutine at a time.
type Prompt struct {
	opts    PromptOptions
	unit    *unit
	run     *run
	globals starlark.StringDict // all names: predeclared, guards, the application's, the user's
	app     []string            // names that the application defines
	given   map[string]bool     // names that existed before the first entry
	close   func()
}

// promptOmits are names that only files have: they define routes.
var promptOmits = []string{"route", "include", "every", "hold", "view", "static"}

// NewPrompt returns a prompt without an application. Load statements are relative
// to the current folder.
func NewPrompt(o Options, p PromptOptions) (*Prompt, error) {
	u, err := NewLoader("prompt", o).open(0)
	if err != nil {
		return nil, err
	}
	return u.prompt(context.Background(), nil, p, u.close), nil
}

// Prompt returns a prompt with the globals of the application that was loaded
// last. Those of a routed application are shared and frozen. A loop application
// runs once more until it receives: its workers share no globals either.
func (l *Loader) Prompt(ctx context.Context, p PromptOptions) (*Prompt, error) {
	l.mu.Lock()
	app := l.latest
	l.mu.Unlock()
	switch app := app.(type) {
	case *routed:
		return app.unit.prompt(ctx, app.globals, p, func() {}), nil
	case *loop:
		again, err := app.unit.load(ctx)
		if err != nil {
			return nil, app.unit.explained(err)
		}
		copied, ok := again.(*loop)
		if !ok {
			return nil, fmt.Errorf("%s received a message when it was loaded, but not when it ran again for the prompt", l.file)
		}
		return app.unit.prompt(ctx, copied.first.globals, p, copied.abandon), nil
	}
	return nil, fmt.Errorf("%s is not loaded", l.file)
}

func (u *unit) prompt(ctx context.Context, app starlark.StringDict, o PromptOptions, closing func()) *Prompt {
	if o.Width == nil {
		o.Width = func() int { return 80 }
	}
	p := &Prompt{opts: o, unit: u, run: u.newRun(ctx, "prompt"), globals: maps.Clone(u.all), given: make(map[string]bool), close: closing}
	p.run.unlimited = true
	(*memory.Share)(nil).Use(p.run.thread)
	p.run.thread.Print = func(_ *starlark.Thread, text string) { p.print(text) }
	for _, name := range promptOmits {
		delete(p.globals, name)
	}
	maps.Copy(p.globals, app)
	p.app = slices.DeleteFunc(app.Keys(), isGuard)
	for name := range p.globals {
		p.given[name] = true
	}
	return p
}

func (p *Prompt) print(text string) {
	if p.opts.Terminal {
		lines := strings.Split(text, "\n")
		for i, line := range lines {
			lines[i] = console.Printable(strings.ReplaceAll(line, "\t", "    "))
		}
		text = strings.Join(lines, "\n")
	}
	fmt.Fprintln(p.opts.Out, text)
}

// Close releases the application.
func (p *Prompt) Close() { p.close() }

// promptDialect keeps the names that a load statement binds.
var promptDialect = func() *syntax.FileOptions {
	d := *dialect
	d.LoadBindsGlobally = true
	return &d
}()

// Eval runs the statements in a text and prints the values of expressions,
// except None. The end of ctx interrupts them. File and line are the place of the
// text in errors; texts of the same file must be passed in order.
func (p *Prompt) Eval(ctx context.Context, file string, line int, text string) error {
	if word := strings.TrimSpace(text); word == "?" || (word == "help" || word == "help()") && !p.given["help"] {
		p.help()
		return nil
	}
	p.run.reset(ctx)
	p.run.thread.Uncancel()
	out := p.unit.direct()
	out.cause.Place = p.run.locate
	p.run.out = out
	err := p.eval(file, line, text)
	if saved := p.run.saveSessions(); err == nil {
		err = saved
	}
	p.run.sessions = nil
	if err == nil {
		return nil
	}
	return &Error{err: err, unit: p.unit, names: p.names()}
}

func (p *Prompt) eval(file string, line int, text string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &workerpool.PanicError{Value: v}
		}
	}()
	text = strings.TrimRight(text, " \t\n") + "\n"
	p.unit.sources.add(file, line, text)
	if err := checkNesting(file, int32(line), text); err != nil {
		return err
	}
	f, err := parse(promptDialect, file, syntax.FilePortion{Content: []byte(text), FirstLine: int32(line), FirstCol: 1})
	if err != nil {
		return err
	}
	lib.Guard(f)
	for _, s := range f.Stmts {
		x, ok := s.(*syntax.ExprStmt)
		if !ok {
			if err := p.exec(&syntax.File{Path: f.Path, Options: f.Options, Stmts: []syntax.Stmt{s}}); err != nil {
				return err
			}
			continue
		}
		v, err := starlark.EvalExprOptions(f.Options, p.run.thread, x.X, p.globals)
		if err != nil {
			return err
		}
		if v != starlark.None {
			p.globals["_"] = v
			fmt.Fprintln(p.opts.Out, pretty.Text(v, pretty.Options{Width: p.opts.Width(), Color: p.opts.Color}))
		}
	}
	return nil
}

// exec runs a file with one statement. A function uses the other names as they
// are when it is called. Other statements get copies of them, because they may
// change them.
func (p *Prompt) exec(f *syntax.File) error {
	if !definesFunction(f.Stmts[0]) {
		return starlark.ExecREPLChunk(f, p.run.thread, p.globals)
	}
	program, err := starlark.FileProgram(f, p.globals.Has)
	if err != nil {
		return err
	}
	defined, err := program.Init(p.run.thread, p.globals)
	maps.Copy(p.globals, defined)
	return err
}

// definesFunction reports whether a statement is a def or assigns a lambda.
func definesFunction(s syntax.Stmt) bool {
	switch s := s.(type) {
	case *syntax.DefStmt:
		return true
	case *syntax.AssignStmt:
		_, isLambda := s.RHS.(*syntax.LambdaExpr)
		return isLambda && s.Op == syntax.EQ
	}
	return false
}

// names returns the names without the guards.
func (p *Prompt) names() starlark.StringDict {
	names := maps.Clone(p.globals)
	maps.DeleteFunc(names, func(name string, _ starlark.Value) bool { return isGuard(name) })
	return names
}

func isGuard(name string) bool { return strings.HasPrefix(name, "%") }

// help prints the names that the prompt has.
func (p *Prompt) help() {
	row := func(name string, what ...string) {
		text := strings.Join(what, ", ")
		for i, line := range pretty.Fill(text, p.opts.Width()-12) {
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(p.opts.Out, "  %-9s %s\n", name, line)
		}
	}
	main := []string{"layer", "state", "Channel", "Group", "http"}
	for _, name := range main {
		row(name, p.attributes(name)...)
	}
	var others, own []string
	for _, name := range slices.Sorted(maps.Keys(p.globals)) {
		switch {
		case isGuard(name) || name == "_" || slices.Contains(main, name) || slices.Contains(p.app, name):
		case p.given[name]:
			if !starlark.Universe.Has(name) {
				others = append(others, name)
			}
		default:
			own = append(own, name)
		}
	}
	row("also", others...)
	if len(p.app) > 0 {
		row(p.unit.loader.file, p.app...)
	}
	if len(own) > 0 {
		row("yours", own...)
	}
	row("_", "the last result")
}
