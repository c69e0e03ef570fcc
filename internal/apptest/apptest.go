// Package apptest runs the tests of an application: the functions in files named
// *_test.star whose names start with test_. Each test has its own server in
// memory, with its own layer and its own virtual time.
//
// Start reading at [Run]; world.go has the server of a test, bubble.go its time,
// and schedule.go the order in which handlers go on. client.go, socket.go,
// stream.go and assert.go have what a test can call.
package apptest

import (
	"context"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"time"

	"asgibox/workerpool/script/explain"
)

// MaxSeed is the largest seed.
const MaxSeed = 1_000_000_000

// Options configure a run. The zero value runs each test once.
type Options struct {
	// App is the application of all files. The default is app.star beside
	// each file.
	App string
	// Match selects tests by name. The default is all.
	Match *regexp.Regexp
	// Timeout is how long a test may take in real time. The default is 10
	// seconds.
	Timeout time.Duration
	// Network lets the module http send requests.
	Network bool
	// Settings are the settings of the application.
	Settings map[string]string
	// Explore is the number of schedules under which each test runs, after it
	// has run in order.
	Explore int
	// Seed is the seed of random and uuid4 and of the first schedule. With
	// zero, tests run in order.
	Seed int
	// Faults lets schedules drop messages and fill channels.
	Faults bool
	// Cover counts the lines and routes of the application that tests reach.
	Cover bool

	network *network // nil without Network
}

// A Result is the outcome of one test.
type Result struct {
	File string
	Test string // empty if the file did not load
	Took time.Duration
	// Err is nil if the test passed.
	Err error
	// Explanation explains Err, with paths from the current folder.
	Explanation explain.Explanation
	// Output is what the application printed and logged.
	Output string
	// Seed repeats a failure under a schedule; zero if the test failed in order.
	Seed int
	// Steps are the steps of the handlers, if the test ran to its end.
	Steps []Step
}

// Summary counts the results of a run.
type Summary struct {
	Passed, Failed int
	Broken         int // files that did not load
	Took           time.Duration
	// Used holds, by file of tests, the files that it and its application used.
	Used map[string][]string
	// Coverage is the coverage of each application, with Cover.
	Coverage []Coverage
}

// Run runs the tests of the files in parallel. It calls report with one result at
// a time, in the order of the files and of their tests. When ctx is done, it ends
// the tests that run, and reports no more of them.
func Run(ctx context.Context, files []string, o Options, report func(Result)) Summary {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	began := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.Network {
		o.network = newNetwork(ctx)
	}
	var all []*file
	var coverages coverages
	for _, path := range files {
		f := &file{path: path, app: o.appPath(path), options: &o}
		if o.Cover {
			f.coverage = coverages.of(f.app)
		}
		all = append(all, f)
	}
	var s Summary
	results := make(chan chan Result, 1000) // in order
	var tasks sync.WaitGroup
	tasks.Go(func() {
		defer close(results)
		slots := make(chan struct{}, runtime.GOMAXPROCS(0))
		for _, f := range all {
			if ctx.Err() != nil {
				return
			}
			names, broken := f.names(ctx)
			if broken != nil {
				result := make(chan Result, 1)
				result <- *broken
				results <- result
			}
			for _, name := range names {
				result := make(chan Result, 1)
				results <- result
				slots <- struct{}{}
				tasks.Go(func() {
					result <- f.test(ctx, name)
					<-slots
				})
			}
		}
	})
	for result := range results {
		r := <-result
		if r.Err == nil || ctx.Err() == nil {
			s.add(r)
			report(r)
		}
	}
	tasks.Wait()
	s.Used = map[string][]string{}
	for _, f := range all {
		s.Used[f.path] = f.used
	}
	s.Coverage = coverages.results()
	s.Took = time.Since(began)
	return s
}

// appPath returns the application that a file of tests tests.
func (o *Options) appPath(path string) string {
	if o.App != "" {
		return o.App
	}
	return filepath.Join(filepath.Dir(path), "app.star")
}

func (s *Summary) add(r Result) {
	switch {
	case r.Err == nil:
		s.Passed++
	case r.Test == "":
		s.Broken++
	default:
		s.Failed++
	}
}
