package script

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"asgibox/asgi"
	"asgibox/store"
)

// promptTest is a prompt on a store in memory.
type promptTest struct {
	*Prompt
	t       *testing.T
	layer   *store.Store
	out     bytes.Buffer
	entries int
}

func testStore(t *testing.T) *store.Store {
	t.Helper()
	s := store.Memory(store.Options{})
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func (p *promptTest) options() PromptOptions {
	return PromptOptions{
		Out:      &p.out,
		Channels: func(context.Context) []string { return []string{"jobs", "http.request", "quo\"te"} },
		Groups:   func(context.Context) []string { return []string{"chat-red", "chat-blue"} },
	}
}

func newPromptTest(t *testing.T) *promptTest {
	t.Helper()
	t.Chdir(t.TempDir())
	p := &promptTest{t: t, layer: testStore(t)}
	var err error
	if p.Prompt, err = NewPrompt(Options{Layer: p.layer}, p.options()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// appPrompt returns a prompt on a loaded application.
func appPrompt(t *testing.T, app string) *promptTest {
	t.Helper()
	file := filepath.Join(t.TempDir(), "app.star")
	if err := os.WriteFile(file, []byte(app), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &promptTest{t: t, layer: testStore(t)}
	l := NewLoader(file, Options{Layer: p.layer})
	loaded, err := l.Load(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(loaded.Close)
	if p.Prompt, err = l.Prompt(t.Context(), p.options()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// try evaluates an entry and returns its output and its error.
func (p *promptTest) try(ctx context.Context, text string) (string, error) {
	p.out.Reset()
	p.entries++
	err := p.Eval(ctx, fmt.Sprintf("<prompt %d>", p.entries), 1, text+"\n")
	return strings.TrimSuffix(p.out.String(), "\n"), err
}

// shows checks the output of an entry.
func (p *promptTest) shows(text, want string) {
	p.t.Helper()
	got, err := p.try(p.t.Context(), text)
	if err != nil || got != want {
		p.t.Errorf("%s\nshows %s, %v\n want %s", text, got, err, want)
	}
}

// fails checks the error of an entry.
func (p *promptTest) fails(text, want string) {
	p.t.Helper()
	_, err := p.try(p.t.Context(), text)
	if err == nil || err.Error() != want {
		p.t.Errorf("%s\nfails with %v\n want %s", text, err, want)
	}
}

func TestPromptShowsResults(t *testing.T) {
	p := newPromptTest(t)
	p.shows("x = 20", "")
	p.shows("x + 1", "21")
	p.shows("_ * 2", "42")
	p.shows("None", "")
	p.shows("x; x + 1", "20\n21")
	p.shows("print('a', 1)", "a 1")
	p.shows("def f(y):\n    return y + x\n", "")
	p.shows("f(1)", "21")
	p.shows("for i in range(2):\n    print(i)\n", "0\n1")
	p.shows("'%d' % x", `"20"`)
	p.shows("{'a': 1}['a']", "1")
	p.shows("", "")
	p.shows("# nothing", "")
}

func TestPromptFunctionsSeeLaterChanges(t *testing.T) {
	p := newPromptTest(t)
	p.shows("x = 1", "")
	p.shows("def get():\n    return x\n", "")
	p.shows("f = lambda: get() + x", "")
	p.shows("x += 1", "")
	p.shows("get(), f()", "(2, 4)")
	p.shows("def get():\n    return 10 * x\n", "")
	p.shows("f()", "22")
	p.shows("def count(n):\n    return n if n < 1 else count(n - 1)\n", "")
	p.shows("count(3)", "0")
	p.fails("def broken(a = 1 // 0):\n    pass\n", "<prompt 10>:1:18: floored division by zero (check for 0 first)")
	p.fails("def later():\n    return helper()\n", "<prompt 11>:2:12: helper is not defined")
}

func TestPromptUsesTheLayer(t *testing.T) {
	p := newPromptTest(t)
	p.shows("state.set('count', 3)", "3")
	p.shows("state.update('count', lambda n: n + 1)", "4")
	p.shows("Group('g').add('jobs')", "")
	p.shows("layer.group_channels('g')", `["jobs"]`)
	p.shows("Channel('jobs').send({'n': b'x'})", "")
	p.shows("name, m = layer.receive_many(['jobs'])", "")
	p.shows("name", `"jobs"`)
	p.shows("m", `{"n": b"x"}`)
	p.shows("m.channel", `Channel("jobs")`)
	p.shows("layer.receive(['jobs'])", "(None, None)")
}

func TestPromptReportsErrors(t *testing.T) {
	p := newPromptTest(t)
	p.shows("def broken():\n    return 1 // 0\n", "")
	p.fails("broken()", "<prompt 1>:2:14: floored division by zero (check for 0 first)")
	p.fails("1 +", "<prompt 3>:1:3: unexpected end of line; expected value")
	p.fails("count = 1\ncuont", "<prompt 4>:2:1: cuont is not defined (did you mean count?)")
	p.shows("count", "1")
	p.fails(strings.Repeat("(", 600), "<prompt 6>:1:1: brackets nest deeper than 500")
	p.fails("layer.send('bad name!x', {})", `<prompt 7>:1:11: `+nameError(t, "bad name!x"))
	p.fails("attempt(layer.send)[2]", "<prompt 8>:1:20: tuple index 2 out of range [-2:1]")
}

func nameError(t *testing.T, name string) string {
	t.Helper()
	err := asgi.CheckSend(name)
	if err == nil {
		t.Fatalf("%s is a valid name", name)
	}
	return err.Error()
}

func TestPromptCountsLinesOfAFile(t *testing.T) {
	p := newPromptTest(t)
	if err := p.Eval(t.Context(), "<stdin>", 3, "x = 1\n"); err != nil {
		t.Fatal(err)
	}
	err := p.Eval(t.Context(), "<stdin>", 7, "fail('no')\n")
	var e *Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	if place, _ := e.Explanation().Place(); place.Line != 7 || len(place.Lines) == 0 || place.Lines[len(place.Lines)-1].Text != "fail('no')" {
		t.Errorf("%+v", place)
	}
}

func TestPromptIsInterrupted(t *testing.T) {
	p := newPromptTest(t)
	for _, text := range []string{
		"while True:\n    pass\n",
		"layer.receive_many(['jobs'], block=True)",
		"sleep(3600)",
		"attempt(sleep, 3600)",
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error)
		go func() {
			_, err := p.try(ctx, text)
			ended <- err
		}()
		cancel(errors.New("interrupted"))
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "interrupted") {
			t.Errorf("%s: %v", text, err)
		}
		p.shows("1 + 1", "2")
	}
}

func TestPromptHasNoMemoryLimit(t *testing.T) {
	p := newPromptTest(t)
	p.unit.loader.memory.limit = 1
	p.shows("x = [str(i) for i in range(100000)]", "")
	p.shows("len(x)", "100000")
}

func TestPromptPrintsNoControlCharactersToATerminal(t *testing.T) {
	p := newPromptTest(t)
	p.shows(`print("a\x1b[2J\n\tb")`, "a\x1b[2J\n\tb")
	p.opts.Terminal = true
	p.shows(`print("a\x1b[2J\n\tb")`, "a\uFFFD[2J\n    b")
	p.shows(`"a\x1b[2J"`, `"a\x1b[2J"`)
}

func TestPromptLoadsFiles(t *testing.T) {
	p := newPromptTest(t)
	if err := os.WriteFile("lib.star", []byte("def double(x):\n    return 2 * x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.shows("load('lib.star', 'double')", "")
	p.shows("double(4)", "8")
}

func TestPromptHasTheGlobalsOfARoutedApplication(t *testing.T) {
	p := appPrompt(t, `
rooms = ["red"]
def index(request):
    return "hi"
def add(n):
    return state.incr("n", n)
channel_routing = [view("/", index)]
`)
	p.shows("rooms", `["red"]`)
	p.shows("add(2)", "2")
	p.shows("index(None)", `"hi"`)
	p.fails("rooms.append(1)", "<prompt 4>:1:13: append: cannot append to frozen list (values set at the top level of a file cannot change after loading, because all workers share them; store values that change in state, message.channel_session or request.session)")
}

func TestPromptHasTheGlobalsOfALoopApplication(t *testing.T) {
	p := appPrompt(t, `
seen = []
def note(x):
    seen.append(x)
    return len(seen)
layer.send("jobs", {"n": 1})
while True:
    channel, message = layer.receive_many(["jobs"], block=True)
`)
	p.shows("note(1)", "1")
	p.shows("seen", "[1]")
	p.shows("layer.receive_many(['jobs'])", "(None, None)") // sent when a generation becomes live
}

func TestPromptHelp(t *testing.T) {
	p := appPrompt(t, "def index(request):\n    return 1\nchannel_routing = [view('/', index)]\n")
	p.shows("mine = 1", "")
	for _, question := range []string{"help", "?"} {
		got, err := p.try(t.Context(), question)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"receive_many", "state", "append, delete, get", "send_later", "json", "app.star  channel_routing, index", "yours     mine"} {
			if !strings.Contains(got, want) {
				t.Errorf("help lacks %q:\n%s", want, got)
			}
		}
		if strings.Contains(got, "%") {
			t.Errorf("help has guards:\n%s", got)
		}
	}
}

func TestPromptCompletes(t *testing.T) {
	p := newPromptTest(t)
	p.shows("rooms = {'red': 1, 'blue': 2}", "")
	p.shows("state.set('rooms', 1)", "1")
	p.shows("layer.send('jobs', {'number': 1})", "")
	p.shows("_, m = layer.receive(['jobs'])", "")
	for line, want := range map[string]string{
		"st":                             "0: state, str",
		"x = ro":                         "4: rooms",
		"la":                             "0: lambda, layer",
		"":                               "0: ",
		"layer.gr":                       "6: group_add, group_channels, group_discard, group_expiry",
		"(layer.fl":                      "7: flush",
		"Group('x').c":                   "11: channels",
		"m.reply":                        "2: reply, reply_channel",
		"m['":                            "3: number",
		"m.get('":                        "7: number",
		"rooms['":                        "7: blue, red",
		`Channel("`:                      "9: http.request, jobs",
		`layer.send("jo`:                 "12: jobs",
		`layer.receive_many(["a", "h`:    "26: http.request",
		`Group("chat-r`:                  "7: chat-red",
		`layer.group_add("chat-red", "j`: "29: jobs",
		`Group("chat-red").add("`:        "23: http.request, jobs",
		`layer.send_group("`:             "18: chat-blue, chat-red",
		`state.get("r`:                   "11: rooms",
		`x = [state.get('`:               "16: rooms",
		`print("st`:                      "7: ",
		`state.get("rooms")`:             "18: ",
		"# st":                           "2: state, str",
		"unknown.x":                      "8: ",
		"http.":                          "5: get, post, request",
	} {
		start, names := p.Complete(t.Context(), line)
		if got := fmt.Sprintf("%d: %s", start, strings.Join(names, ", ")); got != want {
			t.Errorf("%s\n%s\nwant %s", line, got, want)
		}
	}
	if _, names := p.Complete(t.Context(), "s"); slices.ContainsFunc(names, isGuard) {
		t.Error(names)
	}
}
