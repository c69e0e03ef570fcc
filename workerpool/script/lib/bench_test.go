package lib

import (
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// BenchmarkGuard compares operators that check their operands with those of plain
// Starlark. One operation is 1000 repetitions.
func BenchmarkGuard(b *testing.B) {
	for _, c := range []struct{ name, expr string }{
		{"index", `d[k]`},
		{"list index", `l[i]`},
		{"in", `k in d`},
		{"get", `d.get(k)`},
		{"get literal", `d.get("name")`},
		{"display", `{k: 1}`},
		{"equal", `k == s`},
		{"equal None", `k == None`},
		{"percent", `"%s is %d" % (k, i)`},
		{"percent one", `"%s is" % k`},
		{"format", `"{} is {}".format(k, i)`},
		{"product", `i * i`},
		{"product with a literal", `i * 2`},
		{"sum", `i + i`},
		{"join", `", ".join([k, s])`},
		{"replace", `k.replace(k, s)`},
		{"nothing", `k`},
	} {
		for _, guarded := range []bool{false, true} {
			name := c.name + "/plain"
			if guarded {
				name = c.name + "/guarded"
			}
			b.Run(name, func(b *testing.B) { benchGuard(b, c.expr, guarded) })
		}
	}
}

func benchGuard(b *testing.B, expr string, guarded bool) {
	source := "def run(d, l, k, s, i):\n    for _ in range(1000):\n        " + expr + "\n"
	f, err := (&syntax.FileOptions{}).Parse("bench.star", source, 0)
	if err != nil {
		b.Fatal(err)
	}
	names := starlark.StringDict{}
	if guarded {
		names = Guards()
		Guard(f)
	}
	p, err := starlark.FileProgram(f, names.Has)
	if err != nil {
		b.Fatal(err)
	}
	thread := new(starlark.Thread)
	globals, err := p.Init(thread, names)
	if err != nil {
		b.Fatal(err)
	}
	d := starlark.NewDict(1)
	d.SetKey(starlark.String("name"), starlark.None)
	l := starlark.NewList([]starlark.Value{starlark.None, starlark.None})
	args := starlark.Tuple{d, l, starlark.String("name"), starlark.String("other"), starlark.MakeInt(1)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := starlark.Call(thread, globals["run"], args, nil); err != nil {
			b.Fatal(err)
		}
	}
}
