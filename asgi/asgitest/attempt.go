package asgitest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// slower are the factors by which a second of the suite is longer in the attempts
// at a check in real time. A busy machine may be too slow for a short second, so
// only the failure of the last attempt counts.
var slower = []float64{1, 3, 10}

// attempts runs a check until it passes.
func (s *suite) attempts(t *testing.T, p promise) {
	for i, factor := range slower {
		slow := *s
		slow.second = time.Duration(float64(s.second) * factor)
		if i == len(slower)-1 {
			slow.check(t, p)
			return
		}
		a := slow.attempt(t, p)
		if !a.Failed() {
			return
		}
		t.Logf("failed with a second of %v; trying a longer one: %s", slow.second, strings.Join(a.lines, "; "))
	}
}

// attempt runs a check whose failure does not count.
func (s *suite) attempt(t *testing.T, p promise) *attempt {
	ctx, cancel := context.WithCancel(t.Context())
	a := &attempt{TB: t, ctx: ctx}
	done := make(chan struct{})
	go func() { // ends with the check; Fatal ends it
		defer close(done)
		s.check(a, p)
	}()
	<-done
	cancel()
	a.cleanUp()
	return a
}

// An attempt is a test whose failure does not count.
type attempt struct {
	testing.TB
	ctx context.Context

	mu       sync.Mutex // guards the rest
	failed   bool
	lines    []string
	cleanups []func()
}

func (a *attempt) Context() context.Context { return a.ctx }

func (a *attempt) Cleanup(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cleanups = append(a.cleanups, f)
}

func (a *attempt) cleanUp() {
	for {
		a.mu.Lock()
		n := len(a.cleanups)
		if n == 0 {
			a.mu.Unlock()
			return
		}
		f := a.cleanups[n-1]
		a.cleanups = a.cleanups[:n-1]
		a.mu.Unlock()
		f()
	}
}

func (a *attempt) fail(line string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = true
	a.lines = append(a.lines, line)
}

func (a *attempt) Fail()                             { a.fail("failed") }
func (a *attempt) FailNow()                          { a.Fail(); runtime.Goexit() }
func (a *attempt) Error(args ...any)                 { a.fail(strings.TrimSpace(fmt.Sprintln(args...))) }
func (a *attempt) Errorf(format string, args ...any) { a.fail(fmt.Sprintf(format, args...)) }
func (a *attempt) Fatal(args ...any) {
	a.fail(strings.TrimSpace(fmt.Sprintln(args...)))
	runtime.Goexit()
}
func (a *attempt) Fatalf(format string, args ...any) {
	a.fail(fmt.Sprintf(format, args...))
	runtime.Goexit()
}

func (a *attempt) Failed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed
}
