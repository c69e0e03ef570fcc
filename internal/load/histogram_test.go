package load

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestABucketIsLessThanOnePercentWide(t *testing.T) {
	for d := time.Duration(1); d < 1<<maxBits; d += d/97 + 1 {
		got := middle(bucket(d))
		if math.Abs(float64(got-d)) > 0.005*float64(d)+0.5 {
			t.Fatalf("%d is counted as %d", d, got)
		}
	}
	if last := len(new(Histogram).counts) - 1; bucket(math.MaxInt64) != last || bucket(1<<maxBits-1) != last {
		t.Error("the longest durations are not in the last bucket")
	}
	if bucket(-1) != 0 || bucket(0) != 0 {
		t.Error("durations that are not positive are not in the first bucket")
	}
}

func TestBucketsFollowEachOther(t *testing.T) {
	var h Histogram
	for i := range h.counts {
		if bucket(middle(i)) != i {
			t.Fatalf("the middle of bucket %d is in bucket %d", i, bucket(middle(i)))
		}
	}
}

func TestQuantilesAreThoseOfTheValues(t *testing.T) {
	var h Histogram
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]time.Duration, 10_000)
	var sum float64
	for i := range values {
		values[i] = time.Duration(math.Exp(random.Float64()*20)) + 1
		sum += float64(values[i])
		h.Add(values[i], 1)
	}
	slices.Sort(values)
	for _, fraction := range []float64{0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1} {
		want := values[min(int(fraction*float64(len(values))), len(values)-1)]
		if got := h.Quantile(fraction); math.Abs(float64(got-want)) > 0.005*float64(want)+1 {
			t.Errorf("the quantile %v is %v instead of %v", fraction, got, want)
		}
	}
	if mean := sum / float64(len(values)); math.Abs(float64(h.Mean())-mean) > 0.005*mean {
		t.Errorf("the mean is %v instead of %v", h.Mean(), mean)
	}
}

func TestAnEmptyHistogramHasNoValues(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 || h.Mean() != 0 || h.Count() != 0 || len(h.Bars()) != 0 {
		t.Error("an empty histogram has values")
	}
}

func TestBarsBeginAndEndWithValues(t *testing.T) {
	var h Histogram
	h.Add(150*time.Microsecond, 3)
	h.Add(900*time.Microsecond, 4)
	h.Add(7*time.Millisecond, 1)
	want := []Bar{
		{200 * time.Microsecond, 3}, {500 * time.Microsecond, 0}, {time.Millisecond, 4},
		{2 * time.Millisecond, 0}, {5 * time.Millisecond, 0}, {10 * time.Millisecond, 1},
	}
	if got := h.Bars(); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	h.Add(math.MaxInt64, 1)
	if bars := h.Bars(); bars[len(bars)-1].Count != 1 {
		t.Errorf("%v", bars)
	}
}
