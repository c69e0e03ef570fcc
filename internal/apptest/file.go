package apptest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
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

	mu   sync.Mutex // guards used
	used []string   // files, from the current folder
}

// follow records a file that the tests or the application use.
func (f *file) follow(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.used, path) {
		f.used = append(f.used, path)
	}
}

// names returns the names of the tests that are selected. If the file or the
// application does not load, it returns the result that says so.
func (f *file) names(ctx context.Context) (selected []string, broken *Result) {
	r := f.run(ctx, "", func(w *world, tests *script.Tests) error {
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

// test runs one test.
func (f *file) test(ctx context.Context, name string) Result {
	return f.run(ctx, name, func(w *world, tests *script.Tests) error {
		return tests.Run(name, newClient(w, tests))
	})
}

// stopLimit is how long a test has to stop after an interrupt.
const stopLimit = 5 * time.Second

// run loads the application and the file in a new world and calls use. It
// interrupts them when the time limit is over or ctx is done.
func (f *file) run(ctx context.Context, name string, use func(*world, *script.Tests) error) Result {
	began := time.Now()
	w := newWorld(f, newRandom(f.options.Seed, name), inOrder)
	done := make(chan error, 1)
	var failed error
	go func() { // ends with the bubble
		done <- inBubble(func() { failed = w.live(use) })
	}()
	limit := time.NewTimer(f.options.Timeout)
	defer limit.Stop()
	var err error
	select {
	case err = <-done:
	case <-limit.C:
		err = w.end(done, fmt.Errorf("the test ran longer than %v (--timeout)", f.options.Timeout))
	case <-ctx.Done():
		err = w.end(done, errors.New("the test was interrupted"))
	}
	if err == nil { // otherwise the test may still be running
		err = failed
	}
	r := Result{File: f.path, Test: name, Took: time.Since(began), Err: err, Output: w.output.String()}
	if err != nil {
		r.Explanation = f.explain(err)
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
	return script.Explain(err).In(folder)
}

// An appError says why the application did not load.
type appError struct{ error }

func (e *appError) Unwrap() error { return e.error }

// newRandom returns a source for a test that is safe for concurrent use.
func newRandom(seed int, test string) rand.Source {
	h := fnv.New64a()
	h.Write([]byte(test))
	return &lockedSource{source: rand.NewPCG(uint64(seed), h.Sum64())}
}

type lockedSource struct {
	mu     sync.Mutex // guards source
	source rand.Source
}

func (s *lockedSource) Uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.source.Uint64()
}
