package value_test

import (
	"errors"
	"strings"
	"testing"

	"asgibox/asgi"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

const limit = 1 << 20

func eval(t testing.TB, src string) starlark.Value {
	t.Helper()
	opts := &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true, Recursion: true}
	globals, err := starlark.ExecFileOptions(opts, new(starlark.Thread), "test.star", src, nil)
	if err != nil {
		t.Fatal(err)
	}
	return globals["x"]
}

func everything(t testing.TB) asgi.Message {
	t.Helper()
	pair, _ := asgi.NewList(asgi.Bytes("host"), asgi.Bytes("a\xff"))
	inner, _ := asgi.NewMessage(asgi.Field{Key: "deep", Value: "é"})
	return asgi.MustMessage(
		asgi.Field{Key: "none", Value: nil},
		asgi.Field{Key: "bool", Value: true},
		asgi.Field{Key: "int", Value: int64(-1 << 63)},
		asgi.Field{Key: "float", Value: 1.5},
		asgi.Field{Key: "text", Value: "héllo"},
		asgi.Field{Key: "bytes", Value: asgi.Bytes("h\x00\xff")},
		asgi.Field{Key: "list", Value: pair},
		asgi.Field{Key: "dict", Value: inner},
	)
}

func TestValuesAreTheSameAfterARoundTrip(t *testing.T) {
	m := everything(t)
	back, err := value.Message(value.ToStarlark(m), limit)
	if err != nil {
		t.Fatal(err)
	}
	if !asgi.Equal(m, back) {
		t.Errorf("got %v, want %v", back, m)
	}
}

func TestScriptsSeePlainValues(t *testing.T) {
	got := value.ToStarlark(everything(t)).String()
	want := `{"none": None, "bool": True, "int": -9223372036854775808, "float": 1.5, "text": "héllo", "bytes": b"h\x00\xff", "list": [b"host", b"a\xff"], "dict": {"deep": "é"}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTuplesBecomeLists(t *testing.T) {
	m, err := value.Message(eval(t, `x = {"headers": [("a", (1, 2))]}`), limit)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := value.ToStarlark(m).String(), `{"headers": [["a", [1, 2]]]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAMessageIsACopyOfTheDict(t *testing.T) {
	d := eval(t, `x = {"list": [1]}`).(*starlark.Dict)
	m, err := value.Message(d, limit)
	if err != nil {
		t.Fatal(err)
	}
	l, _, _ := d.Get(starlark.String("list"))
	l.(*starlark.List).Append(starlark.MakeInt(2))
	if got := value.ToStarlark(m).String(); got != `{"list": [1]}` {
		t.Errorf("the message changed to %s", got)
	}
}

func TestRefusalsGiveThePathAndTheReason(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{`x = {"headers": [0, [1, set([1])]]}`, "invalid message: headers[1][1]: it is a set, which cannot be sent; make it a list: list(…)"},
		{`x = {"n": range(3)}`, "n: it is a range, which cannot be sent; make it a list: list(…)"},
		{"def f(): pass\nx = {'f': f}", "f: <function f> is a function, which cannot be sent; call it, or send its name"},
		{`x = {"f": len}`, "is a function"},
		{`x = {"n": 1 << 63}`, "n: 9223372036854775808 is too large for a signed 64-bit integer; send it as text"},
		{`x = {"n": 1 << 400}`, "an int of 401 bits is too large"},
		{`x = {"d": {1: 2}}`, "d: its key 1 is an int; keys must be text: str(1)"},
		{`x = {b"k": 2}`, `its key b"k" is bytes; keys must be text`},
		{`x = {None: 2}`, `its key None is None; keys must be text`},
		{`x = {"n": float("nan")}`, "n: NaN is not a finite number"},
		{`x = {"n": float("inf")}`, "n: +Inf is not a finite number"},
		{`x = {"__asgi_channel__": 1}`, `the key "__asgi_channel__" is reserved`},
		{"x = []\nx.append(x)\nx = {'l': x}", "nested deeper than 100"},
		{"x = {}\nx['d'] = x", "nested deeper than 100"},
		{`x = [1]`, "invalid message: it is a list; a message must be a dict"},
		{`x = None`, "it is None; a message must be a dict"},
	} {
		_, err := value.Message(eval(t, c.src), limit)
		if !errors.Is(err, asgi.ErrInvalidMessage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want …%s", c.src, err, c.want)
		}
	}
}

func TestTextThatIsNotUTF8IsRefused(t *testing.T) {
	_, err := value.FromStarlark(starlark.String("a\xff"), limit)
	if !errors.Is(err, asgi.ErrInvalidMessage) {
		t.Errorf("got %v", err)
	}
}

func TestAListThatContainsAListManyTimesIsTooLarge(t *testing.T) {
	x := eval(t, "x = [1]\nfor _ in range(40):\n  x = [x, x]\nx = {'l': x}")
	_, err := value.Message(x, limit)
	if !errors.Is(err, asgi.ErrMessageTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestTheNumberOfValuesIsLimited(t *testing.T) {
	if _, err := value.Message(eval(t, "x = {'l': [1] * 1000}"), 1100); err != nil {
		t.Error(err)
	}
	if _, err := value.Message(eval(t, "x = {'l': [1] * 1101}"), 1100); !errors.Is(err, asgi.ErrMessageTooLarge) {
		t.Errorf("got %v", err)
	}
}

type channel struct {
	starlark.NoneType
	name string
}

func (c channel) Native() (any, error) {
	if c.name == "" {
		return nil, errors.New("it has no name")
	}
	return c.name, nil
}

func TestANativeValueConvertsItself(t *testing.T) {
	got, err := value.FromStarlark(starlark.NewList([]starlark.Value{channel{name: "a"}}), limit)
	if want, _ := asgi.NewList("a"); err != nil || !asgi.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	_, err = value.FromStarlark(starlark.Tuple{channel{}}, limit)
	if err == nil || err.Error() != "invalid message: [0]: it has no name" {
		t.Errorf("got %v", err)
	}
}

// A conversion allocates the fields, the keys of the dict and one box for each
// value.
func TestConvertingADictAllocatesLittle(t *testing.T) {
	response := eval(t, `x = {"content": "Hello World!", "status": 200}`)
	if n := testing.AllocsPerRun(100, func() { value.Message(response, limit) }); n > 6 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRequestToStarlark(b *testing.B) {
	var headers []any
	for range 12 {
		headers = append(headers, []any{asgi.Bytes("accept-language"), asgi.Bytes("en")})
	}
	m := asgi.MustMessage(asgi.Field{Key: "path", Value: "/"}, asgi.Field{Key: "headers", Value: headers})
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			value.ToStarlark(m)
		}
	})
	b.Run("one text", func(b *testing.B) {
		for b.Loop() {
			c := value.NewContent(m)
			c.Get("path")
		}
	})
}
