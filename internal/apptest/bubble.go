package apptest

import (
	"fmt"
	"runtime/debug"
	"testing"
	"testing/synctest"
)

// inBubble runs f in a bubble of package testing/synctest and returns when all
// goroutines that f has started have ended.
//
// In a bubble, time is virtual: it moves on only when every goroutine of the
// bubble waits, and then it jumps to the moment at which the first of them goes
// on. The same holds for time.Now, timers and contexts. So an application and the
// server around it run unchanged, and an hour takes no time. Goroutines in the
// bubble may wait only for each other: a socket or a channel from outside stops
// the clock while they wait for it.
//
// synctest.Test takes a *testing.T for its own messages. A zero T is enough: f
// does not use it, and recovers its own panics. A deadlock of the bubble panics
// in synctest.Test, on this goroutine.
func inBubble(f func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the test stopped the server: %v", p)
		}
	}()
	var failed error
	synctest.Test(new(testing.T), func(*testing.T) {
		defer func() {
			if p := recover(); p != nil {
				failed = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		f()
	})
	return failed
}

// waitForOthers returns when all other goroutines of the bubble wait.
func waitForOthers() { synctest.Wait() }
