package web

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"go.starlark.net/starlark"
)

// TestFormsOfTheTable reads forms as Python applications do: the tests of the
// Python package have the same table. Each character of a body, and of a file, is
// a byte.
func TestFormsOfTheTable(t *testing.T) {
	data, err := os.ReadFile("testdata/forms.json")
	if err != nil {
		t.Fatal(err)
	}
	var table []struct {
		Type, Body    string
		Refused       bool
		Fields, Files [][]string
	}
	if err := json.Unmarshal(data, &table); err != nil {
		t.Fatal(err)
	}
	for _, c := range table {
		r := NewRequest(get("/", headers("content-type", latin1(c.Type)), bodyField(latin1(c.Body))), Hooks{})
		post, err := r.Attr("POST")
		if (err != nil) != c.Refused {
			t.Errorf("%s, %q: got %v, want an error: %v", c.Type, c.Body, err, c.Refused)
		}
		if err != nil {
			continue
		}
		var fields, files [][]string
		eachValue(post, func(key string, v starlark.Value) {
			s, _ := starlark.AsString(v)
			fields = append(fields, []string{key, s})
		})
		uploads, _ := r.Attr("FILES")
		eachValue(uploads, func(key string, v starlark.Value) {
			f := v.(*upload)
			files = append(files, []string{key, f.name, f.kind, string(f.content)})
		})
		for _, f := range c.Files {
			f[3] = latin1(f[3])
		}
		if !reflect.DeepEqual(fields, c.Fields) || !reflect.DeepEqual(files, c.Files) {
			t.Errorf("%s, %q: got %q and %q, want %q and %q", c.Type, c.Body, fields, files, c.Fields, c.Files)
		}
	}
}

func eachValue(m starlark.Value, yield func(key string, v starlark.Value)) {
	multi := m.(*Multi)
	for _, key := range multi.keys {
		for _, v := range multi.values[key] {
			yield(key, v)
		}
	}
}

// latin1 returns a text whose bytes are the characters of s.
func latin1(s string) string {
	var out []byte
	for _, c := range s {
		out = append(out, byte(c))
	}
	return string(out)
}
