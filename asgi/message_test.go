package asgi

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestMessageIsASnapshot(t *testing.T) {
	body := []byte("before")
	list := []any{int64(1)}
	m := MustMessage(Field{"body", body}, Field{"list", list})
	copy(body, "after!")
	list[0] = "changed"
	if got := m.Bytes("body"); got != "before" {
		t.Errorf("body = %q", got)
	}
	if v, _ := m.Get("list"); v.(List).At(0) != int64(1) {
		t.Errorf("list = %v", v)
	}
}

func TestInvalidValuesAreReportedWithTheirPath(t *testing.T) {
	self := []any{nil}
	self[0] = self
	deep := any("x")
	for range MaxDepth {
		deep = []any{deep}
	}
	for _, tt := range []struct {
		name, path, reason string
		fields             Fields
	}{
		{"NaN", "n", "NaN", Fields{{"n", math.NaN()}}},
		{"infinity in a list", "a[1]", "Inf", Fields{{"a", []any{1, math.Inf(1)}}}},
		{"past 64 bits", "h[0][1]", "64 bits", Fields{{"h", []any{[]any{"x", uint64(math.MaxUint64)}}}}},
		{"unknown type", "a.b", "struct", Fields{{"a", map[string]any{"b": struct{}{}}}}},
		{"cycle", "self[0]", "nested", Fields{{"self", self}}},
		{"too deep", "deep[0]", "nested", Fields{{"deep", deep}}},
		{"text that is not UTF-8", `["odd key"]`, "UTF-8", Fields{{"odd key", "\xff"}}},
		{"key that is not UTF-8", "", "UTF-8", Fields{{"\xff", 1}}},
		{"key twice", "k", "twice", Fields{{"k", 1}, {"k", 2}}},
		{"reserved", ReservedKey, "reserved", Fields{{ReservedKey, 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewMessage(tt.fields...)
			var invalid *InvalidMessageError
			if !errors.As(err, &invalid) || !errors.Is(err, ErrInvalidMessage) {
				t.Fatalf("err = %v", err)
			}
			if !strings.HasPrefix(invalid.Path, tt.path) || !strings.Contains(invalid.Reason, tt.reason) {
				t.Errorf("err = %v", err)
			}
		})
	}
}

func TestDeepestMessage(t *testing.T) {
	v := any("x")
	for range MaxDepth - 1 {
		v = []any{v}
	}
	if _, err := NewMessage(Field{"v", v}); err != nil {
		t.Errorf("depth %d: %v", MaxDepth, err)
	}
}

func TestConverterErrorsHaveThePath(t *testing.T) {
	type foreign struct{ v any }
	c := Converter(func(v any) (any, error) {
		if f, ok := v.(foreign); ok {
			return f.v, nil
		}
		return nil, errors.New("a set cannot be sent")
	})
	m, err := c.Message(Fields{{"a", foreign{[]any{foreign{"x"}}}}})
	if v, _ := m.Get("a"); err != nil || v.(List).At(0) != "x" {
		t.Errorf("m = %v, %v", m, err)
	}
	_, err = c.Message(Fields{{"a", foreign{[]any{struct{}{}}}}})
	if err == nil || err.Error() != "invalid message: a[0]: a set cannot be sent" {
		t.Errorf("err = %v", err)
	}
}

func TestLongDictsHaveAnIndex(t *testing.T) {
	var fields Fields
	for i := range 100 {
		fields = append(fields, Field{strings.Repeat("k", i+1), i})
	}
	m := MustMessage(fields...)
	if m.Int("kkk") != 2 || m.Has("") {
		t.Errorf("kkk = %d", m.Int("kkk"))
	}
	if _, err := NewMessage(append(fields, Field{"k", 1})...); err == nil {
		t.Error("a duplicate key was accepted")
	}
}

func TestEqualComparesTypes(t *testing.T) {
	a := MustMessage(Field{"x", []any{1, "t", Bytes("b"), nil}}, Field{"y", 2.0})
	b := MustMessage(Field{"y", 2.0}, Field{"x", []any{1, "t", Bytes("b"), nil}})
	if !Equal(a, b) {
		t.Error("Equal does not ignore the order of keys")
	}
	for _, pair := range [][2]any{{int64(1), 1.0}, {"b", Bytes("b")}, {nil, false}, {List{}, nil}, {int64(0), Dict{}}} {
		if Equal(pair[0], pair[1]) || Equal(pair[1], pair[0]) {
			t.Errorf("%#v equals %#v", pair[0], pair[1])
		}
	}
}

func TestFootprintCountsSmallValues(t *testing.T) {
	large := MustMessage(Field{"body", make([]byte, 10_000)})
	if f := large.Footprint(); f < 10_000 || f > 11_000 {
		t.Errorf("10,000 bytes take %d", f)
	}
	numbers := make([]any, 1000)
	for i := range numbers {
		numbers[i] = i
	}
	small := MustMessage(Field{"numbers", numbers})
	if f := small.Footprint(); f < 16_000 || f > 32_000 {
		t.Errorf("1,000 numbers take %d", f)
	}
	nested := MustMessage(Field{"d", map[string]any{"numbers": numbers}})
	if nested.Footprint() <= small.Footprint() {
		t.Error("the footprint does not count nested values")
	}
}

func TestOctetsAcceptsText(t *testing.T) {
	m := MustMessage(Field{"text", "é"}, Field{"bytes", Bytes("\xff")}, Field{"n", 1}, Field{"list", []any{Bytes("a"), "b", nil}})
	for key, want := range map[string]string{"text": "\xc3\xa9", "bytes": "\xff", "n": "", "missing": ""} {
		if got := m.Octets(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	v, _ := m.Get("list")
	if l := v.(List); l.Octets(0) != "a" || l.Octets(1) != "b" || l.Octets(2) != "" {
		t.Errorf("a list's items: %q, %q, %q", l.Octets(0), l.Octets(1), l.Octets(2))
	}
	if _, ok := Octets(int64(1)); ok {
		t.Error("an integer was accepted as bytes")
	}
}
