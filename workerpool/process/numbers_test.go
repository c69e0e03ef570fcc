package process_test

import (
	"strings"
	"testing"

	"asgibox/workerpool/process"
)

// TestAProcessThatHasLoadedOtherRoutes checks that a process that is started again runs
// the right handlers, although its file has changed since the generation was loaded.
func TestAProcessThatHasLoadedOtherRoutes(t *testing.T) {
	const routes = "channel_routing = ["
	source := `
import os
from asgibox import view
def a(request): return "this is a"
def b(request): return "this is b"
def die(request): os._exit(3)
` + routes + `view("/a", a), view("/b", b), view("/die", die)]
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"no route"]
`
	s := setup{process: process.Options{Processes: 1, Threads: 2}}.serve(t, source)
	s.want("/a", 200, "this is a")
	s.write("app.py", strings.Replace(source, routes+`view("/a", a), view("/b", b),`, routes+`view("/new", a), view("/b", b), view("/a", b),`, 1))
	s.want("/die", 500, "exit status 3")
	s.want("/b", 200, "this is b")
	s.want("/new", 200, "no route")
	s.want("/a", 500, "has no such route; reload the application")
}

// TestNoProcessCanBeStarted checks that requests get the reason at once while no process
// runs, that other messages wait, and that a process that can be started handles them.
func TestNoProcessCanBeStarted(t *testing.T) {
	const source = `
import os
from asgibox import route, state, view
def die(request): os._exit(3)
channel_routing = [view("/die", die), view("/", lambda request: "alive"), route("jobs", lambda message: state.incr("jobs"))]
`
	s := setup{process: process.Options{Processes: 2, Threads: 2}}.serve(t, source)
	s.write("app.py", source+"syntax error(\n")
	s.want("/die", 500, "exit status 3")
	s.want("/die", 500, "exit status 3")
	s.message("jobs")
	s.want("/", 500, "SyntaxError")
	s.write("app.py", source)
	s.until("a process", func() bool { return s.get("/").status == 200 })
	s.until("the job", func() bool { return s.state("jobs") == int64(1) })
}
