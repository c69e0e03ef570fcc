package jsontext_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"asgibox/workerpool/script/jsontext"

	"go.starlark.net/starlark"
)

// latin1 returns the bytes whose values are the characters of a text.
func latin1(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteByte(byte(r))
	}
	return b.String()
}

// TestTextsOfTheTable decodes what Python applications do: the tests of the Python
// package have the same table. Each character is a byte.
func TestTextsOfTheTable(t *testing.T) {
	data, err := os.ReadFile("testdata/texts.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct{ Accepted, Refused []string }
	if err := json.Unmarshal(data, &table); err != nil {
		t.Fatal(err)
	}
	thread := new(starlark.Thread)
	for _, text := range table.Accepted {
		if _, err := jsontext.Decode(thread, latin1(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range table.Refused {
		if v, err := jsontext.Decode(thread, latin1(text)); err == nil {
			t.Errorf("%q: got %v, want an error", text, v)
		}
	}
}

// FuzzDecode compares what is decoded with encoding/json, which has no integers, and
// other limits.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{"[1.]", "\"\n\"", `{"a": [-0.5e3, "\u00e9\\", null, true]}`, "1e400", "\ufeff1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := jsontext.Decode(new(starlark.Thread), text)
		data := []byte(strings.TrimPrefix(text, "\ufeff"))
		if err == nil && !json.Valid(data) {
			t.Errorf("%q was decoded", text)
		}
		limit := err != nil && (strings.Contains(err.Error(), "deeper than") || strings.Contains(err.Error(), "digits") || strings.Contains(err.Error(), "hashes"))
		if err != nil && json.Unmarshal(data, new(any)) == nil && !limit {
			t.Errorf("%q: %v", text, err)
		}
	})
}
