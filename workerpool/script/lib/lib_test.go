package lib

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

var dialect = &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true, Recursion: true}

// run returns the value that a script assigns to x.
func run(ctx context.Context, o Options, src string) (starlark.Value, error) {
	thread := &starlark.Thread{Name: "test"}
	thread.SetLocal("context", ctx)
	all := Builtins(o)
	all["settings"] = Settings(map[string]string{"debug": "1", "title": "Chat"})
	globals, err := starlark.ExecFileOptions(dialect, thread, "app.star", src, all)
	return globals["x"], err
}

func checkAll(t *testing.T, cases [][2]string) {
	t.Helper()
	for _, c := range cases {
		got, err := run(t.Context(), Options{}, "x = "+c[0]+"\n")
		if err != nil {
			t.Errorf("%s: %v", c[0], err)
		} else if got.String() != c[1] {
			t.Errorf("%s: got %s, want %s", c[0], got, c[1])
		}
	}
}

func checkRefused(t *testing.T, cases [][3]string) {
	t.Helper()
	for _, c := range cases {
		_, err := run(t.Context(), Options{}, "x = "+c[0]+"\n")
		if err == nil || !strings.Contains(err.Error(), c[1]) || !strings.Contains(hint(err), c[2]) {
			t.Errorf("%s: got %v, hint %q", c[0], err, hint(err))
		}
	}
}

func hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

func TestModulesOfStarlark(t *testing.T) {
	checkAll(t, [][2]string{
		{`json.encode({"a": [1, None]})`, `"{\"a\":[1,null]}"`},
		{`json.decode("[1, {\"a\": true}]")`, `[1, {"a": True}]`},
		{`math.floor(1.5)`, `1`},
		{`math.pow(2, 3)`, `8.0`},
		{`time.parse_duration("90s")`, `1m30s`},
		{`time.now().unix > 1500000000`, `True`},
	})
}

func TestBase64(t *testing.T) {
	checkAll(t, [][2]string{
		{`base64.encode("héllo?>")`, `"aMOpbGxvPz4="`},
		{`base64.encode(b"\xff\xfe")`, `"//4="`},
		{`base64.decode("//4=")`, `b"\xff\xfe"`},
		{`base64.decode("__4")`, `b"\xff\xfe"`},
		{`base64.decode(base64.encode(""))`, `b""`},
	})
	checkRefused(t, [][3]string{
		{`base64.decode("a b")`, "base64.decode: the text is not base64", ""},
		{`base64.encode(1)`, "data is an int; it must be text or bytes", "str(value)"},
	})
}

func TestHashlib(t *testing.T) {
	checkAll(t, [][2]string{
		{`hashlib.sha256("abc")`, `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`},
		{`hashlib.md5(b"abc")`, `"900150983cd24fb0d6963f7d28e17f72"`},
		{`hashlib.hmac_sha256("key", "The quick brown fox jumps over the lazy dog")`, `"f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"`},
	})
	checkRefused(t, [][3]string{{`hashlib.hmac_sha256(1, "a")`, "key and data must be text or bytes", ""}})
}

func TestText(t *testing.T) {
	checkAll(t, [][2]string{
		{`urlencode({"q": "a b&c", "n": 1, "l": ["x", "é"]})`, `"q=a+b%26c&n=1&l=x&l=%C3%A9"`},
		{`urlencode([("a", 1), ("a", b"2")])`, `"a=1&a=2"`},
		{`urldecode("q=a+b%26c&l=x&l=%C3%A9&empty=&plain&%zz=1")`, `{"q": ["a b&c"], "l": ["x", "é"], "empty": [""], "plain": [""], "%zz": ["1"]}`},
		{`len(urldecode("&".join(["%d=" % i for i in range(2000)] * 2)))`, "2000"},
		{`urldecode("?a=1")`, `{"a": ["1"]}`},
		{`quote("a b/é?~")`, `"a%20b/%C3%A9%3F~"`},
		{`quote("a/b", safe="")`, `"a%2Fb"`},
		{`unquote("a%20b+%C3%A9%zz")`, `"a%20b+%C3%A9%zz"`},
		{`unquote("a%20b+%C3%A9")`, `"a b+é"`},
		{`html_escape("<a href='x'>\"&")`, `"&lt;a href=&#39;x&#39;&gt;&#34;&amp;"`},
		{`html_escape(5)`, `"5"`},
		{`len(uuid4()), uuid4() != uuid4(), bool(re.match("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", uuid4()))`, `(36, True, True)`},
	})
	checkRefused(t, [][3]string{
		{`urlencode("a=1")`, "the argument is text; it must be a dict or a list of pairs", ""},
		{`urlencode([1])`, "1 is not a pair of name and value", ""},
	})
}

func TestTextsAreLimitedInLength(t *testing.T) {
	checkRefused(t, [][3]string{
		{`re.sub("", "x" * 1000000, "y" * 20)`, "re.sub: the text would be longer than 16 MiB", ""},
		{`re.sub("y", lambda m: "x" * 1000000, "y" * 20)`, "longer than 16 MiB", ""},
		{`re.sub("(.*)", r"\1" * 1000, "y" * 20000)`, "longer than 16 MiB", ""},
		{`urlencode({"a": ["x" * 1000000] * 20})`, "urlencode: the text would be longer than 16 MiB", ""},
		{`base64.encode("x" * 13000000)`, "base64.encode: the text would be longer than 16 MiB", ""},
		{`re.escape("." * 9000000)`, "re.escape: the text would be longer than 16 MiB", ""},
		{`html_escape("&" * 4000000)`, "html_escape: the text would be longer than 16 MiB", ""},
		{`quote("&" * 6000000)`, "quote: the text would be longer than 16 MiB", ""},
	})
}

