package heapfloor

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// Limit sets a soft limit for the memory of the process, in bytes, until stop is
// called. Near the limit Go collects more often, and not only when the heap has
// doubled. If more memory is in use than fits below the limit, the limit rises
// with it, so that collections do not take all of the time. Limit also returns
// memory to the operating system soon after it is free. It does nothing if the
// environment variable GOMEMLIMIT is set. Like [Keep], it affects the whole
// process.
func Limit(bytes uint64) (stop func()) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	l := &limit{bytes: bytes, set: bytes}
	before := debug.SetMemoryLimit(int64(bytes))
	afterEachCollection(l.collected)
	ctx, cancel := context.WithCancel(context.Background())
	var returning sync.WaitGroup
	returning.Go(func() { returnMemory(ctx) })
	return func() {
		cancel()
		returning.Wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.stopped = true
		debug.SetMemoryLimit(before)
	}
}

type limit struct {
	bytes uint64

	mu      sync.Mutex // guards the rest
	set     uint64     // the current limit
	live    uint64     // live heap at the last collection
	stopped bool
}

// usage is the memory of the process, in bytes.
type usage struct {
	live   uint64 // live heap at the last collection
	other  uint64 // stacks and structures of the runtime
	held   uint64 // obtained from the operating system
	cycles uint64 // number of collections so far
}

// collected adjusts the limit after a collection. It reports whether to
// continue.
func (l *limit) collected() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return false
	}
	if want := l.wantLocked(measure()); want > l.set || want < l.set-l.set/8 {
		l.set = want
		debug.SetMemoryLimit(int64(want))
	}
	return true
}

// wantLocked returns the limit that leaves the program a quarter of what it uses. It
// takes the smaller live heap of two collections, because a collection counts all
// that is allocated while it runs.
func (l *limit) wantLocked(u usage) uint64 {
	used := min(l.live, u.live) + u.other
	l.live = u.live
	return min(max(l.bytes, used+used/4), math.MaxInt64)
}

const (
	keptMemory = 128 << 20 // memory that is not returned
	minPause   = 5 * time.Second
	// pauseFactor is how much longer the pause between two returns is than a
	// return, so that returns take little of the time.
	pauseFactor = 200
)

// returnMemory returns free memory to the operating system until the context is done. It
// looks at intervals, because memory can become free without a collection that would show
// it.
func returnMemory(ctx context.Context) {
	pause, cycles := minPause, measure().cycles
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		started := time.Now()
		u := measure()
		if u.wasteful(cycles) {
			debug.FreeOSMemory()
			u = measure()
		}
		pause, cycles = max(minPause, pauseFactor*time.Since(started)), u.cycles
	}
}

// wasteful reports whether much of the memory may be free: if there was no
// collection after the number of cycles, or if the last one has left more free
// memory than the program needs until the next.
func (u usage) wasteful(cycles uint64) bool {
	if u.held <= keptMemory {
		return false
	}
	return u.cycles == cycles || u.held > 2*(u.live+u.other)+keptMemory
}

func measure() usage {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
	}
	metrics.Read(samples)
	value := func(i int) uint64 { return samples[i].Value.Uint64() }
	held := value(2) - value(3)
	return usage{
		live:   value(0),
		cycles: value(1),
		held:   held,
		other:  held - value(4) - value(5) - value(6),
	}
}
