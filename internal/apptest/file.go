package apptest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"asgibox/workerpool/script"
	"asgibox/workerpool/script/explain"
)

// A file is a file of tests.
type file struct {
	path, app string
	options   *Options
	coverage  *script.Coverage // of the application; nil without --cover

	mu   sync.Mutex // guards used
	used []string   // files, from the current folder
}

// follow records a file that the tests or the application use.
func (f *file) follow(path string, _ bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.used, path) {
		f.used = append(f.used, path)
	}
}

// names returns the names of the tests that are selected. If the file or the
// application does not load, it returns the result that says so.
func (f *file) names(ctx context.Context) (selected []string, broken *Result) {
	if _, err := os.Stat(f.app); errors.Is(err, fs.ErrNotExist) {
		err = explain.Hintf("--app names the application of the tests", "%s: there is no such file", f.app)
		return nil, &Result{File: f.path, Err: err, Explanation: explain.Error(err, explain.Options{})}
	}
	w := newWorld(f, "", f.options.Seed, inOrder())
	r := f.run(ctx, w, func(tests *script.Tests) error {
		for _, name := range tests.Names() {
			if f.options.Match == nil || f.options.Match.MatchString(name) {
				selected = append(selected, name)
			}
		}
		return nil
	})
	if r.Err != nil {
		return nil, &r
	}
	return selected, nil
}

// test runs one test: in order, and then under the schedules of the options.
func (f *file) test(ctx context.Context, name string) Result {
	o := f.options
	if o.Seed == 0 {
		r := f.use(ctx, newWorld(f, name, 0, inOrder()))
		if r.Err != nil || o.Explore == 0 {
			return r
		}
	}
	return f.explore(ctx, name, max(o.Seed, 1), max(o.Explore, 1))
}

// attempt runs one test under a schedule.
func (f *file) attempt(ctx context.Context, name string, seed int, c *choices) Result {
	w := newWorld(f, name, seed, c)
	w.explores = true
	return f.use(ctx, w)
}

// use runs the test of a world.
func (f *file) use(ctx context.Context, w *world) Result {
	return f.run(ctx, w, func(tests *script.Tests) error { return tests.Run(w.test, newClient(w, tests)) })
}

// stopLimit is how long a test has to stop after an interrupt.
const stopLimit = 5 * time.Second

// run loads the application and the file in a world and calls use. It interrupts
// them when the time limit is over or ctx is done.
func (f *file) run(ctx context.Context, w *world, use func(*script.Tests) error) Result {
	began := time.Now()
	done := make(chan error, 1)
	var failed error
	go func() { // ends with the bubble
		done <- inBubble(func() { failed = w.live(use) })
	}()
	limit := time.NewTimer(f.options.Timeout)
	defer limit.Stop()
	r := Result{File: f.path, Test: w.test}
	select {
	case r.Err = <-done:
	case <-limit.C:
		r.Err = w.end(done, endError(fmt.Sprintf("the test ran longer than %v (--timeout)", f.options.Timeout)))
	case <-ctx.Done():
		r.Err = w.end(done, endError("the test was interrupted"))
	}
	if r.Err == nil { // otherwise the test may still be running
		if r.Err = failed; r.Err != nil && w.explores {
			r.Steps = w.steps()
		}
	}
	r.Took, r.Output = time.Since(began), w.output.String()
	if r.Err != nil {
		r.Explanation = f.explain(r.Err)
	}
	return r
}

// explain explains an error, with paths from the current folder.
func (f *file) explain(err error) explain.Explanation {
	folder := filepath.Dir(f.path)
	var inApp *appError
	if errors.As(err, &inApp) {
		folder = filepath.Dir(f.app)
	}
	return explain.Of(err).In(folder)
}

// An appError says why the application did not load.
type appError struct{ error }

func (e *appError) Unwrap() error { return e.error }

// lockedSource is a source of random numbers for any goroutine.
type lockedSource struct {
	mu     sync.Mutex // guards source
	source rand.Source
}

func (s *lockedSource) Uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.source.Uint64()
}
