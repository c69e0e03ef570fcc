package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

func reportMachine(w io.Writer, o options) {
	rounds := fmt.Sprintf("medians of %d rounds", o.rounds)
	if o.rounds == 1 {
		rounds = "one round"
	}
	fmt.Fprintf(w, "%s %s/%s, %d CPUs, %s of %s. The first row of a table is the baseline.\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), rounds, o.span)
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
		{plural(g.unit) + "/s", "rate", "%.0f", func(r result) float64 { return r.rate }},
		{"CPU µs/" + g.unit, "CPU", "%.1f", func(r result) float64 { return r.cpu }},
		{"p50, µs", "p50", "%.0f", func(r result) float64 { return micros(r.p50) }},
		{"p95, µs", "p95", "%.0f", func(r result) float64 { return micros(r.p95) }},
		{"slowest, µs", "slowest", "%.0f", func(r result) float64 { return micros(r.slowest) }},
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
		"{idle}", strconv.Itoa(o.idle), "{MiB}", strconv.FormatInt(o.bytes>>20, 10),
		"{saves}", strconv.Itoa(saves), "{watching}", strconv.Itoa(watching), "{load}", strconv.Itoa(saveLoad)).Replace(g.title)
	columns := g.columns()
	heading := []string{"server"}
	for _, c := range columns {
		heading = append(heading, c.heading)
	}
	for _, c := range columns {
		heading = append(heading, c.short+" ÷ baseline")
	}
	table := [][]string{heading}
	for _, r := range g.rows {
		cells := []string{r.name}
		for _, c := range columns {
			cells = append(cells, fmt.Sprintf(c.format, median(r.figures(c))))
		}
		for _, c := range columns {
			cells = append(cells, r.ratio(c))
		}
		table = append(table, cells)
	}
	fmt.Fprintf(w, "\n%s\n\n", title)
	printTable(w, table)
	for _, r := range g.rows {
		for _, res := range r.results {
			if res.saves > 0 {
				fmt.Fprintf(w, "\n%s: %d saves, %d requests failed, %d WebSockets closed; python3 -c pass took %v meanwhile, p95 %v.\n",
					r.name, res.saves, res.failed, res.closed, res.starts[0].Round(time.Millisecond), res.starts[1].Round(time.Millisecond))
			}
		}
	}
	if len(g.missing) > 0 {
		fmt.Fprintf(w, "\nNot measured, because not installed: %s.\n", strings.Join(g.missing, ", "))
	}
}

// printTable prints a table in Markdown, with columns of equal width. All columns
// but the first have numbers.
func printTable(w io.Writer, table [][]string) {
	rule := []string{}
	for i := range table[0] {
		width := 0
		for _, cells := range table {
			width = max(width, utf8.RuneCountInString(cells[i]))
		}
		for _, cells := range table {
			space := strings.Repeat(" ", width-utf8.RuneCountInString(cells[i]))
			if i == 0 {
				cells[i] += space
			} else {
				cells[i] = space + cells[i]
			}
		}
		rule = append(rule, strings.Repeat("-", width+min(i, 1)))
	}
	for i, cells := range table {
		fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
		if i == 0 {
			fmt.Fprintf(w, "| %s |%s:|\n", rule[0], strings.Join(rule[1:], ":|"))
		}
	}
}

// plural returns the plural of a unit.
func plural(unit string) string {
	if unit == "operation" {
		return "operations"
	}
	return unit
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
	switch {
	case math.IsNaN(m) || math.IsInf(m, 0):
		return "–" // the baseline took less than a tick
	case m > 10:
		return fmt.Sprintf("%.1f, lowest %.1f", m, slices.Min(values))
	}
	return fmt.Sprintf("%.2f", m)
}
