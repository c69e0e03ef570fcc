package apptest

import (
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"
)

// deepChild is the environment variable of the child process of a test.
const deepChild = "ASGIBOX_TEST_DEEP_CALLS"

// TestNoCallFollowsADeepValueToItsEnd calls what a test can call with a deep tuple in
// the place of each argument. A stack overflow ends a process, so it runs in a
// child process, whose goroutines have small stacks.
func TestNoCallFollowsADeepValueToItsEnd(t *testing.T) {
	if os.Getenv(deepChild) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), deepChild+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			text := string(out)
			if at := strings.Index(text, "runtime: goroutine stack exceeds"); at >= 0 {
				text = text[at:]
			}
			t.Errorf("%v\n%.4000s", err, text)
		}
		return
	}
	debug.SetMaxStack(8 << 20)
	passes(t, `
def connect(message):
    message.reply_channel.send({"accept": True})
channel_routing = [view("/", lambda request: {"a": 1}), route("websocket.connect", connect)]
`, `
def deep():
    t = (1,)
    for _ in range(100000):
        t = (t,)
    return t
def call(t, f):
    if type(f) not in ("function", "builtin_function_or_method"):
        return 0
    calls = 0
    for n in range(1, 4):
        for at in range(n):
            for other in ("/", 1, [], {}, ANY, len, t):
                args = [other] * n
                args[at] = t
                attempt(f, *args)
                calls += 1
    return calls
def call_methods(t, value):
    calls = 0
    for name in dir(value):
        f, error = attempt(getattr, value, name)
        if not error:
            calls += call(t, f)
    return calls
def test_calls(client):
    t = deep()
    calls = 0
    for f in (assert_equal, assert_true, assert_in, assert_status, assert_fails, sleep):
        calls += call(t, f)
    response = client.get("/")
    stream = client.stream("/")
    for value in (client, client.browser(), client.websocket("/"), response, response.headers, stream, stream.headers, client.state, client.layer, ANY, ANY + "x"):
        calls += call_methods(t, value)
    if calls < 1000:
        fail("only", calls)
`, Options{})
}
