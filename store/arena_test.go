package store

import (
	"bytes"
	"runtime"
	"testing"
)

// TestArenaCopiesOnlyTheValueThatGrows: a value that is longer than expected needs new
// memory for itself, not for all values before it.
func TestArenaCopiesOnlyTheValueThatGrows(t *testing.T) {
	var a arena
	var values [][]byte
	for i := range 1000 {
		values = append(values, a.make(64, func(b []byte) []byte { return append(b, bytes.Repeat([]byte{byte(i)}, 1000)...) }))
	}
	for i, v := range values {
		if len(v) != 1000 || cap(v) != len(v) || bytes.Count(v, []byte{byte(i)}) != 1000 {
			t.Fatalf("value %d has %d bytes, cap %d: %.20q", i, len(v), cap(v), v)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 1000 {
		a.make(64, func(b []byte) []byte { return append(b, values[0]...) })
	}
	runtime.ReadMemStats(&after)
	if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 3*1000*1000 {
		t.Errorf("%d bytes for 1,000 values of 1,000 bytes", bytes)
	}
}
