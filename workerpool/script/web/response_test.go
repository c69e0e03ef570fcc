package web

import (
	"errors"
	"strings"
	"testing"
	"unsafe"

	"asgibox/asgi"

	"go.starlark.net/starlark"
)

func TestResultsOfAView(t *testing.T) {
	env := folder(t, nil)
	for _, c := range []struct {
		result, contentType, content string
		status                       int64
	}{
		{`"héllo"`, htmlType, "héllo", 200},
		{`b"h\xff"`, bytesType, "h\xff", 200},
		{`{"b": 1, "a": [None, True, "é"]}`, jsonType, `{"b":1,"a":[null,true,"é"]}`, 200},
		{`[1, 2.5]`, jsonType, `[1,2.5]`, 200},
		{`None`, "", "", 204},
		{`(404, "gone")`, htmlType, "gone", 404},
		{`(201, {"id": 1})`, jsonType, `{"id":1}`, 201},
		{`(404, None)`, "", "", 404},
		{`HttpResponse("x")`, htmlType, "x", 200},
		{`HttpResponse(b"x", 503, "text/plain", {"Retry-After": 1})`, "text/plain", "x", 503},
		{`HttpResponse(content="x", status=299, content_type="a/b")`, "a/b", "x", 299},
		{`HttpResponse()`, htmlType, "", 200},
		{`(418, HttpResponse("tea", content_type="text/plain"))`, "text/plain", "tea", 418},
		{`JsonResponse({"a": 1})`, jsonType, `{"a":1}`, 200},
		{`JsonResponse("text", status=400)`, jsonType, `"text"`, 400},
	} {
		got := mustRespond(t, env, "def view(request):\n  return "+c.result+"\n", get("/"))
		if got.status != c.status || got.header("content-type") != c.contentType || got.content != c.content || len(got.messages) != 1 {
			t.Errorf("%s: got %d %q %q in %d messages", c.result, got.status, got.header("content-type"), got.content, len(got.messages))
		}
	}
}

func TestWrongResultsOfAView(t *testing.T) {
	env := folder(t, nil)
	for _, c := range [][3]string{
		{`len`, "returned a function, which is not a response", "return text, bytes"},
		{`200`, "returned an int", "(status, body)"},
		{`(1, 2, 3)`, "a tuple of 3", "(status, body)"},
		{`("a", "b")`, `status is "a"; it must be a number like 200`, ""},
		{`(99, "x")`, "status is 99; it must be from 200 to 999", ""},
		{`(200, (200, "x"))`, "a tuple inside a tuple", ""},
		{`{"a": b"x"}`, "bytes cannot be written as JSON", "str(data)"},
		{`JsonResponse(len)`, "cannot encode builtin_function_or_method", ""},
		{`HttpResponse({"a": 1})`, "HttpResponse: the content is a dict; it must be text or bytes", "JsonResponse"},
		{`HttpResponse(5)`, "the content is an int", "str(value)"},
		{`HttpResponse("x", status=1000)`, "status is 1000", ""},
		{`HttpResponse("x", statsu=1)`, "did you mean status?", ""},
		{`HttpResponse("x", headers={"a b": "c"})`, `"a b" cannot be the name of a header: " "`, ""},
		{`HttpResponse("x", headers={"a": "c\r\nd: e"})`, `the header a cannot contain "\r"`, "quote"},
		{`HttpResponse("x", headers={"a": "c\x0bd"})`, `the header a cannot contain "\v"`, "quote"},
		{`HttpResponse("x", headers={"a": "c\x7fd"})`, `the header a cannot contain "\x7f"`, "quote"},
		{`HttpResponse("x", headers={"a": len})`, "the header a is a function", ""},
		{`HttpResponse("x", headers="a")`, "headers is text; it must be a dict or a list of pairs", ""},
		{`HttpResponse("x", headers=[1])`, "headers[0] is 1; it must be a pair", ""},
		{`HttpResponse("x", content_type="a\nb")`, `the header content-type cannot contain "\n"`, ""},
		{`StreamingHttpResponse(5)`, "fn is an int; it must be a function or a list", "def fn(write)"},
		{`redirect(5)`, "for parameter url: got int, want string", ""},
	} {
		_, err := respond(t, env, "def view(request):\n  return "+c[0]+"\n", get("/"))
		checkError(t, c[0], err, c[1], c[2])
	}
}

