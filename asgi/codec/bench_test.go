package codec

import (
	"encoding/json"
	"strings"
	"testing"

	"asgibox/asgi"
)

// sample is a message of about 200 bytes, like one of a chat.
var sample = asgi.MustMessage(
	asgi.Field{Key: "reply_channel", Value: "asgibox.response.kQzRtYpLmN!c4128837"},
	asgi.Field{Key: "path", Value: "/chat/lobby/"},
	asgi.Field{Key: "text", Value: strings.Repeat("words ", 14)},
	asgi.Field{Key: "bytes", Value: nil},
	asgi.Field{Key: "order", Value: 4711},
	asgi.Field{Key: "client", Value: []any{"127.0.0.1", 53412}},
)

func BenchmarkAppend(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(sample.Size()))
	var buf []byte
	for b.Loop() {
		buf = Append(buf[:0], sample)
	}
}

func BenchmarkDecode(b *testing.B) {
	in := Append(nil, sample)
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if _, err := Decode(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		buf = AppendJSON(buf[:0], sample)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkDecodeJSON(b *testing.B) {
	in := AppendJSON(nil, sample)
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if _, err := DecodeJSON(in); err != nil {
			b.Fatal(err)
		}
	}
}

// The benchmarks above are compared with the two below.

func BenchmarkBaselineMarshal(b *testing.B) {
	v := baseline(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := json.Marshal(v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBaselineUnmarshal(b *testing.B) {
	in := AppendJSON(nil, sample)
	b.ReportAllocs()
	for b.Loop() {
		var v map[string]any
		if err := json.Unmarshal(in, &v); err != nil {
			b.Fatal(err)
		}
	}
}

func baseline(b *testing.B) map[string]any {
	var v map[string]any
	if err := json.Unmarshal(AppendJSON(nil, sample), &v); err != nil {
		b.Fatal(err)
	}
	return v
}
