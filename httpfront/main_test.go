package httpfront

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"
)

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	// Fuzzing leaves a goroutine that handles signals.
	if fuzzing := flag.Lookup("test.fuzz").Value.String() != ""; code == 0 && !fuzzing && !settles(before) {
		fmt.Fprintf(os.Stderr, "there were %d goroutines, now there are:\n", before)
		pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		code = 1
	}
	os.Exit(code)
}

// settles waits for the other goroutines to end and reports whether they did.
func settles(want int) bool {
	return eventually(func() bool { return runtime.NumGoroutine() <= want })
}

// eventually waits until holds returns true and reports whether it did.
func eventually(holds func() bool) bool {
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
	return true
}