func TestHeadersOfAResponse(t *testing.T) {
	got := mustRespond(t, folder(t, nil), `
def view(request):
    r = HttpResponse("x", headers=[("X-A", "1"), ("x-a", b"2"), ("Content-Type", "text/plain")])
    r["X-B"] = 5
    r.headers["x-c"] = ["6", "7"]
    r["x-d"] = "gone"
    r["X-D"] = None
    if r["x-b"] != "5" or r.headers.get("X-C") != "6" or "x-d" in r.headers or r.headers.get("no", 1) != 1:
        fail(r.headers)
    r.status = 201
    r.content = b"changed"
    return r
`, get("/"))
	for name, want := range map[string]string{"x-a": "1 | 2", "content-type": "text/plain", "x-b": "5", "x-c": "6 | 7", "x-d": ""} {
		if got.header(name) != want {
			t.Errorf("%s is %q, want %q", name, got.header(name), want)
		}
	}
	if got.status != 201 || got.content != "changed" {
		t.Errorf("got %d %s", got.status, got.content)
	}
}

func TestRedirect(t *testing.T) {
	env := folder(t, nil)
	got := mustRespond(t, env, "def view(request):\n  return redirect('/rooms/é x?a=1&b=%20\\r\\nset-cookie: evil')\n", get("/"))
	if got.status != 302 || got.header("location") != "/rooms/%C3%A9%20x?a=1&b=%20%0D%0Aset-cookie:%20evil" {
		t.Errorf("got %d %q", got.status, got.header("location"))
	}
	got = mustRespond(t, env, "def view(request):\n  return redirect('\\\\\\\\h/\"<a>?b=[c]')\n", get("/"))
	if got.header("location") != "%5C%5Ch/%22%3Ca%3E?b=[c]" {
		t.Errorf("got %q", got.header("location"))
	}
	if got := mustRespond(t, env, "def view(request):\n  return redirect('/', permanent=True)\n", get("/")); got.status != 301 {
		t.Errorf("got %d", got.status)
	}
}

func TestSetCookie(t *testing.T) {
	got := mustRespond(t, folder(t, nil), `
def view(request):
    r = redirect("/")
    r.set_cookie("a", "1")
    r.set_cookie("b", "two", max_age=60, path="/x", domain="example.org", secure=True, httponly=True, samesite="lax")
    r.set_cookie("c", 3, max_age=0, expires=0, samesite="None")
    r.delete_cookie("d")
    r.delete_cookie("__Host-e")
    return r
`, get("/"))
	want := "a=1; Path=/ | b=two; Path=/x; Domain=example.org; Max-Age=60; HttpOnly; Secure; SameSite=Lax | " +
		"c=3; Path=/; Max-Age=0; Secure; SameSite=None | d=; Path=/; Max-Age=0 | __Host-e=; Path=/; Max-Age=0; Secure"
	if got.header("set-cookie") != strings.Replace(want, "c=3; Path=/;", "c=3; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT;", 1) {
		t.Errorf("got %s", got.header("set-cookie"))
	}
}

