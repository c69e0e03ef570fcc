package script

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

// gauge measures the heap for all runs of a loader.
type gauge struct {
	limit int64 // bytes; negative means no limit

	mu        sync.Mutex // guards the rest
	sampled   time.Time
	heap      int64
	collected time.Time
	ended     bool // whether the last collection ended a handler
}

const (
	// sampleInterval is the shortest time between two measurements.
	sampleInterval = 20 * time.Millisecond
	// collectInterval is the shortest time between two forced garbage
	// collections. A collection shows how much of the heap is in use. After one
	// that ended a handler, the next may come after sampleInterval: several
	// handlers may use more memory than one that ends makes free.
	collectInterval = 250 * time.Millisecond
)

// exceeded reports whether the heap has grown by more than the limit since
// base. It sets base if it is 0, and lowers base when the heap is smaller.
func (g *gauge) exceeded(base *int64) bool {
	if g.limit < 0 {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if now.Sub(g.sampled) >= sampleInterval {
		g.sampleLocked(now)
	}
	if *base == 0 || g.heap < *base {
		*base = g.heap
	}
	pause := collectInterval
	if g.ended {
		pause = sampleInterval
	}
	if g.heap-*base <= g.limit || now.Sub(g.collected) < pause {
		return false
	}
	runtime.GC()
	g.collected = time.Now()
	g.sampleLocked(g.collected)
	*base = min(*base, g.heap)
	g.ended = g.heap-*base > g.limit
	return g.ended
}

func (g *gauge) sampleLocked(now time.Time) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	g.heap = int64(sample[0].Value.Uint64())
	g.sampled = now
}
