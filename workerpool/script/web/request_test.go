package web

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"asgibox/asgi"

	"go.starlark.net/starlark"
)

func TestRequestAttributes(t *testing.T) {
	m := get("/rooms/7?q=a+b&q=c&empty=&plain&%C3%A9=%zz", headers(
		"host", "example.org", "Content-Type", "text/plain", "x-twice", "1", "x-twice", "2", "cookie", `a=1; b="two words"; a=3`, "cookie", "c=d=e", "x-latin", "caf\xe9",
	), bodyField("h\xc3\xa9\xff"))
	checkEval(t, m, [][2]string{
		{`request.method`, `"GET"`},
		{`request.path`, `"/rooms/7"`},
		{`request.GET["q"]`, `"a b"`},
		{`request.GET.get("q")`, `"a b"`},
		{`request.GET.getlist("q")`, `["a b", "c"]`},
		{`request.GET.getlist("no")`, `[]`},
		{`request.GET.get("no")`, `None`},
		{`request.GET.get("no", 1)`, `1`},
		{`request.GET["plain"] == "" and "empty" in request.GET and "no" not in request.GET`, `True`},
		{`request.GET.keys()`, `["q", "empty", "plain", "é"]`},
		{`request.GET.values()`, `["a b", "", "", "%zz"]`},
		{`request.GET.items()[0]`, `("q", "a b")`},
		{`request.GET`, `{"q": "a b", "empty": "", "plain": "", "é": "%zz"}`},
		{`type(request.GET.dict())`, `"dict"`},
		{`[k for k in request.GET]`, `["q", "empty", "plain", "é"]`},
		{`len(request.GET), bool(request.GET), bool(request.POST)`, `(4, True, False)`},
		{`dict(request.GET)`, `{"q": "a b", "empty": "", "plain": "", "é": "%zz"}`},
		{`request.POST`, `{}`},
		{`request.FILES`, `{}`},
		{`request.COOKIES`, `{"a": "1", "b": "two words", "c": "d=e"}`},
		{`request.headers["CONTENT-type"]`, `"text/plain"`},
		{`request.headers.get("HOST")`, `"example.org"`},
		{`request.headers.get("no", "-")`, `"-"`},
		{`request.headers["x-twice"]`, `"1, 2"`},
		{`request.headers.getlist("X-Twice")`, `["1", "2"]`},
		{`"X-Twice" in request.headers`, `True`},
		{`request.headers["x-latin"]`, `"café"`},
		{`request.headers.keys()`, `["host", "content-type", "x-twice", "cookie", "x-latin"]`},
		{`request.content_type`, `"text/plain"`},
		{`request.body`, `b"hé\xff"`},
		{`request.text`, "\"hé\uFFFD\""},
		{`request.client`, `["10.0.0.7", 4321]`},
		{`request.scheme, request.is_secure()`, `("http", False)`},
		{`request.path_params`, `{}`},
		{`request.query_string`, `b"q=a+b&q=c&empty=&plain&%C3%A9=%zz"`},
		{`request`, `<request GET /rooms/7>`},
		{`type(request)`, `"request"`},
	})
}

func TestMetaHasTheNamesOfWSGI(t *testing.T) {
	m := get("/app/x%20y?a=1", headers("host", "h", "content-type", "t", "content-length", "3", "x-some-thing", "1", "x-some-thing", "2"),
		asgi.Field{Key: "root_path", Value: "/app"}, verb("POST"))
	checkEval(t, m, [][2]string{
		{`request.META["REQUEST_METHOD"]`, `"POST"`},
		{`request.META["SCRIPT_NAME"]`, `"/app"`},
		{`request.META["PATH_INFO"]`, `"/x%20y"`},
		{`request.META["QUERY_STRING"]`, `"a=1"`},
		{`request.META["CONTENT_TYPE"], request.META["CONTENT_LENGTH"]`, `("t", "3")`},
		{`request.META["REMOTE_ADDR"], request.META["REMOTE_PORT"]`, `("10.0.0.7", "4321")`},
		{`request.META["SERVER_NAME"], request.META["SERVER_PORT"], request.META["SERVER_PROTOCOL"]`, `("127.0.0.1", "8000", "HTTP/1.1")`},
		{`request.META["HTTP_HOST"], request.META["HTTP_X_SOME_THING"]`, `("h", "1, 2")`},
		{`"HTTP_CONTENT_TYPE" in request.META`, `False`},
	})
}

func TestRequestWithoutAddresses(t *testing.T) {
	m := get("/", asgi.Field{Key: "client", Value: nil}, asgi.Field{Key: "server", Value: nil})
	checkEval(t, m, [][2]string{
		{`request.client`, `None`},
		{`"REMOTE_ADDR" in request.META`, `False`},
		{`request.META["SERVER_NAME"]`, `"unknown"`},
	})
}

func TestSecureRequest(t *testing.T) {
	checkEval(t, get("/", asgi.Field{Key: "scheme", Value: "https"}), [][2]string{{`request.is_secure()`, `True`}})
}

