package load

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Meter counts operations. The zero value is ready to use. It may be read while
// there is load.
type Meter struct {
	// Latencies has the latencies of completed operations, and the waits of skipped
	// ones.
	Latencies Histogram

	completed, skipped, failed atomic.Int64
	statuses                   [1000]atomic.Int64

	mu             sync.Mutex // guards the fields below
	started, ended time.Time
	failures       map[Kind]*Failure
}

// A Failure is a kind of failed operations.
type Failure struct {
	Kind    Kind
	Count   int64
	Example error // the first one
}

// begin starts the clock.
func (m *Meter) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.started = time.Now()
}

func (m *Meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = time.Now()
}

// add counts an operation that has ended.
func (m *Meter) add(status int, err error, latency time.Duration) {
	if err != nil {
		m.fail(err, 1)
		return
	}
	m.Latencies.Add(latency, 1)
	m.completed.Add(1)
	if status != 0 {
		m.statuses[status].Add(1)
	}
}

func (m *Meter) fail(err error, n int64) {
	m.failed.Add(n)
	kind := KindOf(err)
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.failures[kind]
	if f == nil {
		f = &Failure{Kind: kind, Example: err}
		if m.failures == nil {
			m.failures = map[Kind]*Failure{}
		}
		m.failures[kind] = f
	}
	f.Count += n
}

// skip counts operations that were due before the end and could not start.
func (m *Meter) skip(waited time.Duration, n int64) {
	m.Latencies.Add(waited, n)
	m.skipped.Add(n)
}

// Elapsed returns the time from the start of the load to its end, or until now. It
// is 0 before the start.
func (m *Meter) Elapsed() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.started.IsZero():
		return 0
	case m.ended.IsZero():
		return time.Since(m.started)
	}
	return m.ended.Sub(m.started)
}

// Completed returns the number of operations that have succeeded. A response of
// any status is one.
func (m *Meter) Completed() int64 { return m.completed.Load() }

// Skipped returns the number of operations that were due and could not start
// before the end, because no connection was free.
func (m *Meter) Skipped() int64 { return m.skipped.Load() }

// Failed returns the number of operations that have failed.
func (m *Meter) Failed() int64 { return m.failed.Load() }

// Statuses returns the number of responses by status.
func (m *Meter) Statuses() map[int]int64 {
	all := map[int]int64{}
	for status := range m.statuses {
		if n := m.statuses[status].Load(); n > 0 {
			all[status] = n
		}
	}
	return all
}

// Failures returns the failures, the most frequent ones first.
func (m *Meter) Failures() []Failure {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []Failure{}
	for _, f := range m.failures {
		all = append(all, *f)
	}
	slices.SortFunc(all, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Kind, b.Kind))
	})
	return all
}
