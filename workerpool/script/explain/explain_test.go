package explain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

var dialect = &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true, Recursion: true}

var predeclared = starlark.StringDict{
	"Group": starlark.None, "Channel": starlark.None, "json": json.Module, "time": starlark.None, "log": starlark.None,
	"layer": &starlarkstruct.Module{Name: "layer", Members: starlark.StringDict{"send": starlark.None, "send_group": starlark.None}},
}

// run loads the program and calls its main, if it has one.
func run(src string) error {
	thread := &starlark.Thread{}
	globals, err := starlark.ExecFileOptions(dialect, thread, "app.star", src, predeclared)
	if err != nil {
		return err
	}
	globals.Freeze()
	if globals["main"] == nil {
		return nil
	}
	_, err = starlark.Call(thread, globals["main"], nil, nil)
	return err
}

func options(src string) Options {
	return Options{Predeclared: predeclared, Source: func(file string) (string, bool) { return src, file == "app.star" }}
}

func explained(t testing.TB, src string) Explanation {
	t.Helper()
	err := run(src)
	if err == nil {
		t.Fatalf("no error in:\n%s", src)
	}
	return Error(err, options(src))
}

var expectation = regexp.MustCompile(`#! (\d+) ([^/\n]*[^/\s])(?: / ([^\n]+))?`)

// The expected column, message and hint are in a comment on the wrong
// line: "#! COL MESSAGE / HINT".
func TestEachMistakeIsExplainedOnItsLine(t *testing.T) {
	for _, file := range []string{"syntax", "names", "runtime"} {
		data, err := os.ReadFile("testdata/" + file + ".star")
		if err != nil {
			t.Fatal(err)
		}
		for i, src := range strings.Split(string(data), "---\n") {
			t.Run(fmt.Sprintf("%s/%d", file, i+1), func(t *testing.T) { checkMistake(t, src) })
		}
	}
}

func checkMistake(t *testing.T, src string) {
	for n, line := range strings.Split(src, "\n") {
		want := expectation.FindStringSubmatch(line)
		if want == nil {
			continue
		}
		e := explained(t, src)
		f, ok := e.Place()
		if col, _ := strconv.Atoi(want[1]); !ok || f.Line != n+1 || f.Col != col {
			t.Errorf("points to %v, want line %d, column %d", f, n+1, col)
		}
		if !strings.Contains(e.Message, want[2]) || !strings.Contains(e.Hint, want[3]) {
			t.Errorf("says %q, %q", e.Message, e.Hint)
		}
		if t.Failed() {
			t.Logf("\n%s", e.Text(false))
		}
		return
	}
	t.Fatalf("no expectation in:\n%s", src)
}

func TestAllUndefinedNamesAreReportedAtOnce(t *testing.T) {
	e := explained(t, "x = aaaaaa\ny = bbbbbb\n")
	if len(e.More) != 1 || !strings.Contains(e.More[0].Message, "bbbbbb") || e.More[0].Frames[0].Line != 2 {
		t.Errorf("got %+v", e.More)
	}
}

func TestFramesOfAnErrorInALoadedFile(t *testing.T) {
	files := map[string]string{"app.star": "load('lib.star', 'x')\n", "lib.star": "y = 1\nimport os\n"}
	thread := &starlark.Thread{Load: func(_ *starlark.Thread, file string) (starlark.StringDict, error) {
		return starlark.ExecFileOptions(dialect, new(starlark.Thread), file, files[file], nil)
	}}
	_, err := starlark.ExecFileOptions(dialect, thread, "app.star", files["app.star"], nil)
	e := Error(err, Options{Source: func(f string) (string, bool) { src, ok := files[f]; return src, ok }})
	if len(e.Frames) != 2 || e.Frames[0].String() != "app.star:1:1" || e.Frames[1].String() != "lib.star:2:1" {
		t.Errorf("frames are %v", e.Frames)
	}
	if e.Message != "Starlark has no import" {
		t.Errorf("message is %q", e.Message)
	}

	files["lib.star"] = "def f():\n  return 1 // 0\nx = f()\n"
	_, err = starlark.ExecFileOptions(dialect, thread, "app.star", files["app.star"], nil)
	e = Error(err, Options{})
	if len(e.Frames) != 3 || e.Frames[2].String() != "lib.star:2:12" || e.Frames[2].Func != "f" {
		t.Errorf("frames are %v", e.Frames)
	}
}

