package web

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"asgibox/asgi"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

var dialect = &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true, Recursion: true}

// folder returns the environment of an application with the given files.
func folder(t testing.TB, files map[string]string) *Env {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return NewEnv(root, func(string) {}, func(io.ReaderAt, fs.FileInfo) bool { return false })
}

// get returns a request message with the given fields.
func get(path string, fields ...asgi.Field) asgi.Message {
	path, query, _ := strings.Cut(path, "?")
	m := asgi.MustMessage(
		asgi.Field{Key: "method", Value: "GET"},
		asgi.Field{Key: "path", Value: path},
		asgi.Field{Key: "query_string", Value: asgi.Bytes(query)},
		asgi.Field{Key: "http_version", Value: "1.1"},
		asgi.Field{Key: "scheme", Value: "http"},
		asgi.Field{Key: "root_path", Value: ""},
		asgi.Field{Key: "client", Value: []any{"10.0.0.7", 4321}},
		asgi.Field{Key: "server", Value: []any{"127.0.0.1", 8000}},
	)
	for _, f := range fields {
		m, _ = m.With(f.Key, f.Value)
	}
	return m
}

func headers(pairs ...string) asgi.Field {
	var list []any
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, []any{asgi.Bytes(pairs[i]), asgi.Bytes(pairs[i+1])})
	}
	return asgi.Field{Key: "headers", Value: list}
}

func verb(m string) asgi.Field { return asgi.Field{Key: "method", Value: m} }

func bodyField(b string) asgi.Field { return asgi.Field{Key: "body", Value: asgi.Bytes(b)} }

// A reply is a response as the client gets it.
type reply struct {
	status   int64
	headers  map[string][]string
	content  string
	messages []asgi.Message
}

func (r reply) header(name string) string { return strings.Join(r.headers[name], " | ") }

func (r *reply) send(m asgi.Message) error {
	if len(r.messages) == 0 {
		r.status = m.Int("status")
		r.headers = map[string][]string{}
		requestHeaders(m, func(n, v string) bool { r.headers[n] = append(r.headers[n], v); return true })
	}
	r.messages = append(r.messages, m)
	r.content += string(m.Bytes("content"))
	return nil
}

// program runs a script's top level.
func program(t testing.TB, env *Env, src string) (*starlark.Thread, starlark.StringDict) {
	t.Helper()
	thread := &starlark.Thread{Name: "test"}
	globals, err := starlark.ExecFileOptions(dialect, thread, "app.star", src, env.Builtins())
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	globals.Freeze()
	return thread, globals
}

// respond calls the view of a script for a message and sends its response.
func respond(t testing.TB, env *Env, src string, m asgi.Message) (reply, error) {
	t.Helper()
	thread, globals := program(t, env, src)
	var got reply
	req := NewRequest(m, Hooks{})
	result, err := starlark.Call(thread, globals["view"], starlark.Tuple{req}, nil)
	if err == nil {
		err = env.Respond(thread, req, result, &Sender{Send: got.send})
	}
	return got, err
}

func mustRespond(t testing.TB, env *Env, src string, m asgi.Message) reply {
	t.Helper()
	got, err := respond(t, env, src, m)
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	return got
}

// eval returns the text of an expression on the request.
func eval(t testing.TB, expr string, m asgi.Message) string {
	t.Helper()
	return mustRespond(t, folder(t, nil), "def view(request):\n  return repr(("+expr+"))\n", m).content
}

func checkEval(t *testing.T, m asgi.Message, cases [][2]string) {
	t.Helper()
	for _, c := range cases {
		if got := eval(t, c[0], m); got != c[1] {
			t.Errorf("%s: got %s, want %s", c[0], got, c[1])
		}
	}
}

// inPieces returns a hook that returns the pieces of a body.
func inPieces(pieces ...string) func() (asgi.Bytes, error) {
	return func() (asgi.Bytes, error) {
		if len(pieces) == 0 {
			return "", io.EOF
		}
		p := pieces[0]
		pieces = pieces[1:]
		return asgi.Bytes(p), nil
	}
}

func hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// checkError checks the text and hint of an error.
func checkError(t *testing.T, what string, err error, text, wantHint string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
	} else if !strings.Contains(err.Error(), text) || !strings.Contains(hint(err), wantHint) {
		t.Errorf("%s: got %q, hint %q", what, err, hint(err))
	}
}

func callView(thread *starlark.Thread, globals starlark.StringDict, req *Request) (starlark.Value, error) {
	return starlark.Call(thread, globals["view"], starlark.Tuple{req}, nil)
}

func drop(asgi.Message) error { return nil }
