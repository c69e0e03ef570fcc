package script

import (
	"context"
	"slices"
	"strings"

	"asgibox/workerpool/script/explain"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// testPrefix begins the names of the functions that are tests.
const testPrefix = "test_"

// Tests is a file of tests that has run: its functions whose names start with
// test_. It belongs to one goroutine.
type Tests struct {
	unit    *unit
	run     *run
	globals starlark.StringDict
}

// LoadTests runs the loader's file as a file of tests. The context limits the
// file and its tests. The caller must close the tests.
func (l *Loader) LoadTests(ctx context.Context) (*Tests, error) {
	u, err := l.open(1)
	if err != nil {
		return nil, err
	}
	r := u.newRun(ctx, "tests")
	r.out = u.direct()
	globals, err := r.exec(l.file)
	if err == nil {
		err = u.checkTests()
	}
	if err != nil {
		u.close()
		return nil, u.explained(err)
	}
	l.loaded(u, nil)
	return &Tests{u, r, globals}, nil
}

// checkTests returns an error for a test that another one of the same name would
// replace, and for one that does not take a client.
func (u *unit) checkTests() error {
	text, _ := u.sources.lookup(u.loader.file)
	f, err := dialect.Parse(u.loader.file, text, 0)
	if err != nil {
		return err
	}
	lines := make(map[string]int32)
	for _, s := range f.Stmts {
		d, ok := s.(*syntax.DefStmt)
		if !ok || !strings.HasPrefix(d.Name.Name, testPrefix) {
			continue
		}
		name, pos := d.Name.Name, d.Name.NamePos
		switch first := lines[name]; {
		case first > 0:
			return &placedError{explain.Hintf("rename one of them", "%s is defined a second time; the first is in line %d", name, first), pos}
		case len(d.Params) != 1:
			return &placedError{explain.Hintf("write def "+name+"(client):", "%s has %d parameters; a test has one, the client", name, len(d.Params)), pos}
		}
		lines[name] = pos.Line
	}
	return nil
}

// Names returns the names of the tests in the order of the file.
func (t *Tests) Names() []string {
	names := slices.DeleteFunc(t.globals.Keys(), func(name string) bool {
		_, isFunction := t.globals[name].(*starlark.Function)
		return !isFunction || !strings.HasPrefix(name, testPrefix)
	})
	slices.SortStableFunc(names, func(a, b string) int { return int(t.line(a) - t.line(b)) })
	return names
}

func (t *Tests) line(name string) int32 { return t.globals[name].(*starlark.Function).Position().Line }

// Value returns a name that the file can use, such as layer or state.
func (t *Tests) Value(name string) starlark.Value { return t.unit.names[name] }

// Run runs a test. An error has the place in the file.
func (t *Tests) Run(name string, args ...starlark.Value) error {
	_, err := t.run.call(t.globals[name], args, nil)
	return t.unit.explained(err)
}

// Close closes the files.
func (t *Tests) Close() { t.unit.close() }
