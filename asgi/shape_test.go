package asgi

import (
	"errors"
	"testing"
)

// TestShapeMakesTheMessagesOfNewMessage compares everything that a message holds.
func TestShapeMakesTheMessagesOfNewMessage(t *testing.T) {
	s := NewShape("a", "long_key", "c")
	for _, values := range [][]any{
		{nil, true, 1 << 40},
		{"text", Bytes("bytes"), 1.5},
		{[]any{[]any{Bytes("x"), 2}, "y"}, Fields{{"k", "v"}}, MustMessage(Field{"k", nil})},
	} {
		want := MustMessage(Field{"a", values[0]}, Field{"long_key", values[1]}, Field{"c", values[2]})
		got, err := s.Message(values...)
		if err != nil || !Equal(got, want) || got.Size() != want.Size() || got.Footprint() != want.Footprint() || got.depth != want.depth {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	}
}

func TestShapeChecksValues(t *testing.T) {
	_, err := NewShape("a", "b").Message(nil, []any{"\xff"})
	var invalid *InvalidMessageError
	if !errors.As(err, &invalid) || invalid.Path != "b[0]" {
		t.Errorf("err = %v", err)
	}
}

func TestShapeChecksKeys(t *testing.T) {
	for _, keys := range [][]string{{"a", "a"}, {"\xff"}, {ReservedKey}, make([]string, indexFrom)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q is a shape", keys)
				}
			}()
			NewShape(keys...)
		}()
	}
}

func BenchmarkShape(b *testing.B) {
	s := NewShape("reply_channel", "http_version", "method", "scheme", "path", "query_string", "root_path", "headers", "body", "body_channel", "client", "server")
	pair := func(a, b any) []any { return []any{a, b} }
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.Message("asgibox.response.kQzRtYpLmN!c4128837", "1.1", "GET", "http", "/", Bytes(""), "",
			[]any{pair(Bytes("host"), Bytes("127.0.0.1"))}, Bytes(""), nil, pair("127.0.0.1", int64(53412)), pair("127.0.0.1", int64(8000)))
		if err != nil {
			b.Fatal(err)
		}
	}
}
