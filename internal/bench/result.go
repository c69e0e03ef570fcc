package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"time"

	"asgibox/internal/load"
	"asgibox/internal/userfile"
)

// A Result is the JSON of the command.
type Result struct {
	URL         string `json:"url"`
	Operation   string `json:"operation"` // request, echo or delivery
	Connections int    `json:"connections"`
	TargetRate  int    `json:"targetRate"` // 0: as many as possible

	Seconds     float64          `json:"seconds"`
	Interrupted bool             `json:"interrupted"`
	Completed   int64            `json:"completed"`
	Rate        float64          `json:"rate"` // completed operations per second
	NotStarted  int64            `json:"notStarted"`
	Failed      int64            `json:"failed"`
	Statuses    map[string]int64 `json:"statuses"` // number of responses by status
	Failures    []Failure        `json:"failures"`
	Latency     Latency          `json:"latencyMs"`
	Histogram   []Bar            `json:"histogram"`
	Comparison  *Comparison      `json:"comparison,omitempty"`
}

// A Failure is a kind of failed operations.
type Failure struct {
	Kind    load.Kind `json:"kind"`
	Count   int64     `json:"count"`
	Example string    `json:"example"`
}

// Latency has the latencies in milliseconds.
type Latency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P75  float64 `json:"p75"`
	P90  float64 `json:"p90"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

// A Bar is the number of latencies up to a limit and above the limit before it.
type Bar struct {
	UpToMs float64 `json:"upToMs"`
	Count  int64   `json:"count"`
}

// fill fills in what was measured.
func (r *Result) fill(m *load.Meter, interrupted bool) {
	r.Seconds = m.Elapsed().Seconds()
	r.Interrupted = interrupted
	r.Completed, r.NotStarted, r.Failed = m.Completed(), m.Skipped(), m.Failed()
	r.Rate = float64(r.Completed) / r.Seconds
	r.Statuses, r.Failures, r.Histogram = map[string]int64{}, []Failure{}, []Bar{}
	for status, n := range m.Statuses() {
		r.Statuses[strconv.Itoa(status)] = n
	}
	for _, f := range m.Failures() {
		r.Failures = append(r.Failures, Failure{f.Kind, f.Count, f.Example.Error()})
	}
	h := &m.Latencies
	at := func(fraction float64) float64 { return milliseconds(h.Quantile(fraction)) }
	r.Latency = Latency{milliseconds(h.Mean()), at(0.5), at(0.75), at(0.9), at(0.95), at(0.99), at(0.999), at(1)}
	for _, b := range h.Bars() {
		r.Histogram = append(r.Histogram, Bar{milliseconds(b.UpTo), b.Count})
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// succeeded reports whether an operation has succeeded.
func (r *Result) succeeded() bool {
	if r.Operation != "request" {
		return r.Completed > 0
	}
	for status, n := range r.Statuses {
		if status < "400" && n > 0 {
			return true
		}
	}
	return false
}

// failure returns an error that says why no operation has succeeded.
func (r *Result) failure(url string) error {
	switch {
	case len(r.Statuses) == 1:
		return fmt.Errorf("%s: every response had status %s", url, slices.Collect(maps.Keys(r.Statuses))[0])
	case len(r.Statuses) > 0:
		return fmt.Errorf("%s: no response had a status below 400", url)
	case len(r.Failures) > 0:
		return fmt.Errorf("%s: nothing succeeded: %s", url, r.Failures[0].Example)
	}
	return fmt.Errorf("%s: nothing was completed in %.3g s", url, r.Seconds)
}

// A Comparison has ratios to an earlier result.
type Comparison struct {
	File    string             `json:"file"`
	Ratios  map[string]float64 `json:"ratios"`  // now divided by then
	Differs []string           `json:"differs"` // settings that differ
}

// figures are the figures that are compared.
var figures = []struct {
	name string
	of   func(*Result) float64
}{
	{"rate", func(r *Result) float64 { return r.Rate }},
	{"mean", func(r *Result) float64 { return r.Latency.Mean }},
	{"p50", func(r *Result) float64 { return r.Latency.P50 }},
	{"p75", func(r *Result) float64 { return r.Latency.P75 }},
	{"p90", func(r *Result) float64 { return r.Latency.P90 }},
	{"p95", func(r *Result) float64 { return r.Latency.P95 }},
	{"p99", func(r *Result) float64 { return r.Latency.P99 }},
	{"p99.9", func(r *Result) float64 { return r.Latency.P999 }},
	{"max", func(r *Result) float64 { return r.Latency.Max }},
}

// compareWith adds the ratios to an earlier result.
func (r *Result) compareWith(earlier *Result, file string) {
	c := &Comparison{File: file, Ratios: map[string]float64{}, Differs: []string{}}
	for _, f := range figures {
		if then := f.of(earlier); then > 0 {
			c.Ratios[f.name] = f.of(r) / then
		}
	}
	differs := func(setting string, now, then any) {
		if now != then {
			c.Differs = append(c.Differs, fmt.Sprintf("%s: %v now, %v then", setting, now, then))
		}
	}
	differs("URL", r.URL, earlier.URL)
	differs("connections", r.Connections, earlier.Connections)
	differs("rate wanted", r.TargetRate, earlier.TargetRate)
	r.Comparison = c
}

// readResult reads the JSON of an earlier run with the same kind of operations.
func readResult(file, operation string) (*Result, error) {
	b, err := userfile.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--compare: there is no file %q; asgibox bench --json writes one", file)
	}
	if err != nil {
		return nil, fmt.Errorf("--compare: %w", err)
	}
	var r Result
	if err := json.Unmarshal(b, &r); err != nil || r.Operation == "" {
		return nil, fmt.Errorf("--compare %s: this is not the output of asgibox bench --json", file)
	}
	if r.Operation != operation {
		return nil, fmt.Errorf("--compare %s: it measured the operation %q, but this run measures %q", file, r.Operation, operation)
	}
	if r.Completed == 0 {
		return nil, fmt.Errorf("--compare %s: nothing was completed in that run", file)
	}
	return &r, nil
}
