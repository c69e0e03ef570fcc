package apptest

import (
	"context"
	"maps"
	"slices"
	"time"
)

// explore runs a test under schedules with seeds from first on. It returns the
// failure under the first one that fails, with the shortest schedule that still
// does, or the last result.
func (f *file) explore(ctx context.Context, name string, first, count int) (r Result) {
	began := time.Now()
	for seed := first; seed < first+count && r.Err == nil; seed++ {
		c := randomChoices(seed, name, f.options.Faults)
		r = f.attempt(ctx, name, seed, c)
		if r.Err == nil || ctx.Err() != nil {
			continue
		}
		s := &shortening{file: f, ctx: ctx, test: name, seed: seed, deadline: time.Now().Add(f.options.Timeout)}
		r = s.shortest(c.other, r)
		r.Seed = seed
	}
	r.Took = time.Since(began)
	return r
}

// A shortening looks for the shortest schedule under which a test fails.
type shortening struct {
	file     *file
	ctx      context.Context
	test     string
	seed     int
	deadline time.Time
	attempts int
}

// maxAttempts is how often each search tries a schedule.
const maxAttempts = 300

// over reports whether a search must end.
func (s *shortening) over() bool {
	return s.attempts >= maxAttempts || time.Now().After(s.deadline) || s.ctx.Err() != nil
}

// fails reports whether the test fails with the decisions, and how.
func (s *shortening) fails(other map[int]int) (r Result, c *choices) {
	s.attempts++
	c = replayed(other, s.file.options.Faults)
	return s.file.attempt(s.ctx, s.test, s.seed, c), c
}

// shortest returns the failure with the fewest unusual decisions. With the given
// ones, the test failed.
func (s *shortening) shortest(other map[int]int, failed Result) Result {
	r, usual := s.fails(nil)
	if r.Err != nil {
		return r
	}
	if r, ok := s.withOne(usual.made); ok {
		return r
	}
	s.attempts = 0
	return s.withFewer(other, failed)
}

// withOne looks for a failure with a single unusual decision.
func (s *shortening) withOne(decisions []decision) (Result, bool) {
	for number, d := range decisions {
		for choice := range d.choices {
			if choice == d.usual {
				continue
			}
			if s.over() {
				return Result{}, false
			}
			if r, _ := s.fails(map[int]int{number: choice}); r.Err != nil {
				return r, true
			}
		}
	}
	return Result{}, false
}

// withFewer leaves out unusual decisions as long as the test fails: half of them,
// a quarter, and so on.
func (s *shortening) withFewer(other map[int]int, failed Result) Result {
	for size := len(other); size > 0; {
		shorter := false
		for numbers := range slices.Chunk(slices.Sorted(maps.Keys(other)), size) {
			if s.over() {
				return failed
			}
			less := maps.Clone(other)
			for _, n := range numbers {
				delete(less, n)
			}
			if r, _ := s.fails(less); r.Err != nil {
				other, failed, shorter = less, r, true
				break
			}
		}
		if !shorter {
			size /= 2
		}
		size = min(size, len(other))
	}
	return failed
}
