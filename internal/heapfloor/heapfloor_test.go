package heapfloor

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

func TestPercentLeavesRoomForTheFloor(t *testing.T) {
	f := &floor{bytes: 32 << 20}
	for live, want := range map[uint64]int{0: 800, 1 << 20: 800, 4 << 20: 800, 16 << 20: 200, 32 << 20: 100, 1 << 30: 100} {
		if got := f.percent(live); got != want {
			t.Errorf("with %d bytes alive: %d%%, want %d%%", live, got, want)
		}
	}
}

// TestNewProcessCollects checks that a new process collects, though its live
// memory is not known yet.
func TestNewProcessCollects(t *testing.T) {
	const child = "ASGIBOX_TEST_NEW_PROCESS"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), child+"=1", "GOGC=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	defer Keep(32 << 20)()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	before := stats.NumGC
	for range 1000 {
		garbage = make([]byte, 1<<20)
		if runtime.ReadMemStats(&stats); stats.NumGC >= before+3 {
			return
		}
	}
	t.Errorf("1000 MiB of garbage were collected %d times", stats.NumGC-before)
}

var garbage []byte // a global, so that the compiler does not remove the allocation

func TestAdjustFollowsTheHeap(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	f := &floor{bytes: 64 << 20}
	for _, step := range []struct {
		live uint64
		want int
	}{{1 << 20, 1600}, {16 << 20, 400}, {17 << 20, 400}, {200 << 20, 100}, {60 << 20, 100}, {8 << 20, 800}} {
		f.adjust(step.live)
		if got := current(); got != step.want {
			t.Errorf("with %d bytes alive: %d%%, want %d%%", step.live, got, step.want)
		}
	}
}

func TestGOGCTakesPrecedence(t *testing.T) {
	t.Setenv("GOGC", "70")
	before := debug.SetGCPercent(70)
	defer debug.SetGCPercent(before)
	defer Keep(64 << 20)()
	if got := current(); got != 70 {
		t.Errorf("the percentage is %d%%, want 70%%", got)
	}
}

// current returns the current percentage.
func current() int {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}
