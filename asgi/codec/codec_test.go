package codec

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"asgibox/asgi"
)

// forms are the two encodings, for tests that apply to both.
var forms = []struct {
	name         string
	append       func([]byte, asgi.Message) []byte
	decode       func([]byte) (asgi.Message, error)
	appendValue  func([]byte, any) []byte
	decodeValue  func([]byte) (any, error)
	appendFields func([]byte, asgi.Fields) []byte
	decodeFields func([]byte) (asgi.Fields, error)
}{
	{"MessagePack", Append, Decode, AppendValue, DecodeValue, AppendFields, DecodeFields},
	{"JSON", AppendJSON, DecodeJSON, AppendValueJSON, decodeValueJSON, AppendFieldsJSON, DecodeFieldsJSON},
}

// decodeValueJSON decodes one value, which need not be a message.
func decodeValueJSON(b []byte) (any, error) {
	v, err := readAllJSON(b, unmark)
	if err != nil {
		return nil, err
	}
	return converter.OwnValue(v)
}

// every returns a message with each type and each length class in it.
func every() asgi.Message {
	return asgi.MustMessage(
		asgi.Field{Key: "zuerst", Value: nil},
		asgi.Field{Key: "", Value: []any{true, false}},
		asgi.Field{Key: "bytes", Value: asgi.Bytes("\x00\xff\uffff")},
		asgi.Field{Key: "no bytes", Value: asgi.Bytes("")},
		asgi.Field{Key: "text", Value: "\uffff quoted \" \\ / <b> \n\r\t\x01 ü 🙂 \uffff\uffff \u2028"},
		asgi.Field{Key: "\uffffkey", Value: "\uffff\uffff"},
		asgi.Field{Key: "ints", Value: []any{0, 127, 128, 1 << 15, 1 << 31, math.MaxInt64, -1, -32, -33, -128, -129, math.MinInt16, math.MinInt16 - 1, math.MinInt32, math.MinInt32 - 1, math.MinInt64}},
		asgi.Field{Key: "floats", Value: []any{0.0, math.Copysign(0, -1), 1.0, 0.1, 1e20, 1e21, 1e-7, math.MaxFloat64, math.SmallestNonzeroFloat64, -2.5e300}},
		asgi.Field{Key: "texts", Value: []any{strings.Repeat("a", 31), strings.Repeat("a", 32), strings.Repeat("a", 256), strings.Repeat("ä", 1<<15)}},
		asgi.Field{Key: "blobs", Value: []any{asgi.Bytes(strings.Repeat("\x80", 255)), asgi.Bytes(strings.Repeat("b", 1<<16))}},
		asgi.Field{Key: "many", Value: make([]any, 1<<16)},
		asgi.Field{Key: "nested", Value: map[string]any{"a": []any{map[string]any{}, []any{}}, "b": make([]any, 16)}},
		asgi.Field{Key: "deepest", Value: nested(asgi.MaxDepth - 1)},
	)
}

func nested(levels int) any {
	var v any
	for range levels {
		v = []any{v}
	}
	return v
}

func TestRoundTripKeepsEveryType(t *testing.T) {
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			b := form.append([]byte("before"), every())
			if !bytes.HasPrefix(b, []byte("before")) {
				t.Fatal("the encoder overwrote the bytes before")
			}
			got, err := form.decode(b[len("before"):])
			if err != nil {
				t.Fatal(err)
			}
			if !asgi.Equal(every(), got) {
				t.Errorf("decoded as %v", got)
			}
		})
	}
}

func TestKeysKeepTheirOrder(t *testing.T) {
	for _, form := range forms {
		got, err := form.decode(form.append(nil, every()))
		if err != nil {
			t.Fatal(err)
		}
		for i := range got.Len() {
			if got.At(i).Key != every().At(i).Key {
				t.Errorf("%s: key %d is %q", form.name, i, got.At(i).Key)
			}
		}
	}
}

func TestSizeOfIsTheEncodedLength(t *testing.T) {
	m := every()
	if n := len(Append(nil, m)); n != m.Size() {
		t.Errorf("the message: %d bytes, SizeOf says %d", n, m.Size())
	}
	for key, v := range m.All() {
		if n := len(AppendValue(nil, v)); n != asgi.SizeOf(v) {
			t.Errorf("%s: %d bytes, SizeOf says %d", key, n, asgi.SizeOf(v))
		}
		if l, ok := v.(asgi.List); ok {
			for i, v := range l.All() {
				if n := len(AppendValue(nil, v)); n != asgi.SizeOf(v) {
					t.Errorf("%s[%d]: %d bytes, SizeOf says %d", key, i, n, asgi.SizeOf(v))
				}
			}
		}
	}
}