// TestEachCallIsOneFrame checks an error that every built-in function on the stack wraps.
func TestEachCallIsOneFrame(t *testing.T) {
	call := starlark.NewBuiltin("call", func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		_, err := starlark.Call(thread, args[0], nil, nil)
		return nil, fmt.Errorf("call: %w", err)
	})
	src := "def f():\n  fail('x')\n" + strings.Repeat("def f(f=f):\n  call(f)\n", 100) + "f()\n"
	thread := new(starlark.Thread)
	_, err := starlark.ExecFileOptions(dialect, thread, "app.star", src, starlark.StringDict{"call": call})
	e := Error(err, options(src))
	if len(e.Frames) != 102 || e.Frames[0].String() != "app.star:203:2" || e.Frames[1].String() != "app.star:202:7" || e.Frames[101].String() != "app.star:2:7" || e.Message != "fail: x" {
		t.Errorf("%q with %d frames: %v", e.Message, len(e.Frames), e.Frames)
	}
}

func TestACancelledHandlerGivesTheReason(t *testing.T) {
	thread := &starlark.Thread{}
	thread.Cancel("it ran longer than 60s (--handler-timeout)")
	_, err := starlark.ExecFileOptions(dialect, thread, "app.star", "x = 1\n", nil)
	if e := Error(err, Options{}); e.Message != "it ran longer than 60s (--handler-timeout)" || !strings.Contains(e.Hint, "check for a loop that never ends") {
		t.Errorf("got %q, %q", e.Message, e.Hint)
	}
}

func TestAnEndlessLoopIsTheMarkedLine(t *testing.T) {
	for src, want := range map[string]string{
		"def main():\n    x = len('a')\n    while True:\n        pass\n    return len('b')\n": "app.star:3:5",
		"def main():\n    while True:\n        continue\n":                                    "app.star:2:5",
		"def main():\n    n = 0\n    while True:\n        n += 1\n":                           "app.star:4:11",
	} {
		thread := &starlark.Thread{}
		globals, err := starlark.ExecFileOptions(dialect, thread, "app.star", src, nil)
		if err != nil {
			t.Fatal(err)
		}
		thread.OnMaxSteps = func(thread *starlark.Thread) { thread.Cancel("it ran longer than 60s (--handler-timeout)") }
		thread.SetMaxExecutionSteps(1000)
		_, err = starlark.Call(thread, globals["main"], nil, nil)
		if f, _ := Error(err, options(src)).Place(); f.String() != want {
			t.Errorf("%q: got %v, want %v", src, f, want)
		}
	}
}

func TestHabitsOfOtherFrameworks(t *testing.T) {
	for said, want := range map[string]string{
		`send: unexpected keyword argument "text"`:              `send({"text": …})`,
		`reply: unexpected keyword argument "text"`:             `send({"text": …})`,
		`render: unexpected keyword argument "rooms"`:           `render("page.html", {"rooms": …})`,
		`print: unexpected keyword argument "end"`:              "one line",
		"invalid message: it is text; a message must be a dict": `{"text": …}`,
		"add: a channel name must be text, not message":         "message.reply_channel",
		"message has no .text field or method":                  `message["text"]`,
		"invalid call of non-function (GET)":                    "request.GET.get(key)",
		"invalid call of non-function (module)":                 "log.info(message)",
		"unhandled index operation state[string]":               "state.get(key)",
		"state value does not support item assignment":          "state.set(key, value)",
		"string has no .hexdigest field or method":              "hexadecimal",
		"can't assign to .user field of request":                `request.session["user"]`,
		"can't assign to .session field of request":             `request.session["key"] = value`,
		"can't assign to .x field of message":                   `message["x"] = value`,
		"can't assign to .x field of session":                   `request.session["x"] = value`,
		"can't assign to .x field of state":                     `state.set("x", value)`,
		"can't assign to .X field of settings":                  "--set NAME=VALUE",
		"settings value does not support item assignment":       "--set NAME=VALUE",
		"can't assign to .name field of Channel":                "a variable or a dict of your own",
		"can't assign to .x field of module":                    "a variable or a dict of your own",
		"GET value does not support item assignment":            "request.GET.dict() is a copy",
		"headers value does not support item assignment":        `response["x-name"] = value`,
	} {
		if e := Error(&starlark.EvalError{Msg: said}, Options{}); !strings.Contains(e.Hint, want) {
			t.Errorf("%s: got %q", said, e.Hint)
		}
	}
}

