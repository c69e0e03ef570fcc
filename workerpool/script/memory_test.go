package script

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// TestHandlersThatUseTooMuchMemoryEndSoonAfterEachOther checks that the second one
// need not wait as long as for garbage that is collected in vain.
func TestHandlersThatUseTooMuchMemoryEndSoonAfterEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hoard := make([]byte, 32<<20)
		g := &gauge{limit: 1 << 20}
		for range 3 {
			base := int64(1)
			if !g.exceeded(&base) {
				t.Error("a handler does not end")
			}
			time.Sleep(sampleInterval)
		}
		runtime.KeepAlive(hoard)
	})
}

// TestMemoryIsMeasuredWhileTimeStandsStill checks what limits handlers in tests of
// applications, in which no time passes while a handler runs.
func TestMemoryIsMeasuredWhileTimeStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, base, calls := &gauge{limit: 1 << 20}, int64(0), 0
		var hoard [][]byte
		for ; !g.exceeded(&base); calls++ {
			hoard = append(hoard, make([]byte, 256<<10))
			_ = make([]byte, 1<<20) // garbage
			if calls > 1000 {
				t.Fatal("the handler does not end")
			}
		}
		runtime.KeepAlive(hoard)
		var r run
		for range 20 {
			r.pace(time.Now())
		}
		if r.quantum != minQuantum {
			t.Errorf("%d steps pass between two inspections", r.quantum)
		}
	})
}
