package stack

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"asgibox/workerpool/script/explain"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// framesOf runs a file, calls its function f, and returns the variables of each
// frame of the error.
func framesOf(t *testing.T, source string) (frames []string) {
	t.Helper()
	thread := new(starlark.Thread)
	options := &syntax.FileOptions{TopLevelControl: true, GlobalReassign: true, Set: true}
	f, err := options.Parse("app.star", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	Instrument(f)
	predeclared := starlark.StringDict{EnterName: Enter}
	program, err := starlark.FileProgram(f, predeclared.Has)
	if err != nil {
		t.Fatal(err)
	}
	globals, err := Init(program, thread, predeclared)
	if err == nil {
		_, err = Call(thread, globals["f"], starlark.Tuple{starlark.MakeInt(7)}, nil)
	}
	if err == nil {
		t.Fatal("the program did not fail")
	}
	for _, f := range explain.Error(err, explain.Options{}).Frames {
		var parts []string
		for _, v := range f.Locals {
			parts = append(parts, v.Name+"="+v.Value)
		}
		frames = append(frames, fmt.Sprintf("%s %s", f.Func, strings.Join(parts, " ")))
	}
	return frames
}

func TestAnErrorHasTheVariablesOfEachCall(t *testing.T) {
	for name, c := range map[string]struct {
		source string
		want   []string
	}{
		"two calls": {"def g(text):\n  n = len(text)\n  return n + text\ndef f(x):\n  names = [\"ada\", \"ben\"]\n  g(names[0])\n  late = 1\n",
			[]string{`f x=7 names=["ada", "ben"]`, `g text="ada" n=3`}},
		"a built-in function": {"def f(x):\n  return [1][x]\n", []string{"f x=7"}},
		"an inner function": {"def f(x):\n  y = x * 2\n  def g(z): return y + z\n  return g(\"a\")\n",
			[]string{"f x=7 y=14 g=<function g>", `g z="a" y=14`}},
		"the top level": {"def g(): pass\nname = \"ada\"\nfail(name)\n", []string{` name="ada"`}},
		"a value that changes later": {"l = [1]\ndef g(l):\n  return l[9]\ndef f(x):\n  m = [x]\n  g(m)\n",
			[]string{"f x=7 m=[7]", "g l=[7]"}},
		"a loop that is never left": {"def f(x):\n  for i in range(3):\n    y = [i]\n    1 + \"a\"\n", []string{"f x=7 i=0 y=[0]"}},
		"an operator after another call at the same depth": {"def g(a): return len(a)\ndef h(b): return None + b\ndef f(x):\n  g([x])\n  h(x)\n",
			[]string{"f x=7", "h b=7"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := framesOf(t, c.source)
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// A huge value must cost no more than a small one.
func TestLongValuesAreCut(t *testing.T) {
	got := framesOf(t, `
def f(x):
  text = "word " * 1000000
  numbers = list(range(1000000))
  table = {n: n for n in range(100000)}
  big = 2
  for _ in range(20):
    big = big * big
  deep = numbers
  for _ in range(100):
    deep = [deep, deep]
  fail("no")
`)
	if len(got) != 1 || len(got[0]) > 2500 {
		t.Fatalf("%d bytes: %.3000q", len(got[0]), got)
	}
	for _, want := range []string{`text="word word`, "numbers=[0, 1, 2", "table={0: 0, 1: 1", "an int of 1048577 bits", "deep=[[[[[[[…], […]]"} {
		if !strings.Contains(got[0], want) {
			t.Errorf("%q is not in %q", want, got[0])
		}
	}
}

func TestADeepStackHasVariablesOnlyAtItsEnds(t *testing.T) {
	thread := new(starlark.Thread)
	_, program, err := starlark.SourceProgramOptions(&syntax.FileOptions{Recursion: true}, "app.star", "def f(x):\n  return f(x + 1) if x < 2000 else fail(\"deep\")\n", func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	globals, err := Init(program, thread, nil)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err = Call(thread, globals["f"], starlark.Tuple{starlark.MakeInt(0)}, nil)
	t.Logf("%v", time.Since(began))
	frames := explain.Error(err, explain.Options{}).Frames
	with := 0
	for _, f := range frames {
		with += len(f.Locals)
	}
	if len(frames) != 2001 || with > 2*explain.MaxFrames || frames[2000].Locals[0].Value != "2000" || frames[0].Locals[0].Value != "0" {
		t.Errorf("%d frames, %d with variables", len(frames), with)
	}
}

func TestErrorsKeepTheirType(t *testing.T) {
	gone := errors.New("gone")
	thread := new(starlark.Thread)
	_, err := Call(thread, starlark.NewBuiltin("f", func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
		return nil, gone
	}), nil, nil)
	var failed *starlark.EvalError
	if !errors.Is(err, gone) || !errors.As(err, &failed) || err.Error() != "gone" {
		t.Errorf("%v", err)
	}
}

// The first call of a handler is on the path of every message.
func TestACallWithoutAnErrorAllocatesNothing(t *testing.T) {
	thread, o := new(starlark.Thread), new(Outermost)
	f := starlark.NewBuiltin("f", func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
		return starlark.None, nil
	})
	n := testing.AllocsPerRun(100, func() {
		if _, err := o.Call(thread, f, nil, nil); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
