package load

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	precision = 7  // bits: each power of two has 128 buckets, so a bucket is less than 0.8 % wide
	maxBits   = 40 // longer durations, above 18 minutes, count as this long
)

// A Histogram counts durations in buckets whose width grows with the duration, as
// HdrHistogram does. It may be read while durations are added.
type Histogram struct {
	counts [(maxBits - precision + 1) << precision]atomic.Int64
}

// Add adds a duration n times.
func (h *Histogram) Add(d time.Duration, n int64) { h.counts[bucket(d)].Add(n) }

// bucket returns the number of the bucket for a duration. The lowest buckets are
// 1 ns wide.
func bucket(d time.Duration) int {
	v := min(uint64(max(d, 0)), 1<<maxBits-1)
	shift := max(bits.Len64(v)-precision-1, 0)
	return shift<<precision + int(v>>shift)
}

// middle returns the duration in the middle of a bucket.
func middle(bucket int) time.Duration {
	shift := max(bucket>>precision-1, 0)
	return time.Duration(bucket-shift<<precision)<<shift + 1<<shift/2
}

// Count returns the number of durations.
func (h *Histogram) Count() (n int64) {
	for i := range h.counts {
		n += h.counts[i].Load()
	}
	return n
}

// Quantile returns the duration below which the given fraction of all durations
// is, or 0 if there are none.
func (h *Histogram) Quantile(fraction float64) time.Duration {
	n := h.Count()
	rank := min(int64(fraction*float64(n)), n-1)
	for i := range h.counts {
		if rank -= h.counts[i].Load(); rank < 0 && n > 0 {
			return middle(i)
		}
	}
	return 0
}

// Mean returns the mean duration.
func (h *Histogram) Mean() time.Duration {
	var n, sum float64
	for i := range h.counts {
		c := float64(h.counts[i].Load())
		n += c
		sum += c * float64(middle(i))
	}
	if n == 0 {
		return 0
	}
	return time.Duration(sum / n)
}

// A Bar is the number of durations up to a limit and above the limit of the bar
// before it.
type Bar struct {
	UpTo  time.Duration
	Count int64
}

// Bars sums the buckets up for a chart: the limits are 1, 2 and 5 times powers of
// ten. The first and the last bar are not empty.
func (h *Histogram) Bars() []Bar {
	var bars []Bar
	waiting := 0 // empty bars that are added only if another one follows
	i := 0
	for step, unit := 0, time.Nanosecond; i < len(h.counts); step++ {
		bar := Bar{UpTo: unit * []time.Duration{1, 2, 5}[step%3]}
		if step%3 == 2 {
			unit *= 10
		}
		for ; i < len(h.counts) && middle(i) <= bar.UpTo; i++ {
			bar.Count += h.counts[i].Load()
		}
		bars = append(bars, bar)
		switch {
		case bar.Count > 0:
			waiting = 0
		case len(bars) == 1:
			bars = bars[:0]
		default:
			waiting++
		}
	}
	return bars[:len(bars)-waiting]
}
