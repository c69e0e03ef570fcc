package workerpool

import (
	"strconv"
	"testing"
)

func TestRecentRemembersTheNamesAddedLast(t *testing.T) {
	r := newRecent(3)
	for n := range 5 {
		r.add(strconv.Itoa(n))
		r.add(strconv.Itoa(n)) // takes no second place
	}
	for n, want := range []bool{false, false, true, true, true} {
		if got := r.has(strconv.Itoa(n)); got != want {
			t.Errorf("has(%d) = %v", n, got)
		}
	}
	if len(r.names) != 3 {
		t.Errorf("%d names are stored", len(r.names))
	}
}