func TestJSONBody(t *testing.T) {
	env := folder(t, nil)
	view := "def view(request):\n  return repr(request.json())\n"
	if got := mustRespond(t, env, view, get("/", bodyField(`{"a": [1, null, "é"]}`))); got.content != `{"a": [1, None, "é"]}` {
		t.Errorf("got %s", got.content)
	}
	_, err := respond(t, env, view, get("/", bodyField(`{"a"`)))
	var wrong *RequestError
	if !errors.As(err, &wrong) || wrong.Status != 400 || !strings.Contains(err.Error(), "the body is not JSON") {
		t.Errorf("got %v", err)
	}
	checkEval(t, get("/", bodyField("nonsense")), [][2]string{{`request.json(default=None)`, `None`}})
}

func TestMissingKeysSuggestASimilarKey(t *testing.T) {
	env := folder(t, nil)
	_, err := respond(t, env, "def view(request):\n  return request.GET['pgae']\n", get("/?page=1"))
	checkError(t, "GET", err, `key "pgae" not in GET`, `did you mean "page"?`)
	_, err = respond(t, env, "def view(request):\n  return request.POST['x']\n", get("/"))
	checkError(t, "POST", err, `key "x" not in POST`, `POST.get("x")`)
	_, err = respond(t, env, "def view(request):\n  return request.methd\n", get("/"))
	checkError(t, "attribute", err, "did you mean .method?", "")
}

func TestABodyInPiecesIsReadOnce(t *testing.T) {
	m := get("/", bodyField("one "), asgi.Field{Key: "body_channel", Value: "http.request.body?x"})
	r := NewRequest(m, Hooks{More: inPieces("two ", "", "three")})
	for range 2 {
		if v, err := r.Attr("body"); err != nil || v != starlark.Bytes("one two three") {
			t.Errorf("got %v, %v", v, err)
		}
	}
	if v, err := r.Attr("text"); err != nil || v != starlark.String("one two three") {
		t.Errorf("got %v, %v", v, err)
	}
}

func TestABodyThatEndsTooSoonIsAnError(t *testing.T) {
	gone := errors.New("the client went away")
	m := get("/", bodyField("one "), asgi.Field{Key: "body_channel", Value: "http.request.body?x"})
	r := NewRequest(m, Hooks{More: func() (asgi.Bytes, error) { return "", gone }})
	if _, err := r.Attr("body"); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

func TestTheHostAddsAttributes(t *testing.T) {
	made := 0
	r := NewRequest(get("/"), Hooks{Names: []string{"session"}, Attr: func(name string) (starlark.Value, error) {
		if name != "session" {
			return nil, nil
		}
		made++
		return starlark.NewDict(0), nil
	}})
	one, _ := r.Attr("session")
	two, err := r.Attr("session")
	if one != two || made != 1 || err != nil {
		t.Errorf("session is made %d times", made)
	}
	if v, err := r.Attr("zork"); v != nil || err != nil {
		t.Errorf("got %v, %v", v, err)
	}
}

func TestMalformedCookiesAreSkipped(t *testing.T) {
	m := get("/", headers("cookie", "bad={\"a\": 1}, x; =; other; é=ü; sessionid=abc.def; sessionid=second", "cookie", "late=1"))
	for name, want := range map[string][]string{"sessionid": {"abc.def", "second"}, "late": {"1"}, "other": nil} {
		if got := slices.Collect(Cookies(m, name)); !slices.Equal(got, want) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func FuzzCookies(f *testing.F) {
	f.Add(`a=1; b="2"; =; ;;a`)
	f.Add("\xff=\xfe")
	f.Fuzz(func(t *testing.T, line string) {
		for name, v := range cookies(get("/", headers("cookie", line))) {
			if name == "" || strings.ContainsAny(name+v, ";") {
				t.Errorf("%q: %q=%q", line, name, v)
			}
		}
	})
}

func FuzzQuery(f *testing.F) {
	f.Add("a=1&b=%zz&&=;+%C3")
	f.Fuzz(func(t *testing.T, query string) {
		m := newMulti("GET")
		m.parseQuery(query)
		for _, item := range m.Items() {
			for _, v := range item {
				if s, _ := starlark.AsString(v); strings.ToValidUTF8(s, "") != s {
					t.Errorf("%q: %q is not UTF-8", query, s)
				}
			}
		}
	})
}

// TestHeadersTakeMemoryInProportion reads many headers of one name and of many.
func TestHeadersTakeMemoryInProportion(t *testing.T) {
	const lines, length = 200, 300
	var same, different []string
	for i := range lines {
		same = append(same, "x-same", strings.Repeat("v", length))
		different = append(different, fmt.Sprintf("x-%d", i), strings.Repeat("v", length))
	}
	for _, pairs := range [][]string{same, different} {
		m := get("/", headers(pairs...))
		for _, attr := range []string{"META", "headers"} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := NewRequest(m, Hooks{}).Attr(attr); err != nil {
				t.Error(err)
			}
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 10*lines*length {
				t.Errorf("%s of %s allocates %d bytes", attr, pairs[2], used)
			}
		}
	}
}