func TestInvalidCookiesAreErrors(t *testing.T) {
	for _, c := range [][3]string{
		{`"a", "x y"`, `the value contains " ", which is not allowed in a cookie`, "quote(value)"},
		{`"a", "é"`, `the value contains "é"`, "unquote(value)"},
		{`"a", "x;y"`, `";"`, ""},
		{`"a", [1]`, "it must be text", ""},
		{`"a b", "x"`, `the name is "a b"; use letters`, ""},
		{`"", "x"`, `the name is ""; use letters`, ""},
		{`"a", "x", domain="a;b"`, `the domain is "a;b"; it must be a host`, ""},
		{`"a", "x", samesite="never"`, `must be "Lax", "Strict" or "None"`, ""},
		{`"a", "x", max_age="1"`, "max_age: got string, want int (in seconds)", ""},
		{`"a", "x", expires="soon"`, "in seconds since 1970", ""},
		{`"a", "x", path="/;b"`, `the path contains ";", which no URL's path contains`, "quote(path)"},
		{`"a", "x", path='/a"b'`, `the path contains "\""`, "quote(path)"},
		{`"a", "x", path="/é"`, `the path contains "é"`, "quote(path)"},
		{`"a", "x" * 4096`, "have 4097 bytes; browsers accept at most 4096", ""},
		{`"__Secure-a", "x"`, "must be secure", "secure=True"},
		{`"__Host-a", "x"`, "for this host only", `path="/"`},
		{`"__Host-a", "x", secure=True, path="/a"`, "for this host only", `path="/"`},
		{`"__Host-a", "x", secure=True, domain="example.org"`, "for this host only", `path="/"`},
		{`"a", "x", path="a"`, `the path is "a"; it must begin with /`, ""},
	} {
		_, err := respond(t, folder(t, nil), "def view(request):\n  r = HttpResponse()\n  r.set_cookie("+c[0]+")\n  return r\n", get("/"))
		checkError(t, c[0], err, c[1], c[2])
	}
}

func TestAResponseMadeAtTheTopLevelIsFrozen(t *testing.T) {
	env := folder(t, nil)
	for _, change := range []string{`R["a"] = "b"`, `R.status = 201`, `R.set_cookie("a", "b")`, `R.delete_cookie("a")`, `R.headers["a"] = "b"`} {
		_, err := respond(t, env, "R = HttpResponse('x')\ndef view(request):\n  "+change+"\n  return R\n", get("/"))
		if !errors.Is(err, errFrozen) {
			t.Errorf("%s: got %v", change, err)
		}
	}
	if got := mustRespond(t, env, "R = HttpResponse('x')\ndef view(request):\n  return (404, R)\n", get("/")); got.status != 404 {
		t.Errorf("got %d", got.status)
	}
}

func TestLongContentIsSentInPieces(t *testing.T) {
	env := folder(t, nil)
	thread, globals := program(t, env, "x = 'a' * 1000 + 'b'\n")
	var got reply
	err := env.Respond(thread, NewRequest(get("/"), Hooks{}), globals["x"], &Sender{Send: got.send, Piece: 100})
	if err != nil || len(got.messages) != 11 || got.content != strings.Repeat("a", 1000)+"b" {
		t.Fatalf("%d messages, %v", len(got.messages), err)
	}
	for i, m := range got.messages {
		more, _ := m.Get("more_content")
		if (more == true) != (i < 10) || m.Has("status") != (i == 0) || len(m.Bytes("content")) > 100 {
			t.Errorf("message %d is %v", i, m)
		}
	}
}

func TestAStreamIsSentPieceByPiece(t *testing.T) {
	got := mustRespond(t, folder(t, nil), `
def pieces(write):
    write("one")
    write(b"two")
    write("")
def view(request):
    return StreamingHttpResponse(pieces, status=201, content_type="text/plain", headers={"x-a": "b"})
`, get("/"))
	if got.content != "onetwo" || got.status != 201 || got.header("content-type") != "text/plain" || got.header("x-a") != "b" || len(got.messages) != 4 {
		t.Errorf("got %+v", got)
	}
	if more, _ := got.messages[3].Get("more_content"); more == true {
		t.Error("the stream does not end")
	}
	got = mustRespond(t, folder(t, nil), "def view(request):\n  return StreamingHttpResponse(['a', b'b'])\n", get("/"))
	if got.content != "ab" || len(got.messages) != 3 {
		t.Errorf("got %+v", got)
	}
	got = mustRespond(t, folder(t, nil), "def view(request):\n  return StreamingHttpResponse(lambda write: None)\n", get("/"))
	if got.status != 200 || len(got.messages) != 1 {
		t.Errorf("got %+v", got)
	}
}

