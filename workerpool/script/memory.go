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
	calls     int // since then
	heap      int64
	collected time.Time
	kept      int64 // of the heap, by the last collection
	ended     bool  // whether the last collection ended a handler
}

const (
	// sampleInterval is the shortest time between two measurements.
	sampleInterval = 20 * time.Millisecond
	// collectInterval is the shortest time between two forced garbage
	// collections. A collection shows how much of the heap is in use. After one
	// that ended a handler, the next may come after sampleInterval: several
	// handlers may use more memory than one that ends makes free.
	collectInterval = 250 * time.Millisecond
	// stillCalls is the number of calls after which the heap is measured while time
	// stands still, as in a test.
	stillCalls = 16
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
	g.calls++
	if now.Sub(g.sampled) >= sampleInterval || now.Equal(g.sampled) && g.calls >= stillCalls {
		g.sampleLocked(now)
	}
	if *base == 0 || g.heap < *base {
		*base = g.heap
	}
	pause := collectInterval
	if g.ended {
		pause = sampleInterval
	}
	early := now.Sub(g.collected) < pause
	if now.Equal(g.collected) { // time stands still
		early = g.heap-g.kept < g.limit/4
	}
	if early || g.heap-*base <= g.limit {
		return false
	}
	runtime.GC()
	g.collected = time.Now()
	g.sampleLocked(g.collected)
	g.kept = g.heap
	*base = min(*base, g.heap)
	g.ended = g.heap-*base > g.limit
	return g.ended
}

func (g *gauge) sampleLocked(now time.Time) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	g.heap = int64(sample[0].Value.Uint64())
	g.sampled, g.calls = now, 0
}
