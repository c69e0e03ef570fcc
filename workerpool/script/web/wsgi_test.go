package web

import (
	"errors"
	"strings"
	"testing"

	"asgibox/asgi"

	"go.starlark.net/starlark"
)

func serveWSGI(t testing.TB, src string, m asgi.Message, hooks Hooks, piece int) (reply, []string, error) {
	t.Helper()
	thread, globals := program(t, folder(t, nil), src)
	var got reply
	var logged []string
	err := ServeWSGI(thread, globals["application"].(starlark.Callable), NewRequest(m, hooks), &Sender{Send: got.send, Piece: piece},
		func(s string) { logged = append(logged, s) })
	return got, logged, err
}

func TestWSGIApplication(t *testing.T) {
	got, logged, err := serveWSGI(t, `
def application(environ, start_response):
    environ["wsgi.errors"].write("hello log\n")
    environ["wsgi.errors"].flush()
    start_response("201 Created", [("Content-Type", "text/plain"), ("X-A", "1"), ("x-a", "2")])
    return [environ["REQUEST_METHOD"], b" ", environ["PATH_INFO"], " ", environ["SCRIPT_NAME"], " ", environ["wsgi.url_scheme"], " ", str(environ["wsgi.version"])]
`, get("/root/x", asgi.Field{Key: "root_path", Value: "/root"}), Hooks{}, 0)
	if err != nil || got.status != 201 || got.content != "GET /x /root http (1, 0)" || got.header("x-a") != "1 | 2" || got.header("content-type") != "text/plain" || len(got.messages) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	if len(logged) != 1 || logged[0] != "hello log" {
		t.Errorf("logged %q", logged)
	}
}

func TestWSGIInput(t *testing.T) {
	m := get("/", verb("POST"), bodyField("line 1\nli"), asgi.Field{Key: "body_channel", Value: "http.request.body?x"})
	for call, want := range map[string]string{
		`read()`:                               `b"line 1\nline 2\n\nend"`,
		`read(-1)`:                             `b"line 1\nline 2\n\nend"`,
		`read(None)`:                           `b"line 1\nline 2\n\nend"`,
		`read(3)`:                              `b"lin"`,
		`read(0)`:                              `b""`,
		`read(100)`:                            `b"line 1\nline 2\n\nend"`,
		`readline()`:                           `b"line 1\n"`,
		`readline(3)`:                          `b"lin"`,
		`readline(100)`:                        `b"line 1\n"`,
		`readlines()`:                          `[b"line 1\n", b"line 2\n", b"\n", b"end"]`,
		`readlines(8)`:                         `[b"line 1\n", b"line 2\n"]`,
		`read(7) or 1, i.readline(), i.read()`: `(b"line 1\n", b"line 2\n", b"\nend")`,
	} {
		got, _, err := serveWSGI(t, `
def application(environ, start_response):
    i = environ["wsgi.input"]
    start_response("200 OK", [])
    return [repr((i.`+call+`))]
`, m, Hooks{More: inPieces("ne 2", "", "\n\ne", "nd")}, 0)
		if err != nil || got.content != want {
			t.Errorf("%s: got %s, %v", call, got.content, err)
		}
	}
}

func TestWSGIWrite(t *testing.T) {
	got, _, err := serveWSGI(t, `
def application(environ, start_response):
    write = start_response("200 OK")
    write("one ")
    write(b"two ")
    return ["three ", "four"]
`, get("/"), Hooks{}, 0)
	if err != nil || got.content != "one two three four" || len(got.messages) != 3 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestWSGILongBody(t *testing.T) {
	for _, begin := range []string{"", `("x")`, `("x" * 1000)`} {
		got, _, err := serveWSGI(t, "def application(environ, start_response):\n    start_response('200 OK')"+begin+"\n    return ['a' * 500, 'b' * 500]\n", get("/"), Hooks{}, 300)
		if err != nil || strings.TrimLeft(got.content, "x") != strings.Repeat("a", 500)+strings.Repeat("b", 500) {
			t.Errorf("got %d bytes, %v", len(got.content), err)
		}
		for _, m := range got.messages {
			if len(m.Bytes("content")) > 300 {
				t.Errorf("a piece of %d", len(m.Bytes("content")))
			}
		}
	}
}

func TestWSGIHead(t *testing.T) {
	got, _, err := serveWSGI(t, "def application(environ, start_response):\n    start_response('200 OK', [('content-length', '5')])\n    return ['hello']\n", get("/", verb("HEAD")), Hooks{}, 0)
	if err != nil || got.content != "" || got.header("content-length") != "5" || len(got.messages) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestWSGIHeadIsCompleteAtTheFirstWrite runs an application that writes until its
// client has left.
func TestWSGIHeadIsCompleteAtTheFirstWrite(t *testing.T) {
	thread, globals := program(t, folder(t, nil), `
def application(environ, start_response):
    write = start_response("200 OK", [("x-a", "1")])
    while True:
        write("piece")
`)
	var sent []asgi.Message
	gone := errors.New("the client has left")
	send := func(m asgi.Message) error {
		if sent = append(sent, m); len(sent) == 3 {
			return gone
		}
		return nil
	}
	err := ServeWSGI(thread, globals["application"].(starlark.Callable), NewRequest(get("/", verb("HEAD")), Hooks{}), &Sender{Send: send}, nil)
	if !errors.Is(err, gone) {
		t.Fatalf("got %v", err)
	}
	if more, _ := sent[0].Get("more_content"); more != nil || sent[0].Bytes("content") != "" {
		t.Errorf("the first message is %v", sent[0])
	}
	for _, m := range sent[1:] {
		if status, _ := m.Get("status"); status != nil || m.Bytes("content") != "" {
			t.Errorf("a later message is %v", m)
		}
	}
}

func TestWSGIStartsAgainAfterAnError(t *testing.T) {
	got, _, err := serveWSGI(t, "def application(environ, start_response):\n    start_response('200 OK')\n    start_response('500 Oh', [], ('error',))\n    return b'x'\n", get("/"), Hooks{}, 0)
	if err != nil || got.status != 500 || got.content != "x" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestWSGIMistakes(t *testing.T) {
	for _, c := range [][3]string{
		{"return ['x']", "without calling start_response", "start_response("},
		{"start_response('200 OK')\n    start_response('200 OK')", "start_response was already called", ""},
		{"start_response('200 OK')('x')\n    start_response('500 Oh', [], 1)", "the response has already started", ""},
		{"start_response('OK')", `status is "OK"`, ""},
		{"start_response('200 OK', [('a',)])", "headers[0]", ""},
		{"start_response('200 OK', [('a', 'b\\n')])", `cannot contain "\n"`, ""},
		{"start_response('200 OK')\n    return 5", "returned an int, which is not a body", "list of bytes"},
		{"start_response('200 OK')\n    return [5]", "the content is an int", ""},
		{"start_response('200 OK')\n    return None", "returned None", ""},
	} {
		_, _, err := serveWSGI(t, "def application(environ, start_response):\n    "+c[0]+"\n", get("/"), Hooks{}, 0)
		checkError(t, c[0], err, c[1], c[2])
	}
}

func TestABodyReadAsInputIsNotReadAgain(t *testing.T) {
	m := get("/", bodyField("abc"))
	r := NewRequest(m, Hooks{})
	in, _ := (&input{body: &r.body}).Attr("read")
	starlark.Call(&starlark.Thread{}, in, nil, nil)
	if _, err := r.Attr("body"); err == nil {
		t.Error("the body is read twice")
	}
}
