package main

import (
	"fmt"
	"io"
	"runtime"
)

var titles = map[string]string{
	"http":      "HTTP: one small response per request, %d connections",
	"echo":      "WebSocket: each 64-byte text is echoed, %d connections",
	"inspector": "Inspector: examples/hello.star, %d connections",
	"group":     "Broadcast: each 64-byte text is sent to all %d members; an operation is a delivery",
}

func report(w io.Writer, rs []*row, o options) {
	fmt.Fprintf(w, "%s %s/%s, %d CPUs, %d rounds of %s, medians\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), o.rounds, o.span)
	var base *row
	for _, r := range rs {
		if base == nil || base.group != r.group {
			base = r
			n := connections
			if r.group == "group" {
				n = o.sockets
			}
			fmt.Fprintf(w, "\n"+titles[r.group]+"\n\n", n)
			fmt.Fprintln(w, "| server | operations/s | CPU µs/operation | p50 of one, µs | rate ÷ baseline | CPU ÷ baseline | p50 ÷ baseline |")
			fmt.Fprintln(w, "|---|---:|---:|---:|---:|---:|---:|")
		}
		fmt.Fprintf(w, "| %s | %.0f | %.1f | %s | %.2f | %.2f | %s |\n", r.name,
			medianOf(r, nil, rate), medianOf(r, nil, cpu), orDash("%.0f", medianOf(r, nil, p50)),
			medianOf(r, base, rate), medianOf(r, base, cpu), orDash("%.2f", medianOf(r, base, p50)))
	}
}

func rate(r result) float64 { return r.rate }
func cpu(r result) float64  { return r.cpu }
func p50(r result) float64  { return micros(r.p50) }

// medianOf returns the median of a figure, or of its ratio to the figure of the
// baseline in the same round.
func medianOf(r, base *row, figure func(result) float64) float64 {
	values := make([]float64, len(r.results))
	for i, res := range r.results {
		values[i] = figure(res)
		if base != nil {
			values[i] /= figure(base.results[i])
		}
	}
	return median(values)
}

func orDash(format string, v float64) string {
	if !(v > 0) {
		return "–"
	}
	return fmt.Sprintf(format, v)
}
