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