// TestPiecesThatWaitKeepNoOthers checks that a piece is a copy if the script wrote more,
// and that all that the script keeps counts as held while a piece waits.
func TestPiecesThatWaitKeepNoOthers(t *testing.T) {
	const long = 1000
	for name, src := range map[string]string{
		"stream":           "C = 'a' * 1000\ndef view(request):\n  return StreamingHttpResponse(lambda write: write(C))\n",
		"list":             "C = 'a' * 500\ndef view(request):\n  return StreamingHttpResponse([C, C])\n",
		"WSGI":             "C = 'a' * 1000\ndef view(environ, start_response):\n  start_response('200 OK')(C)\n  return []\n",
		"returned by WSGI": "C = 'a' * 1000\ndef view(environ, start_response):\n  start_response('200 OK')\n  return [C]\n",
	} {
		env := folder(t, nil)
		thread, globals := program(t, env, src)
		content := string(globals["C"].(starlark.String))
		start := uintptr(unsafe.Pointer(unsafe.StringData(content)))
		var got reply
		s := &Sender{Piece: 100}
		s.Send = func(m asgi.Message) error {
			piece := string(m.Bytes("content"))
			if p := uintptr(unsafe.Pointer(unsafe.StringData(piece))); piece != "" && p-start < uintptr(len(content)) {
				t.Errorf("%s: a piece keeps the whole content", name)
			}
			if s.Held < long && piece != "" {
				t.Errorf("%s: %d bytes are held, want %d", name, s.Held, long)
			}
			return got.send(m)
		}
		req, view := NewRequest(get("/"), Hooks{}), globals["view"].(starlark.Callable)
		var err error
		if strings.Contains(name, "WSGI") {
			err = ServeWSGI(thread, view, req, s, nil)
		} else {
			var result starlark.Value
			if result, err = callView(thread, globals, req); err == nil {
				err = env.Respond(thread, req, result, s)
			}
		}
		if err != nil || len(got.content) != long {
			t.Errorf("%s: %d bytes, %v", name, len(got.content), err)
		}
	}
}

func TestAStreamThatFailsHasStarted(t *testing.T) {
	for src, started := range map[string]bool{
		"def f(write):\n  write('a')\n  fail('oh')\n": true,
		"def f(write):\n  fail('oh')\n":               false,
		"def f(write):\n  write(5)\n":                 false,
	} {
		env := folder(t, nil)
		thread, globals := program(t, env, src+"x = StreamingHttpResponse(f)\n")
		var got reply
		s := &Sender{Send: got.send}
		if err := env.Respond(thread, NewRequest(get("/"), Hooks{}), globals["x"], s); err == nil || len(got.messages) > 0 != started {
			t.Errorf("%s: %v, %d messages", src, err, len(got.messages))
		}
	}
}

func TestHeadDoesNotRunAStream(t *testing.T) {
	got := mustRespond(t, folder(t, nil), "def view(request):\n  return StreamingHttpResponse(lambda write: fail('ran'))\n", get("/", verb("HEAD")))
	if got.status != 200 || got.content != "" || len(got.messages) != 1 {
		t.Errorf("got %+v", got)
	}
}

func BenchmarkView(b *testing.B) {
	env := folder(b, nil)
	thread, globals := program(b, env, "def view(request):\n  return HttpResponse('Hello, ' + request.GET.get('name', 'World') + '!')\n")
	m := get("/?name=you", headers("host", "h", "accept", "*/*", "user-agent", "x"))
	b.ReportAllocs()
	for b.Loop() {
		req := NewRequest(m, Hooks{})
		v, _ := callView(thread, globals, req)
		env.Respond(thread, req, v, &Sender{Send: drop})
	}
}

func TestTheHintForAFieldThatCannotBeSetIsTheWayToSetIt(t *testing.T) {
	for field, want := range map[string]string{
		"headers": `response["x-name"] = value`, "content_type": `response["content-type"] = value`,
		"set_cookie": "call it", "foo": "only .content and .status can be set",
	} {
		_, err := respond(t, site(t), "def view(request):\n  r = HttpResponse()\n  r."+field+" = 1\n", get("/"))
		checkError(t, field, err, "the field ."+field+" of a response cannot be set", want)
	}
}
