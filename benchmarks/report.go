package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

func reportMachine(w io.Writer, o options) {
	fmt.Fprintf(w, "%s %s/%s, %d CPUs, %d rounds of %s, medians\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), o.rounds, o.span)
}

// A column is a figure of the results.
type column struct {
	heading, short string // short is used in the heading of the ratio
	format         string
	figure         func(result) float64
}

// columns returns the columns that the group measures.
func (g *group) columns() []column {
	all := []column{
		{g.unit + "/s", "rate", "%.0f", func(r result) float64 { return r.rate }},
		{"CPU µs/" + g.unit, "CPU", "%.1f", func(r result) float64 { return r.cpu }},
		{"p50, µs", "p50", "%.0f", func(r result) float64 { return micros(r.p50) }},
		{"p99, µs", "p99", "%.0f", func(r result) float64 { return micros(r.p99) }},
		{"p50 of one, µs", "p50 of one", "%.0f", func(r result) float64 { return micros(r.alone) }},
		{g.memory, "memory", "%.0f", func(r result) float64 { return r.memory }},
	}
	return slices.DeleteFunc(all, func(c column) bool {
		for _, r := range g.rows {
			if slices.ContainsFunc(r.results, func(r result) bool { return c.figure(r) != 0 }) {
				return false
			}
		}
		return true
	})
}

// report prints the table of the group: medians, and medians of the ratios to the
// baseline in the same round.
func (g *group) report(w io.Writer, o options) {
	title := strings.NewReplacer("{connections}", strconv.Itoa(connections), "{sockets}", strconv.Itoa(o.sockets),
		"{idle}", strconv.Itoa(o.idle), "{MiB}", strconv.FormatInt(o.bytes>>20, 10)).Replace(g.title)
	columns := g.columns()
	fmt.Fprintf(w, "\n%s\n\n| server |", title)
	for _, c := range columns {
		fmt.Fprintf(w, " %s |", c.heading)
	}
	for _, c := range columns {
		fmt.Fprintf(w, " %s ÷ baseline |", c.short)
	}
	fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---:|", 2*len(columns)))
	for _, r := range g.rows {
		fmt.Fprintf(w, "| %s |", r.name)
		for _, c := range columns {
			fmt.Fprintf(w, " "+c.format+" |", median(r.figures(c)))
		}
		for _, c := range columns {
			fmt.Fprintf(w, " %s |", r.ratio(c))
		}
		fmt.Fprintln(w)
	}
}

// figures returns a figure of all rounds.
func (r *row) figures(c column) []float64 {
	values := make([]float64, len(r.results))
	for i, res := range r.results {
		values[i] = c.figure(res)
	}
	return values
}

// ratio returns the median of the ratios of a figure to that of the baseline in
// the same round. Ratios above 10 differ much between rounds, so for them it also
// returns the lowest.
func (r *row) ratio(c column) string {
	values := r.figures(c)
	for i, base := range r.group.rows[0].figures(c) {
		values[i] /= base
	}
	m := median(values)
	if m > 10 {
		return fmt.Sprintf("%.1f, lowest %.1f", m, slices.Min(values))
	}
	return fmt.Sprintf("%.2f", m)
}
