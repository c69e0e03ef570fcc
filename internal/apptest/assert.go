package apptest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/lib"
	"asgibox/workerpool/script/value"
)

// builtins returns the functions of a file of tests besides those of applications.
func builtins(w *world) starlark.StringDict {
	names := starlark.StringDict{}
	for name, f := range map[string]builtin{
		"assert_equal": assertEqual, "assert_true": assertTrue, "assert_in": assertIn, "assert_status": assertStatus,
		"assert_fails": w.assertFails, "sleep": w.advanceCall,
	} {
		names[name] = starlark.NewBuiltin(name, f)
	}
	names["ANY"] = anything
	return names
}

// assertEqual implements assert_equal(got, want). Want may have ANY in it.
func assertEqual(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var got, want starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "got", &got, "want", &want); err != nil {
		return nil, err
	}
	got, want = plain(got), plain(want)
	left := value.Budget(value.MaxText)
	err := left.Measure(want) // before it is filled, which follows the nesting
	same := false
	if err == nil {
		same, err = equal(got, filled(want, got))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	if !same {
		return nil, fmt.Errorf("%s: the values differ\n%s", b.Name(), difference(got, want))
	}
	return starlark.None, nil
}

// assertTrue implements assert_true(x, message="").
func assertTrue(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	message := ""
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "x", &v, "message?", &message); err != nil {
		return nil, err
	}
	switch {
	case bool(v.Truth()):
		return starlark.None, nil
	case message != "":
		return nil, errors.New(message)
	}
	return nil, fmt.Errorf("%s: %s is not true", b.Name(), value.Brief(v))
}

// assertIn implements assert_in(x, xs): x is an item, a key or a part of xs.
func assertIn(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x, xs starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "x", &x, "xs", &xs); err != nil {
		return nil, err
	}
	x, xs = plain(x), plain(xs)
	found, err := contains(xs, x)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	if !found {
		return nil, fmt.Errorf("%s: %s is not in\n  %s", b.Name(), value.Brief(x), shortened(xs))
	}
	return starlark.None, nil
}

// contains reports whether x is in xs.
func contains(xs, x starlark.Value) (bool, error) {
	switch xs := xs.(type) {
	case starlark.String:
		part, ok := starlark.AsString(x)
		if !ok {
			return false, explain.Hintf("write str(value)", "%s is searched in text, but is %s", value.Brief(x), value.An(x))
		}
		return strings.Contains(string(xs), part), nil
	case starlark.Bytes:
		part, ok := x.(starlark.Bytes)
		if !ok {
			return false, fmt.Errorf("%s is searched in bytes, but is %s", value.Brief(x), value.An(x))
		}
		return strings.Contains(string(xs), string(part)), nil
	case starlark.Mapping:
		if _, err := lib.Key(x); err != nil {
			return false, err
		}
		_, found, err := xs.Get(x)
		return found, err
	case starlark.Iterable:
		for item := range starlark.Elements(xs) {
			if same, err := equal(plain(item), x); same || err != nil {
				return same, err
			}
		}
		return false, nil
	}
	return false, fmt.Errorf("%s is %s; it must be text, bytes, a list or a dict", value.Brief(xs), value.An(xs))
}

// assertStatus implements assert_status(response, status).
func assertStatus(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var response starlark.HasAttrs
	var want int
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "response", &response, "status", &want); err != nil {
		return nil, err
	}
	v, err := response.Attr("status")
	if err != nil {
		return nil, err
	}
	got, err := starlark.AsInt32(v)
	if v == nil || err != nil {
		return nil, fmt.Errorf("%s: %s has no status; it must be the result of client.get, post or request", b.Name(), value.An(response))
	}
	if got == want {
		return starlark.None, nil
	}
	failure := fmt.Sprintf("%s: the status is %d, not %d", b.Name(), got, want)
	if _, waits := response.(*stream); !waits {
		if body, _ := response.Attr("text"); body != nil && body.Truth() {
			failure += "\n" + indented(firstLines(string(body.(starlark.String))))
		}
	}
	return nil, errors.New(failure)
}

// firstLines returns the first lines of a body.
func firstLines(text string) string {
	const limit = 5
	lines := strings.SplitN(strings.TrimSpace(shortenText(text)), "\n", limit+1)
	if len(lines) > limit {
		lines[limit] = "…"
	}
	return strings.Join(lines, "\n")
}

// assertFails implements assert_fails(fn, *args, **kwargs). It returns the text of
// the error.
func (w *world) assertFails(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("%s: the function is missing; write %[1]s(fn, arguments)", b.Name())
	}
	fn, ok := args[0].(starlark.Callable)
	if !ok {
		return nil, explain.Hintf("write assert_fails(fn, arguments), not assert_fails(fn(arguments))", "%s: the first argument is %s; it must be a function", b.Name(), value.An(args[0]))
	}
	v, err := starlark.Call(thread, fn, args[1:], kwargs)
	var failed *starlark.EvalError
	switch {
	case w.interrupt.err() != nil:
		return nil, w.interrupt.err()
	case err == nil:
		return nil, fmt.Errorf("%s: %s did not fail; it returned %s", b.Name(), fn.Name(), value.Brief(v))
	case errors.As(err, &failed):
		return starlark.String(failed.Msg), nil
	}
	return starlark.String(err.Error()), nil
}

// plain returns the dict of a value that behaves like one, such as a message.
func plain(v starlark.Value) starlark.Value {
	if d, ok := value.DictOf(v); ok {
		return d
	}
	return v
}

// equal compares values after it has checked that they do not nest too deeply.
func equal(a, b starlark.Value) (bool, error) {
	left := value.Budget(value.MaxText)
	if err := left.Measure(a); err != nil {
		return false, err
	}
	if err := left.Measure(b); err != nil {
		return false, err
	}
	return starlark.EqualDepth(a, b, value.MaxNesting)
}

// indented puts two spaces before each line that is not empty.
func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		if line != "\n" {
			b.WriteString("  ")
		}
		b.WriteString(line)
	}
	return b.String()
}

// sortedNames returns the keys of a map and further names, sorted.
func sortedNames[V any](m map[string]V, names ...string) []string {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
