package routing

import (
	"fmt"
	"strings"
	"testing"
)

func TestAWarningIsLoggedOnceAndItsTextIsNotKept(t *testing.T) {
	var w Warned
	long := strings.Repeat("a", 1<<20)
	if !w.First(long, 10) || w.First(long, 10) || !w.First(long+"b", 10) {
		t.Error("a warning is not logged exactly once")
	}
	n := 0
	for i := range 100 {
		if w.First(fmt.Sprint(i), 10) {
			n++
		}
	}
	if n != 8 || len(w.sums) != 10 {
		t.Errorf("%d more were logged, %d are known", n, len(w.sums))
	}
}
