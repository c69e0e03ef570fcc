package bench

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"asgibox/internal/console"
)

// barWidth is the length of the longest bar of the histogram.
const barWidth = 40

// print prints the result for people.
func (r *Result) print(w io.Writer) {
	fmt.Fprintf(w, "%s in %s on %s: %s/s", count(r.Completed, r.Operation), seconds(r.Seconds), count(int64(r.Connections), "connection"), number(int64(r.Rate+0.5)))
	if r.TargetRate > 0 {
		what := ""
		if r.Operation == "delivery" {
			what = "messages "
		}
		fmt.Fprintf(w, " (%swanted: %s/s)", what, number(int64(r.TargetRate)))
	}
	if r.Interrupted {
		fmt.Fprint(w, ", interrupted")
	}
	fmt.Fprintln(w)
	if r.NotStarted > 0 {
		fmt.Fprintf(w, "not started: %s, because no connection was free; their waits count as latencies\n", number(r.NotStarted))
	}
	r.printOutcomes(w)
	if r.Completed+r.NotStarted > 0 {
		r.printLatencies(w)
	}
	if r.Comparison != nil {
		r.Comparison.print(w)
	}
}

func (r *Result) printOutcomes(w io.Writer) {
	for _, status := range slices.Sorted(maps.Keys(r.Statuses)) {
		fmt.Fprintf(w, "status %s: %s\n", status, number(r.Statuses[status]))
	}
	fmt.Fprintf(w, "failed: %s\n", number(r.Failed))
	for _, f := range r.Failures {
		fmt.Fprintf(w, "  %-10s %10s  %s\n", f.Kind, number(f.Count), console.Printable(f.Example))
	}
}

func (r *Result) printLatencies(w io.Writer) {
	fmt.Fprintln(w)
	for _, f := range figures[1:] {
		fmt.Fprintf(w, "%-5s  %9s\n", f.name, short(f.of(r)))
	}
	var all, longest int64
	for _, b := range r.Histogram {
		all += b.Count
		longest = max(longest, b.Count)
	}
	fmt.Fprintln(w)
	for _, b := range r.Histogram {
		bar := strings.Repeat("█", int((b.Count*barWidth+longest/2)/longest))
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("≤ %6s  %12s  %5.1f %%  %s", limit(b.UpToMs), number(b.Count), 100*float64(b.Count)/float64(all), bar), " "))
	}
}

func (c *Comparison) print(w io.Writer) {
	fmt.Fprintf(w, "\ncompared with %s (now ÷ then):\n", c.File)
	for _, f := range figures {
		if ratio, ok := c.Ratios[f.name]; ok {
			fmt.Fprintf(w, "%-5s  %9.2f\n", f.name, ratio)
		}
	}
	for _, d := range c.Differs {
		fmt.Fprintln(w, "differs:", console.Printable(d))
	}
}

// short returns a time in milliseconds with a fitting unit and three digits.
func short(ms float64) string {
	d := time.Duration(ms * float64(time.Millisecond))
	switch {
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d)
	case d < time.Millisecond:
		return digits(ms*1e3) + " µs"
	case d < time.Second:
		return digits(ms) + " ms"
	}
	return digits(ms/1e3) + " s"
}

// limit returns the limit of a bar: 1, 2 or 5 times a power of ten.
func limit(ms float64) string {
	d := time.Duration(math.Round(ms * float64(time.Millisecond)))
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= u.unit {
			return fmt.Sprintf("%d %s", d/u.unit, u.name)
		}
	}
	return fmt.Sprintf("%d ns", d)
}

func seconds(s float64) string { return digits(s) + " s" }

// digits returns a number with three significant digits, or all digits before the
// point.
func digits(v float64) string {
	switch {
	case v >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// count returns "1 request" or "1,234 requests".
func count(n int64, noun string) string {
	if n != 1 {
		switch noun {
		case "delivery":
			noun = "deliveries"
		case "echo":
			noun = "echoes"
		default:
			noun += "s"
		}
	}
	return number(n) + " " + noun
}

// number returns a number with commas between thousands.
func number(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
