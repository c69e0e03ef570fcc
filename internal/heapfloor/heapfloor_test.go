package heapfloor

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestTheFloorIsRoomForGarbageWhateverIsAlive(t *testing.T) {
	f := &floor{bytes: 32 << 20}
	for live, want := range map[uint64]int{1 << 20: 3200, 16 << 20: 200, 32 << 20: 100, 1 << 30: 100} {
		if got := f.percent(live); got != want {
			t.Errorf("with %d bytes alive: %d%%, want %d%%", live, got, want)
		}
	}
	if got := f.percent(0); got < 1000 {
		t.Errorf("with nothing alive: %d%%", got)
	}
}

func TestItFollowsTheHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	runtime.GC() // what is alive is what the last collection found
	stop := Keep(64 << 20)
	small := current()
	if small <= 100 {
		t.Errorf("a small heap is collected at %d%%", small)
	}
	alive := make([]*[1 << 10]byte, 200<<10) // 200 MiB
	for i := range alive {
		alive[i] = new([1 << 10]byte)
	}
	for range 3 { // each tells of what the one before found
		runtime.GC()
	}
	for current() != 100 {
		runtime.GC()
		runtime.Gosched()
	}
	runtime.KeepAlive(alive)
	stop()
	if got := current(); got != 100 {
		t.Errorf("after stop it is %d%%", got)
	}
}

func TestTheEnvironmentHasTheLastWord(t *testing.T) {
	t.Setenv("GOGC", "70")
	before := debug.SetGCPercent(70)
	defer debug.SetGCPercent(before)
	defer Keep(64 << 20)()
	if got := current(); got != 70 {
		t.Errorf("it is %d%%", got)
	}
}

// current answers the percentage in force.
func current() int {
	percent := debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	return percent
}
