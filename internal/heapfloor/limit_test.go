package heapfloor

import (
	"os"
	"os/exec"
	"runtime/debug"
	"testing"
	"time"
)

const mib = 1 << 20

func TestLimitRisesWithTheMemoryInUse(t *testing.T) {
	l := &limit{bytes: 500 * mib}
	for used, want := range map[uint64]uint64{0: 500, 100: 500, 400: 500, 480: 600, 4000: 5000} {
		l.live = used * mib
		if got := l.wantLocked(usage{live: used * mib / 2, other: used * mib / 2}); got != want*mib {
			t.Errorf("with %d MiB in use the limit is %d MiB, want %d MiB", used, got/mib, want)
		}
	}
}

// TestLimitDoesNotRiseWithOneCollection checks that the limit does not rise with memory
// that was allocated during one collection and is free at the next.
func TestLimitDoesNotRiseWithOneCollection(t *testing.T) {
	l := &limit{bytes: 500 * mib}
	for i, c := range []struct{ live, want uint64 }{{300, 500}, {800, 500}, {300, 500}, {800, 500}, {1000, 1000}} {
		if got := l.wantLocked(usage{live: c.live * mib}); got != c.want*mib {
			t.Errorf("after collection %d the limit is %d MiB, want %d MiB", i, got/mib, c.want)
		}
	}
}

func TestMemoryIsReturnedWhenMuchMayBeFree(t *testing.T) {
	for _, c := range []struct {
		name string
		usage
		want bool
	}{
		{"little memory, no collection", usage{live: 10 * mib, held: 100 * mib, cycles: 7}, false},
		{"no collection", usage{live: 400 * mib, held: 500 * mib, cycles: 7}, true},
		{"a busy program", usage{live: 400 * mib, held: 800 * mib, cycles: 8}, false},
		{"a heap that has shrunk", usage{live: 10 * mib, held: 500 * mib, cycles: 8}, true},
	} {
		if got := c.wasteful(7); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestShrunkHeapIsReturned checks that a process that drops much memory and then
// does nothing holds little soon.
func TestShrunkHeapIsReturned(t *testing.T) {
	const child = "ASGIBOX_TEST_SHRUNK_HEAP"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), child+"=1", "GOMEMLIMIT=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	defer Limit(512 * mib)()
	garbage = make([]byte, 400*mib)
	garbage = nil
	for deadline := time.Now().Add(time.Minute); measure().held > 2*keptMemory; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the process still holds %d MiB", measure().held/mib)
		}
	}
}

func TestGOMEMLIMITTakesPrecedence(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "1GiB")
	before := debug.SetMemoryLimit(1 << 30)
	defer debug.SetMemoryLimit(before)
	defer Limit(64 * mib)()
	if got := debug.SetMemoryLimit(-1); got != 1<<30 {
		t.Errorf("the limit is %d", got)
	}
}
