package codec

import (
	"testing"

	"asgibox/asgi"
)

func FuzzMessagePack(f *testing.F) {
	for _, v := range every().All() {
		if asgi.SizeOf(v) < 1000 {
			f.Add(AppendValue(nil, v))
		}
	}
	f.Add([]byte("\x81\xa1a\xd6\xff\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := DecodeValue(b)
		if err != nil {
			return
		}
		again := AppendValue(nil, v)
		if len(again) != asgi.SizeOf(v) {
			t.Errorf("%d bytes, SizeOf says %d", len(again), asgi.SizeOf(v))
		}
		roundTrips(t, v)
	})
}

func FuzzJSON(f *testing.F) {
	for _, v := range every().All() {
		if asgi.SizeOf(v) < 1000 {
			f.Add(AppendValueJSON(nil, v))
		}
	}
	f.Add([]byte(`{"a":"\ud83d\ude42","b":[1e5,-0.5]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decodeValueJSON(b)
		if err != nil {
			return
		}
		roundTrips(t, v)
	})
}

// roundTrips checks that both forms decode v to what was encoded.
func roundTrips(t *testing.T, v any) {
	t.Helper()
	for _, form := range forms {
		b := form.appendValue(nil, v)
		again, err := form.decodeValue(b)
		if err != nil || !asgi.Equal(v, again) {
			t.Fatalf("%s: %v encoded as %q, decoded as %v, %v", form.name, v, b, again, err)
		}
	}
}
