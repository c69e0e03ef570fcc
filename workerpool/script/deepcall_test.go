package script_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"asgibox/workerpool"
	"asgibox/workerpool/script"

	"go.starlark.net/starlark"
)

// callsWithDeepValues calls every function and every method of a value with a deep
// tuple in the place of each argument.
const callsWithDeepValues = `
def deep():
    t = (1,)
    for _ in range(100000):
        t = (t,)
    return t
def call(t, name, f):
    if type(f) not in ("function", "builtin_function_or_method"):
        return
    for n in range(1, 5):
        for at in range(n):
            for other in ("a", 1, [], {}, len):
                args = [other] * n
                args[at] = t
                note("%s, argument %d of %d, others like %s" % (name, at + 1, n, type(other)))
                attempt(f, *args)
def call_methods(t, name, value):
    for method in dir(value):
        f, error = attempt(getattr, value, method)
        if not error:
            call(t, name + "." + method, f)
`

// deepChild is the environment variable of the child process of a test.
const deepChild = "ASGIBOX_TEST_DEEP_CALLS"

// inSmallStack runs a test in a child process whose goroutines have small stacks. A
// stack overflow ends a process.
func inSmallStack(t *testing.T, test func()) {
	if os.Getenv(deepChild) != "" {
		debug.SetMaxStack(8 << 20)
		test()
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), deepChild+"=1")
	var calls bytes.Buffer
	cmd.Stderr = &calls
	out, err := cmd.Output()
	lines := strings.Split(calls.String(), "\n")
	overflow := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "runtime: goroutine stack exceeds") })
	switch {
	case overflow > 0:
		t.Errorf("a stack overflow in %s", lines[overflow-1])
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	case len(lines) < 10000:
		t.Errorf("only %d calls", len(lines))
	}
}

// note implements note(text), which writes the text before a call that may end the
// process.
var note = starlark.NewBuiltin("note", func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	fmt.Fprintln(os.Stderr, args[0])
	return starlark.None, nil
})

func TestNoCallFollowsADeepValueToItsEnd(t *testing.T) {
	inSmallStack(t, func() {
		c := setup{pool: workerpool.Options{HandlerTimeout: time.Hour}, script: script.Options{Names: starlark.StringDict{"note": note}}}
		names, err := script.NewLoader("app.star", script.Options{}).Names()
		if err != nil {
			t.Fatal(err)
		}
		functions := "{}"
		for _, name := range names {
			if name != "attempt" && name != "sleep" {
				functions += fmt.Sprintf(" | {%q: %s}", name, name)
			}
		}
		s := c.serve(t, callsWithDeepValues+`
FUNCTIONS = `+functions+`
def index(request):
    if request.method == "GET":
        return "fine"
    t = deep()
    response = HttpResponse("x")
    values = {
        "text": "", "bytes": b"", "list": [1], "tuple": (1,), "dict": {"a": 1}, "set": set([1]),
        "int": 1, "float": 1.0, "range": range(2), "time": time.now(), "duration": time.parse_duration("1s"),
        "match": re.match("(?P<a>x)", "x"), "response": response, "headers": response.headers,
        "stream": StreamingHttpResponse(len), "request": request, "message": request.message,
        "request.headers": request.headers, "META": request.META, "GET": request.GET, "POST": request.POST,
        "FILES": request.FILES, "file": request.FILES["f"], "COOKIES": request.COOKIES, "session": request.session,
        "channel_session": request.channel_session, "reply_channel": request.reply_channel,
        "Channel": Channel("a"), "Group": Group("a"), "settings": settings, "error": attempt(fail, "x")[1],
        "route": route("a", len), "include": include([]), "every": every(1, "a"),
    }
    for name, f in FUNCTIONS.items():
        call(t, name, f)
        call_methods(t, name, f)
    for name, value in values.items():
        call_methods(t, name, value)
    request.session.clear()
    request.channel_session.clear()
    return "done"
def application(environ, start_response):
    t = deep()
    call(t, "start_response", start_response)
    call_methods(t, "wsgi.input", environ["wsgi.input"])
    call_methods(t, "wsgi.errors", environ["wsgi.errors"])
    start_response("200 OK", [])
    return ["done"]
channel_routing = [view("/", index)]
`)
		const form = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\nx\r\n--b--\r\n"
		for _, path := range []string{"/", "/wsgi"} {
			if r := s.do("POST", path, form, "Content-Type", "multipart/form-data; boundary=b"); r.body != "done" {
				t.Errorf("%s: %.3000v", path, r)
			}
		}
	})
}
