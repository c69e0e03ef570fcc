package jsontext

import (
	"testing"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
)

// BenchmarkJSON compares the module with the one of plain Starlark. The value is a
// list of twenty dicts.
func BenchmarkJSON(b *testing.B) {
	var rows []starlark.Value
	for range 20 {
		row := starlark.NewDict(4)
		row.SetKey(starlark.String("id"), starlark.MakeInt(12345))
		row.SetKey(starlark.String("name"), starlark.String("a name of some letters"))
		row.SetKey(starlark.String("open"), starlark.True)
		row.SetKey(starlark.String("price"), starlark.Float(1.25))
		rows = append(rows, row)
	}
	list := starlark.NewList(rows)
	thread := new(starlark.Thread)
	text, err := Encode(thread, list)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		of   starlark.StringDict
	}{{"plain", json.Module.Members}, {"asgibox", Module.Members}} {
		for call, arg := range map[string]starlark.Value{"encode": list, "decode": text} {
			b.Run(call+"/"+c.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := starlark.Call(thread, c.of[call], starlark.Tuple{arg}, nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
