package script

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

// gauge samples the heap for all runs of a loader.
type gauge struct {
	limit int64 // bytes; negative is none

	mu        sync.Mutex // guards the rest
	sampled   time.Time
	heap      int64
	collected time.Time
}

const (
	// sampleEvery bounds how often the heap is looked at.
	sampleEvery = 20 * time.Millisecond
	// collectEvery bounds how often a collection is forced to tell what is
	// used from what is only not yet collected.
	collectEvery = 250 * time.Millisecond
)

// exceeded reports whether the heap has grown by more than the limit since
// base, which it sets at first, and lowers once what others left behind is
// collected.
func (g *gauge) exceeded(base *int64) bool {
	if g.limit < 0 {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if now.Sub(g.sampled) >= sampleEvery {
		g.sampleLocked(now)
	}
	if *base == 0 || g.heap < *base {
		*base = g.heap
	}
	if g.heap-*base <= g.limit || now.Sub(g.collected) < collectEvery {
		return false
	}
	runtime.GC()
	g.collected = time.Now()
	g.sampleLocked(g.collected)
	*base = min(*base, g.heap)
	return g.heap-*base > g.limit
}

func (g *gauge) sampleLocked(now time.Time) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	g.heap = int64(sample[0].Value.Uint64())
	g.sampled = now
}