type placed struct{}

func (placed) Error() string             { return "index.html:2:3: no such field" }
func (placed) Hint() string              { return "check the context" }
func (placed) Place() (string, int, int) { return "index.html", 2, 3 }

func TestAnErrorBringsItsOwnHintAndPlace(t *testing.T) {
	source := func(string) (string, bool) { return "<p>\n  {{.X}}\n</p>\n", true }
	e := Error(fmt.Errorf("render: %w", placed{}), Options{Source: source})
	if e.Hint != "check the context" || len(e.Frames) != 1 || e.Frames[0].String() != "index.html:2:3" || len(e.Frames[0].Lines) != 3 {
		t.Errorf("got %+v", e)
	}

	builtin := starlark.NewBuiltin("render", func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
		return nil, placed{}
	})
	_, err := starlark.ExecFileOptions(dialect, new(starlark.Thread), "app.star", "render()", starlark.StringDict{"render": builtin})
	e = Error(err, Options{Source: source})
	if e.Message != "no such field" || len(e.Frames) != 2 || e.Frames[0].File != "app.star" || e.Frames[1].File != "index.html" || e.Hint == "" {
		t.Errorf("got %+v", e)
	}
}

func TestAnyOtherErrorIsItsOwnMessage(t *testing.T) {
	if e := Error(context.Canceled, Options{}); e.Message != "context canceled" || e.Line() != "context canceled" {
		t.Errorf("got %+v", e)
	}
	if e := Error(errors.Join(errors.New("a"), errors.New("b")), Options{}); e.Line() != "a b" {
		t.Errorf("got %q", e.Line())
	}
}

func TestOneLineForm(t *testing.T) {
	e := explained(t, "x = 1\nimport json\n")
	if got, want := e.Line(), "app.star:2:1: Starlark has no import (leave the line out; json is built in)"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func FuzzExplain(f *testing.F) {
	for _, file := range []string{"syntax", "names"} {
		data, err := os.ReadFile("testdata/" + file + ".star")
		if err != nil {
			f.Fatal(err)
		}
		for _, src := range strings.Split(string(data), "---\n") {
			f.Add(src)
		}
	}
	f.Add("x = ‘\"\"\"\\")
	f.Fuzz(func(t *testing.T, src string) {
		_, _, err := starlark.SourceProgramOptions(dialect, "app.star", src, func(string) bool { return false })
		if err == nil {
			return
		}
		e := Error(err, options(src))
		if e.Message == "" {
			t.Errorf("no message for %v", err)
		}
		e.Text(true)
		Page{Explanation: e}.HTML()
	})
}

func TestLoadingAMissingNameSuggestsANearOne(t *testing.T) {
	for lib, hint := range map[string]string{
		"def mrak(x): return x\n":        "did you mean mrak?",
		"y = 1\nif y == 1:\n    z = 2\n": "define it at the top level of lib.star",
	} {
		files := map[string]string{"app.star": "load('lib.star', 'mark')\n", "lib.star": lib}
		thread := &starlark.Thread{Load: func(_ *starlark.Thread, file string) (starlark.StringDict, error) {
			return starlark.ExecFileOptions(dialect, new(starlark.Thread), file, files[file], nil)
		}}
		_, err := starlark.ExecFileOptions(dialect, thread, "app.star", files["app.star"], nil)
		e := Error(err, Options{Source: func(f string) (string, bool) { src, ok := files[f]; return src, ok }})
		if !strings.HasPrefix(e.Hint, hint) {
			t.Errorf("%q: says %q, %q", lib, e.Message, e.Hint)
		}
	}
}

func TestALowerCaseNameIsNoMisspeltConstant(t *testing.T) {
	for _, name := range []string{"nope", "tree", "done"} {
		if e := explained(t, "x = "+name+"\n"); e.Hint != "" {
			t.Errorf("%s: %s", name, e.Hint)
		}
	}
}