func TestEnvelopeAllowsTheDeepestMessage(t *testing.T) {
	m := asgi.MustMessage(asgi.Field{Key: "v", Value: nested(asgi.MaxDepth - 1)})
	for _, form := range forms {
		b := form.appendFields(nil, asgi.Fields{{Key: "channel", Value: "c"}, {Key: "message", Value: m.Dict}})
		fields, err := form.decodeFields(b)
		if err != nil {
			t.Fatalf("%s: %v", form.name, err)
		}
		if fields[0].Value != "c" || !asgi.Equal(fields[1].Value, m) {
			t.Errorf("%s: %v", form.name, fields)
		}
	}
}

func TestInvalidValuesAreReportedWithTheirPath(t *testing.T) {
	deep := strings.Repeat("[", 1000)
	for _, tt := range []struct {
		name   string
		decode func([]byte) (asgi.Message, error)
		in     string
		want   string
	}{
		{"NaN", Decode, "\x81\xa1a\x91\xcb\x7f\xf8\x00\x00\x00\x00\x00\x01", "a[0]: NaN"},
		{"float32 infinity", Decode, "\x81\xa1a\xca\x7f\x80\x00\x00", "a: +Inf"},
		{"past 64 bits", Decode, "\x81\xa1a\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "a: 18446744073709551615"},
		{"extension", Decode, "\x81\xa1a\xd4\x10x", "a: an extension"},
		{"time extension", Decode, "\x81\xa1a\xd6\xff\x00\x00\x00\x00", "a: an extension"},
		{"text not UTF-8", Decode, "\x81\xa1a\xa1\xff", "a: the text is not valid UTF-8"},
		{"key not UTF-8", Decode, "\x81\xa1\xff\xc0", "key"},
		{"key twice", Decode, "\x82\xa1k\xc0\xa1k\xc0", "k: the key is given twice"},
		{"reserved key", Decode, "\x81\xb0" + asgi.ReservedKey + "\xc0", "reserved"},
		{"not a dict", Decode, "\x90", "not a dict"},
		{"too deep", Decode, "\x81\xa1k" + strings.Repeat("\x91", 1000) + "\xc0", "nested deeper"},
		{"one too deep", Decode, "\x81\xa1k" + strings.Repeat("\x91", 100) + "\xc0", "nested deeper"},
		{"integer key", Decode, "\x81\xa1a\x91\x82\x01\xc0\xa1b\xc0", "a[0]: its key 1 is an integer; keys must be text"},
		{"bytes key", Decode, "\x81\xa1a\x81\xc4\x01b\xc0", "a: a key of it is a byte string; keys must be text"},
		{"list key", Decode, "\x81\xa1a\x81\x91\x01\xc0", "a: a key of it is a list"},
		{"None key", Decode, "\x81\xa1a\x81\xc0\xc0", "a: a key of it is None"},
		{"float key", Decode, "\x81\xa1a\x81\xca\x3f\x00\x00\x00\xc0", "a: a key of it is a float"},
		{"extension key", Decode, "\x81\xa1a\x81\xd4\x10x\xc0", "a: a key of it is of an extension type"},
		{"integer key of the message", Decode, "\x81\x01\xc0", "invalid message: its key 1 is an integer"},
		{"JSON past 64 bits", DecodeJSON, `{"a":[9223372036854775808]}`, "a[0]: 9223372036854775808"},
		{"JSON past a float", DecodeJSON, `{"a":1e400}`, "a: 1e400"},
		{"JSON not base64", DecodeJSON, `{"a":"\uffffx"}`, "a: after U+FFFF"},
		{"JSON base64 with a line break", DecodeJSON, `{"a":"\uffffeH\nh4"}`, "a: after U+FFFF"},
		{"JSON key twice", DecodeJSON, `{"k":1,"k":2}`, "k: the key is given twice"},
		{"JSON reserved key", DecodeJSON, `{"__asgi_channel__":1}`, "reserved"},
		{"JSON not a dict", DecodeJSON, `[]`, "not a dict"},
		{"JSON too deep", DecodeJSON, `{"k":` + deep, "nested deeper"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.decode([]byte(tt.in))
			if !errors.Is(err, asgi.ErrInvalidMessage) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestMalformedInput(t *testing.T) {
	for _, in := range []string{
		"", "\x81", "\x81\xa1", "\x81\xa1k", "\xc1", "\x80\x80", "\xde\xff", "\x81\x01", "\x82\x01\xc0",
		"\xdd\xff\xff\xff\xff", "\x81\xa1k\xdf\xff\xff\xff\xff", "\x81\xa1k\xc6\xff\xff\xff\xff", "\x81\xa1k\xc9\xff\xff\xff\xff\x01",
	} {
		if _, err := Decode([]byte(in)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: %v", in, err)
		}
	}
	for _, in := range []string{
		"", " ", "{", `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{"a" 1}`, `{a:1}`, `{"a":1}x`, `{"a":1}{}`, "[1,]", "[1 2]", "nul", "tru",
		`"`, `"\`, `"\u12`, `"\u12g4"`, `"\x"`, "\"\n\"", "\"\x00\"", "\"\xff\"", `"\ud800"`, `"\udc00"`, `"\ud800\ud800"`, `"\ud800\n"`, `"\ud800x`,
		"01", "-", "1.", ".5", "1e", "1e+", "+1", "--1", "NaN", "Infinity", "0x1", "1_0", "\ufeff", "\ufeff\ufeff{}", "{\ufeff}", "\x00", "// c\n1",
	} {
		if _, err := decodeValueJSON([]byte(in)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestAByteOrderMarkBeforeJSONIsSkipped(t *testing.T) {
	m, err := DecodeJSON([]byte("\ufeff{\"a\": \"\ufeffb\"}"))
	if err != nil || m.Text("a") != "\ufeffb" {
		t.Errorf("%v, %v", m, err)
	}
}

func TestWrongLengthsAllocateNothing(t *testing.T) {
	for _, in := range []string{
		"\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff", "\xdb\xff\xff\xff\xff", "\xdc\xff\xff", "\xde\xff\xff",
		"\x91\xdd\x10\x00\x00\x00\xc0\xc0", strings.Repeat("\xdd\x7f\xff\xff\xff", 50),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := DecodeValue([]byte(in))
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; err == nil || got > 64<<10 {
			t.Errorf("%x: %d bytes allocated, %v", in, got, err)
		}
	}
}

func TestDecodeReadsOtherEncodersMessagePack(t *testing.T) {
	in := "\x86\xa1a\xcc\xc8\xa1b\xcd\xff\xff\xa1c\xce\xff\xff\xff\xff\xa1d\xcf\x00\x00\x00\x00\x00\x00\x00\x01\xa1e\xca\x3f\x00\x00\x00\xd9\x01f\xd3\x00\x00\x00\x00\x00\x00\x00\x05"
	want := asgi.MustMessage(
		asgi.Field{Key: "a", Value: 200}, asgi.Field{Key: "b", Value: 65535}, asgi.Field{Key: "c", Value: 1<<32 - 1},
		asgi.Field{Key: "d", Value: 1}, asgi.Field{Key: "e", Value: 0.5}, asgi.Field{Key: "f", Value: 5})
	got, err := Decode([]byte(in))
	if err != nil || !asgi.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestJSONFormat(t *testing.T) {
	m := asgi.MustMessage(
		asgi.Field{Key: "status", Value: 200},
		asgi.Field{Key: "content", Value: asgi.Bytes("Hello World!")},
		asgi.Field{Key: "text", Value: "ü\uffff\"</"},
		asgi.Field{Key: "marked", Value: "\uffffx"},
		asgi.Field{Key: "float", Value: 1.0},
		asgi.Field{Key: "large", Value: 1e21},
		asgi.Field{Key: "list", Value: []any{nil, true}},
	)
	want := `{"status":200,"content":"\uffffSGVsbG8gV29ybGQh","text":"ü\uffff\"\u003c/","marked":"\uffff\uffffx","float":1.0,"large":1e+21,"list":[null,true]}`
	if got := string(AppendJSON(nil, m)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestJSONWithSpacesAndEscapes(t *testing.T) {
	got, err := DecodeJSON([]byte(" {\t\"a\" : [ 1 , 2.0 , -0 , -0.0 ] ,\r\n \"\\u00fc\\/\" : \"\\ud83d\\ude42\\b\\f\" } \n"))
	want := asgi.MustMessage(
		asgi.Field{Key: "a", Value: []any{1, 2.0, 0, math.Copysign(0, -1)}},
		asgi.Field{Key: "ü/", Value: "🙂\b\f"})
	if err != nil || !asgi.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestDecodedMessageSharesNoMemoryWithTheInput(t *testing.T) {
	for _, form := range forms {
		b := form.append(nil, every())
		got, err := form.decode(b)
		clear(b)
		if err != nil || !asgi.Equal(got, every()) {
			t.Errorf("%s: %v", form.name, err)
		}
	}
}
