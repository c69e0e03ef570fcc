package load

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fake is a client whose operations take the given times, in turns.
type fake struct {
	took []time.Duration
	err  error
	done int
}

func (f *fake) Connect(context.Context) error { return nil }
func (f *fake) Close()                        {}

func (f *fake) Do(ctx context.Context) (int, error) {
	took := f.took[f.done%len(f.took)]
	f.done++
	select {
	case <-time.After(took):
		return 200, f.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// run runs clients, each of whose operations take the given times.
func run(t *testing.T, ctx context.Context, o Options, err error, took ...time.Duration) *Meter {
	t.Helper()
	m := &Meter{}
	if err := Run(ctx, func() Client { return &fake{took: took, err: err} }, o, m); err != nil {
		t.Fatal(err)
	}
	return m
}

// expectLatencies checks the number of latencies up to some limits.
func expectLatencies(t *testing.T, m *Meter, want map[time.Duration]int64) {
	t.Helper()
	var all int64
	for latency, n := range want {
		if got := m.Latencies.counts[bucket(latency)].Load(); got != n {
			t.Errorf("%d operations took %v, not %d", got, latency, n)
		}
		all += n
	}
	if n := m.Latencies.Count(); n != all {
		t.Errorf("there are %d latencies instead of %d: %v", n, all, m.Latencies.Bars())
	}
}

func TestClosedLoopStartsAnOperationWhenThePreviousOneHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := run(t, t.Context(), Options{Connections: 3, Duration: time.Second}, nil, 100*time.Millisecond)
		expectLatencies(t, m, map[time.Duration]int64{100 * time.Millisecond: 30})
		if m.Completed() != 30 || m.Elapsed() != time.Second || m.Statuses()[200] != 30 {
			t.Errorf("%d in %v", m.Completed(), m.Elapsed())
		}
	})
}

func TestAnOperationThatHasStartedIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := run(t, t.Context(), Options{Connections: 1, Duration: time.Second}, nil, 700*time.Millisecond)
		expectLatencies(t, m, map[time.Duration]int64{700 * time.Millisecond: 2})
		if m.Elapsed() != 1400*time.Millisecond {
			t.Error(m.Elapsed())
		}
	})
}

func TestRateStartsOperationsAtEqualDistances(t *testing.T) {
	for _, o := range []Options{
		{Connections: 1, Duration: 2 * time.Second, Rate: 10},
		{Connections: 8, Duration: 2 * time.Second, Rate: 10},
		{Connections: 2, Duration: 1100 * time.Millisecond, Rate: 10},
		{Connections: 2, Duration: 1010 * time.Millisecond, Rate: 10},
		{Connections: 5, Duration: 3 * time.Second, Rate: 7},
		{Connections: 5, Duration: 100 * time.Millisecond, Rate: 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := run(t, t.Context(), o, nil, 10*time.Millisecond)
			due := int64(0)
			for float64(due)/o.Rate < o.Duration.Seconds()-1e-9 {
				due++
			}
			expectLatencies(t, m, map[time.Duration]int64{10 * time.Millisecond: due})
			if m.Skipped() != 0 || m.Elapsed() < o.Duration {
				t.Errorf("%+v: %d skipped, %v", o, m.Skipped(), m.Elapsed())
			}
		})
	}
}

// With ten operations per second, the first one takes one second. The next nine
// could not start when they were due. They wait and are made up for one after
// another.
func TestLatencyCountsFromTheScheduledMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stall := []time.Duration{time.Second}
		for range 30 {
			stall = append(stall, 0)
		}
		m := run(t, t.Context(), Options{Connections: 1, Duration: 2 * time.Second, Rate: 10}, nil, stall...)
		want := map[time.Duration]int64{time.Second: 1, 0: 10}
		for i := 1; i < 10; i++ {
			want[time.Duration(i)*100*time.Millisecond] = 1
		}
		expectLatencies(t, m, want)
	})
}

func TestOperationsThatCannotStartCountWithTheirWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := run(t, t.Context(), Options{Connections: 1, Duration: time.Second, Rate: 10}, nil, 3*time.Second)
		want := map[time.Duration]int64{3 * time.Second: 1}
		for i := 1; i < 10; i++ {
			want[time.Duration(i)*100*time.Millisecond] = 1
		}
		expectLatencies(t, m, want)
		if m.Completed() != 1 || m.Skipped() != 9 {
			t.Errorf("%d completed, %d skipped", m.Completed(), m.Skipped())
		}
	})
}

func TestTheEndOfTheContextIsNoFailure(t *testing.T) {
	for _, rate := range []float64{0, 10, 1000} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 1050*time.Millisecond)
			defer cancel()
			m := run(t, ctx, Options{Connections: 2, Duration: time.Hour, Rate: rate}, nil, 100*time.Millisecond)
			if m.Elapsed() != 1050*time.Millisecond || m.Failed() != 0 || m.Skipped() != 0 || m.Completed() == 0 {
				t.Errorf("rate %v: %v, %d failed, %d skipped, %d completed", rate, m.Elapsed(), m.Failed(), m.Skipped(), m.Completed())
			}
		})
	}
}

func TestFailuresAreCountedByKindAndSlowTheClosedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failure := &opError{Invalid, errors.New("no HTTP")}
		m := run(t, t.Context(), Options{Connections: 2, Duration: time.Second}, failure, 0)
		want := int64(2 * time.Second / pause)
		if f := m.Failures(); m.Failed() != want || len(f) != 1 || f[0].Kind != Invalid || f[0].Count != want || f[0].Example != failure {
			t.Errorf("%d: %+v", m.Failed(), m.Failures())
		}
		if m.Completed() != 0 || m.Latencies.Count() != 0 {
			t.Error("failed operations have latencies")
		}
	})
}

// A load at a fixed rate counts what the server counts.
func TestRateCountsWhatTheServerCounts(t *testing.T) {
	var served atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if served.Add(1)%10 == 0 {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer s.Close()
	server := resolve(t, s.URL)
	m := &Meter{}
	o := Options{Connections: 8, Duration: 300 * time.Millisecond, Rate: 1000}
	if err := Run(t.Context(), server.HTTP(Request{Method: "GET"}), o, m); err != nil {
		t.Fatal(err)
	}
	if m.Completed() != served.Load() || m.Failed() != 0 {
		t.Errorf("the server has counted %d, the load %d and %d failures", served.Load(), m.Completed(), m.Failed())
	}
	if n := m.Completed() + m.Skipped(); n != 300 || n != m.Latencies.Count() {
		t.Errorf("%d operations instead of 300", n)
	}
	if got := m.Statuses(); got[418] != served.Load()/10 || got[200] != served.Load()-served.Load()/10 {
		t.Errorf("%v", got)
	}
}

// resolve returns the server of a URL.
func resolve(t *testing.T, url string) *Server {
	t.Helper()
	s, err := Resolve(t.Context(), url, false)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
