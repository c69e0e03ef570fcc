package jsontext

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"asgibox/workerpool/script/memory"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
)

func object(keys int) string {
	var b strings.Builder
	for i := range keys {
		fmt.Fprintf(&b, `,"k%d":1`, i)
	}
	return "{" + b.String()[1:] + "}"
}

func list(of string, n int) string { return "[" + strings.Repeat(of+",", n) + "1]" }

func TestATextNeedsNoMoreMemoryThanItIsMeasured(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	decode := json.Module.Members["decode"]
	thread := new(starlark.Thread)
	for what, text := range map[string]string{
		"dicts":                list("{}", 20_000),
		"lists":                list("[]", 20_000),
		"lists of one":         list("[1]", 20_000),
		"lists of lists":       list(list("[]", 5), 5_000),
		"numbers":              list("1", 50_000),
		"numbers after growth": list("1", 54_000),
		"nine numbers":         list(list("1", 8), 5_000),
		"17 numbers":           list(list("1", 16), 5_000),
		"10 digits":            list("9876543210", 20_000),
		"20 digits":            list("12345678909876543210", 20_000),
		"fractions":            list("0.12345678", 50_000),
		"floats":               list("-1.5e10", 50_000),
		"large numbers":        list(strings.Repeat("9", 50), 10_000),
		"long numbers":         list(strings.Repeat("9", 5000), 50),
		"10,000 digits":        list(strings.Repeat("9", 10_000), 50),
		"200 digits":           list(strings.Repeat("9", 200), 2000),
		"texts":                list(`"abc"`, 50_000),
		"escapes":              list(`"\u00e9\n"`, 20_000),
		"a long escape":        list(`"`+strings.Repeat(`\u20ac`, 100_000)+`"`, 2),
		"words":                list(`"é"`, 20_000),
		"bad UTF-8":            list("\"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\"", 20_000),
		"a long text":          list(`"`+strings.Repeat("é", 500_000)+`"`, 2),
		"a long bad text":      list(`"`+strings.Repeat("\xff", 500_000)+`"`, 2),
		"one key":              list(`{"a":1}`, 20_000),
		"seven keys":           list(object(7), 5_000),
		"eight keys":           list(object(8), 5_000),
		"nine keys":            list(object(9), 5_000),
		"14 keys":              list(object(14), 5_000),
		"27 keys":              list(object(27), 5_000),
		"209 keys":             list(object(209), 500),
		"many keys":            object(50_000),
		"keys after growth":    object(6_657 * 8),
		"records":              list(`{"id": 12345, "name": "a name of some letters", "open": true, "price": 1.25}`, 10_000),
		"literals":             list("null", 50_000),
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		v, err := starlark.Call(thread, decode, starlark.Tuple{starlark.String(text)}, nil)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		used, measured := int64(after.HeapAlloc-before.HeapAlloc), measure(text).bytes
		t.Logf("%s: %d bytes of text, %d used, %d measured (%.2f)", what, len(text), used, measured, float64(measured)/float64(used))
		if used > measured || measured > 6*used+unscanned {
			t.Errorf("%s: %d bytes used, %d measured", what, used, measured)
		}
		runtime.KeepAlive(v)
		if n := bound(text); n < used {
			t.Errorf("%s: the bound is %d, less than %d", what, n, used)
		}
	}
}

func TestDecodingHasTheMemoryOfTheHandlers(t *testing.T) {
	account := memory.NewAccount(1 << 20)
	one, other := new(starlark.Thread), new(starlark.Thread)
	shares := []*memory.Share{account.NewShare(), account.NewShare()}
	shares[0].Use(one)
	shares[1].Use(other)
	check := func(thread *starlark.Thread, dicts int, want string) {
		t.Helper()
		if _, err := Decode(thread, list("{}", dicts)); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%d dicts: got %v, want %q", dicts, err, want)
		}
	}
	check(one, 2_000, "this needs more than 1 MiB of memory (--memory)")
	for range 5 { // the values of a decode may be garbage at the next
		check(one, 1_200, "")
	}
	check(other, 1_200, "other requests use too much of the 1 MiB")
	check(other, 50, "")
	shares[0].Release()
	check(other, 1_200, "")
}