func TestRandom(t *testing.T) {
	checkAll(t, [][2]string{
		{`all([0 <= random.random() and random.random() < 1 for _ in range(100)])`, `True`},
		{`sorted(set([random.randint(1, 3) for _ in range(500)]))`, `[1, 2, 3]`},
		{`random.randint(5, 5)`, `5`},
		{`type(random.randint(-9223372036854775808, 9223372036854775807))`, `"int"`},
		{`sorted(set([random.choice(["a", "b"]) for _ in range(200)]))`, `["a", "b"]`},
		{`sorted(random.shuffle((3, 1, 2)))`, `[1, 2, 3]`},
		{`[type(random.shuffle([])), len(random.shuffle([1]))]`, `["list", 1]`},
	})
	checkRefused(t, [][3]string{
		{`random.choice([])`, "the list is empty", ""},
		{`random.randint(2, 1)`, "put the smaller number first", ""},
	})
	got, err := run(t.Context(), Options{}, "xs = list(range(100))\nx = [random.shuffle(xs) != xs, xs == list(range(100))]\n")
	if err != nil || got.String() != "[True, True]" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestSleepWaitsForTheGivenTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if _, err := run(t.Context(), Options{}, "sleep(1)\nsleep(0.5)\nsleep(0)\n"); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begin); d != 1500*time.Millisecond {
			t.Errorf("slept %v", d)
		}
	})
	checkRefused(t, [][3]string{
		{`sleep(-1)`, "-1 is not a valid time; write a number of seconds", ""},
		{`sleep("1")`, "is not a valid time", ""},
	})
}

func TestSleepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("the handler ran too long")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		begin := time.Now()
		if _, err := run(ctx, Options{}, "sleep(1e300)\n"); !errors.Is(err, why) || time.Since(begin) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
	})
}

func TestBeforeRunsBeforeCallsThatWait(t *testing.T) {
	no := errors.New("not inside state.update")
	var asked []string
	o := Options{Before: func(_ *starlark.Thread, call string) error { asked = append(asked, call); return no }}
	for _, src := range []string{"sleep(5)", "http.get('http://127.0.0.1:1/')", "http.post('http://127.0.0.1:1/')", "http.request('PUT', 'http://127.0.0.1:1/')"} {
		if _, err := run(t.Context(), o, src+"\n"); !errors.Is(err, no) {
			t.Errorf("%s: got %v", src, err)
		}
	}
	if got := strings.Join(asked, " "); got != "sleep http.get http.post http.request" {
		t.Errorf("asked %s", got)
	}
}

func TestLog(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	o := Options{Log: func(*starlark.Thread) *slog.Logger { return logger }}
	_, err := run(t.Context(), o, `
log.debug("one")
log.info("two", room="blue", n=5, f=1.5, ok=True, none=None, data=b"x", l=[1, "a"])
def f():
    log.warning(3)
f()
log.error("four")
`)
	want := `level=DEBUG msg=one at=app.star:2
level=INFO msg=two at=app.star:3 room=blue n=5 f=1.5 ok=true none=<nil> data=x l="[1, \"a\"]"
level=WARN msg=3 at=app.star:5
level=ERROR msg=four at=app.star:7
`
	if err != nil || out.String() != want {
		t.Errorf("got %s, %v", out.String(), err)
	}
	if _, err := run(t.Context(), Options{}, "log.info('discarded')\n"); err != nil {
		t.Error(err)
	}
}

func TestSettings(t *testing.T) {
	checkAll(t, [][2]string{
		{`settings["title"]`, `"Chat"`},
		{`settings.get("title"), settings.get("no"), settings.get("no", 1)`, `("Chat", None, 1)`},
		{`"debug" in settings, "no" in settings, len(settings), bool(settings)`, `(True, False, 2, True)`},
		{`settings.keys()`, `["debug", "title"]`},
		{`[k for k in settings]`, `["debug", "title"]`},
		{`dict(settings)`, `{"debug": "1", "title": "Chat"}`},
		{`str(settings)`, `"<settings [\"debug\" \"title\"]>"`},
	})
	checkRefused(t, [][3]string{
		{`settings["titel"]`, `there is no setting "titel"`, `did you mean "title"?`},
		{`settings["password"]`, `there is no setting "password"`, "--set password=…"},
	})
}

func TestUrldecodeRefusesNamesThatAreChosenToBeSlow(t *testing.T) {
	var text strings.Builder
	for i, n := 0, 0; n < 1500; i++ {
		if hash, _ := starlark.String(strconv.Itoa(i)).Hash(); hash&0xfff == 1 {
			fmt.Fprintf(&text, "%d=&", i)
			n++
		}
	}
	decode := Builtins(Options{})["urldecode"]
	_, err := starlark.Call(new(starlark.Thread), decode, starlark.Tuple{starlark.String(text.String())}, nil)
	if err == nil || !strings.Contains(err.Error(), "the hashes of too many names are equal") {
		t.Error(err)
	}
}
