package asgi

import (
	"math"
	"testing"
)

func TestEveryNumberTypeIsAccepted(t *testing.T) {
	for _, tt := range []struct{ in, want any }{
		{int(-1), int64(-1)}, {int8(-8), int64(-8)}, {int16(-16), int64(-16)}, {int32(-32), int64(-32)}, {int64(math.MinInt64), int64(math.MinInt64)},
		{uint(1), int64(1)}, {uint8(8), int64(8)}, {uint16(16), int64(16)}, {uint32(32), int64(32)}, {uint64(math.MaxInt64), int64(math.MaxInt64)},
		{float32(0.5), 0.5}, {0.25, 0.25},
	} {
		got, err := Converter(nil).Value(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("%T %v: %T %v, %v", tt.in, tt.in, got, got, err)
		}
	}
	for _, in := range []any{uint(math.MaxUint64), uint64(math.MaxInt64 + 1), float32(math.Inf(-1)), math.NaN(), complex(1, 1)} {
		if got, err := Converter(nil).Value(in); err == nil {
			t.Errorf("%T %v was accepted as %v", in, in, got)
		}
	}
}

func TestMessagesAndDictsAreAcceptedAsValues(t *testing.T) {
	inner := MustMessage(Field{"a", []any{1}})
	m := MustMessage(Field{"message", inner}, Field{"dict", inner.Dict}, Field{"map", map[string]any{"b": 2, "a": []any{1}}})
	for _, key := range []string{"message", "dict"} {
		if v, _ := m.Get(key); !Equal(v, inner) {
			t.Errorf("%s = %v", key, v)
		}
	}
	if v, _ := m.Get("map"); v.(Dict).At(0).Key != "a" {
		t.Errorf("the keys of a map are not sorted: %v", v)
	}
}

func TestMapIsASnapshot(t *testing.T) {
	list := []any{1}
	v, err := Converter(nil).Value(map[string]any{"list": list})
	list[0] = "changed"
	if got, _ := v.(Dict).Get("list"); err != nil || got.(List).At(0) != int64(1) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestOwnedValuesAreChecked(t *testing.T) {
	m, err := Converter(nil).OwnMessage(Fields{{"a", []any{1, Fields{{"b", "c"}}}}})
	if want := MustMessage(Field{"a", []any{1, map[string]any{"b": "c"}}}); err != nil || !Equal(m, want) {
		t.Errorf("%v, %v", m, err)
	}
	if _, err := Converter(nil).OwnMessage(Fields{{"a", []any{math.NaN()}}}); err == nil || err.Error() != "invalid message: a[0]: NaN is not a finite number" {
		t.Errorf("err = %v", err)
	}
	if _, err := Converter(nil).OwnMessage(Fields{{ReservedKey, 1}}); err == nil {
		t.Error("the reserved key was accepted")
	}
}

func TestListAppend(t *testing.T) {
	l, err := NewList("a", 1)
	if err != nil || l.Len() != 2 || l.At(1) != int64(1) {
		t.Fatalf("%v, %v", l, err)
	}
	longer, err := l.Append([]byte("b"), 2)
	if err != nil || longer.Len() != 2 || longer.At(1) != Bytes("b") || l.Len() != 2 || l.At(0) != "a" {
		t.Errorf("%v from %v, %v", longer, l, err)
	}
	if _, err := l.Append(math.NaN(), 0); err == nil {
		t.Error("NaN was appended")
	}
}

func TestWithChangesACopy(t *testing.T) {
	m := MustMessage(Field{"a", 1}, Field{"b", 2})
	n, err := m.With("a", "x")
	if err != nil || n.Text("a") != "x" || m.Int("a") != 1 || n.At(0).Key != "a" {
		t.Errorf("%v from %v, %v", n, m, err)
	}
	if n, _ = m.With("c", 3); n.Len() != 3 || n.Int("c") != 3 {
		t.Errorf("%v", n)
	}
}

func BenchmarkNewMessage(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, err := NewMessage(Field{"status", 200}, Field{"content", Bytes("Hello World!")}, Field{"headers", []any{}})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRequestMessage makes the message that a protocol server sends for a
// request.
func BenchmarkRequestMessage(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, err := Converter(nil).OwnMessage(Fields{
			{"reply_channel", "asgibox.response.kQzRtYpLmN!c4128837"},
			{"http_version", "1.1"},
			{"method", "GET"},
			{"scheme", "http"},
			{"path", "/"},
			{"query_string", Bytes("")},
			{"root_path", ""},
			{"headers", []any{[]any{Bytes("host"), Bytes("127.0.0.1")}}},
			{"body", Bytes("")},
			{"body_channel", nil},
			{"client", []any{"127.0.0.1", int64(53412)}},
			{"server", []any{"127.0.0.1", int64(8000)}},
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
