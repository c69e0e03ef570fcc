package process

import (
	"os"
	"testing"
	"time"
)

func TestUsageOfAProcessWithAnOddName(t *testing.T) {
	for _, name := range []string{"python3", "a) b", ") ) ", "x)"} {
		memory, cpu := parseStat([]byte("7 (" + name + ") S 1 7 7 0 -1 4194560 1 0 0 0 30 20 0 0 20 0 1 0 5 1000 3 184467\n"))
		if memory != 3*int64(os.Getpagesize()) || cpu != 500*time.Millisecond {
			t.Errorf("%q: %d bytes, %v", name, memory, cpu)
		}
	}
}
