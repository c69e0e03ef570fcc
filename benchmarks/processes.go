package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// debianPython is the interpreter that has Debian's packages.
const debianPython = "/usr/bin/python3"

// processGroups returns the tables that compare applications in other languages with
// the servers that they would use otherwise.
func processGroups() []*group {
	const many = 64
	python := func(flags ...string) []string { return append([]string{"--python", debianPython}, flags...) }
	return []*group{
		{
			name: "processes-http", title: "Processes: the four lines, 64 connections; CPU of all processes of a server",
			unit: "operation", measure: closedLoopOf(many, httpClients),
			rows: []*row{
				{name: "uvicorn hello", peer: "uvicorn, Debian"},
				{name: "asgibox run hello.py, 2 processes", run: python("--workers", "2", "benchmarks/apps/hello.py")},
				{name: "asgibox run -- node worker.mjs, 2 processes", run: []string{"--workers", "2", "--", "node", "examples/worker.mjs"}, needs: []string{"node"}},
				{name: "asgibox run ./gohello, 2 processes", run: []string{"--workers", "2", "benchmarks/apps/gohello"}},
				{name: "asgibox run examples/hello.star", app: "examples/hello.star"},
				{name: "Node http", peer: "Node"},
			},
		}, {
			name: "processes-echo", title: "Processes: each 64-byte text is echoed, 64 WebSockets; CPU of all processes of a server",
			unit: "operation", measure: closedLoopOf(many, echoClients),
			rows: []*row{
				{name: "uvicorn echo", peer: "uvicorn, Debian"},
				{name: "asgibox run echo_loop.py, 2 processes", run: python("--workers", "2", "benchmarks/apps/echo_loop.py")},
				{name: "asgibox run echo_routes.py, 2 processes", run: python("--workers", "2", "benchmarks/apps/echo_routes.py")},
				{name: "asgibox run peer:application (ASGI 3), 1 process", run: python("--workers", "1", "peer:application"), dir: "benchmarks/apps"},
			},
		}, {
			name: "processes-wsgi", title: "Processes: WSGI, one small response, 64 connections, 2 processes with 8 threads",
			unit: "operation", measure: closedLoopOf(many, httpClients),
			rows: []*row{
				{name: "gunicorn", peer: "gunicorn, Debian"},
				{name: "asgibox run wsgi_hello:application", run: python("--workers", "2", "--threads", "8", "wsgi_hello:application"), dir: "benchmarks/apps"},
			},
		}, {
			name: "processes-asgi3", title: "Processes: Starlette, one small response, 64 connections, 1 process",
			unit: "operation", measure: closedLoopOf(many, httpClients),
			rows: []*row{
				{name: "uvicorn", peer: "uvicorn with Starlette, Debian"},
				{name: "asgibox run starlette_hello:app", run: python("--workers", "1", "starlette_hello:app"), dir: "benchmarks/apps", needs: []string{"python:starlette"}},
			},
		}, {
			name: "processes-save", title: "Processes: from the write of a Python file to the first response of the new code, {saves} saves, {watching} open WebSockets, {load} requests/s",
			unit: "save", measure: measureSaves, once: true,
			rows: []*row{
				{name: "routed", saves: savedRoutes},
				{name: "ASGI 3", saves: savedASGI3},
				{name: "loop", saves: savedLoop},
			},
		},
	}
}

// installed reports whether a program is there, or a module of Debian's Python.
func installed(ctx context.Context, need string) bool {
	if module, ok := strings.CutPrefix(need, "python:"); ok {
		return exec.CommandContext(ctx, debianPython, "-c", "import "+module).Run() == nil
	}
	_, err := exec.LookPath(need)
	return err == nil
}

// awaitResponse waits until a server that starts processes responds to a request.
func awaitResponse(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute) // it may build a program
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// reportPython prints the versions of the packages of Debian's Python that the tables
// of processes use.
func reportPython(ctx context.Context, w io.Writer) {
	const script = `import importlib, sys
names = []
for name in ("uvicorn", "uvloop", "httptools", "websockets", "starlette", "gunicorn"):
    try:
        names.append(name + " " + str(importlib.import_module(name).__version__))
    except ImportError:
        names.append("no " + name)
print("Python " + sys.version.split()[0] + " with " + ", ".join(names) + ".")
`
	if out, err := exec.CommandContext(ctx, debianPython, "-c", script).Output(); err == nil {
		fmt.Fprintf(w, "%s", out)
	}
}

// descendants returns the numbers of the processes that a process has started, and
// those that they have started.
func descendants(pid int) []int {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if child, err := strconv.Atoi(e.Name()); err == nil {
			if fields, err := stat(child); err == nil {
				children[fields.parent] = append(children[fields.parent], child)
			}
		}
	}
	var all []int
	for next := []int{pid}; len(next) > 0; next = next[1:] {
		all = append(all, children[next[0]]...)
		next = append(next, children[next[0]]...)
	}
	return all
}

// scratchApp writes an application into a new folder.
func scratchApp(name, text string) (file string, err error) {
	dir, err := os.MkdirTemp("", "asgibox-benchmark-")
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, name)
	return file, os.WriteFile(file, []byte(text), 0o644)
}
