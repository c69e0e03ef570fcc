package value

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"
)

func TestKeysThatAreChosenToBeSlowAreCrowded(t *testing.T) {
	var keys Keys
	for i := 0; len(keys) < minCrowd; i++ {
		key := fmt.Sprint(i)
		if hash, _ := starlark.String(key).Hash(); hash&0xfff == 1 {
			keys.Add(key)
		}
	}
	if !keys.Crowded() {
		t.Error("they are not")
	}
	if keys[:100].Crowded() {
		t.Error("a small dict is crowded")
	}
}

func TestItemsThatMakeASlowSetCollide(t *testing.T) {
	for name, c := range map[string]struct {
		item func(i int) starlark.Value
		n    int
		want bool
	}{
		"equal hashes":     {func(i int) starlark.Value { return starlark.MakeInt(i << 32) }, 40_000, true},
		"equal items":      {func(i int) starlark.Value { return starlark.MakeInt(i % 10) }, 1_000_000, false},
		"equal tuples":     {func(i int) starlark.Value { return starlark.Tuple{starlark.String("a"), starlark.None} }, 100_000, false},
		"tuples":           {func(i int) starlark.Value { return starlark.Tuple{starlark.MakeInt(i << 32)} }, 40_000, true},
		"a slow item":      {func(i int) starlark.Value { return starlark.MakeInt(min(i, 20_000) << 32) }, 100_000, true},
		"few equal hashes": {func(i int) starlark.Value { return starlark.MakeInt(i << 32) }, 10_000, false},
		"numbers":          {func(i int) starlark.Value { return starlark.MakeInt(i) }, 1_000_000, false},
		"snowflakes":       {func(i int) starlark.Value { return starlark.MakeInt(i << 22) }, 20_000, false},
		"no keys":          {func(i int) starlark.Value { return starlark.NewList(nil) }, 40_000, false},
	} {
		if got := Collide(c.n, func(yield func(starlark.Value) bool) {
			for i := range c.n {
				if !yield(c.item(i)) {
					return
				}
			}
		}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestCommonKeysAreNotCrowded(t *testing.T) {
	day := time.Unix(0, 0)
	for name, key := range map[string]func(int) string{
		"numbers":  func(i int) string { return fmt.Sprint(i) },
		"padded":   func(i int) string { return fmt.Sprintf("%09d", i) },
		"hex":      func(i int) string { return fmt.Sprintf("%x", i) },
		"prefixed": func(i int) string { return fmt.Sprintf("k%d", i) },
		"suffixed": func(i int) string { return fmt.Sprintf("%d-id", i) },
		"dates":    func(i int) string { return day.AddDate(0, 0, i).Format("2006-01-02") },
		"steps":    func(i int) string { return fmt.Sprint(i * 1024) },
		"letters":  func(i int) string { return strings.NewReplacer("0", "a", "1", "b").Replace(fmt.Sprintf("%b", i)) },
		"long":     func(i int) string { return fmt.Sprintf("%032d", i) },
	} {
		for _, n := range []int{1 << 10, 1<<12 + 1, 100_000} {
			seen := map[string]bool{}
			var keys Keys
			for i := range n {
				if k := key(i); !seen[k] {
					seen[k] = true
					keys.Add(k)
				}
			}
			if keys.Crowded() {
				t.Errorf("%d %s are crowded", n, name)
			}
		}
	}
}
