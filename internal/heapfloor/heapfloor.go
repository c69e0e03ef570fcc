// Package heapfloor adapts garbage collection to the size of the heap. [Limit]
// makes Go collect more often when the heap is large, and returns free memory to
// the operating system. [Keep] reduces the number of collections of a program
// with a small heap. Go collects when there is as much garbage as live memory. A
// server with 3 MB of live memory collects dozens of times a second, which takes
// a tenth to a fifth of its time. With a floor, Go collects when the garbage
// reaches the floor or the size of the live memory, whichever is larger. This
// costs at most the floor in memory.
package heapfloor

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// Keep sets the floor, in bytes, until stop is called. It does nothing if the
// environment variable GOGC is set. It affects the whole process, so only package
// main should call it.
func Keep(bytes uint64) (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	f := &floor{bytes: bytes}
	first := f.percent(liveHeap())
	f.set.Store(int64(first))
	before := debug.SetGCPercent(first)
	afterEachCollection(f.collected)
	return func() {
		f.stopped.Store(true)
		debug.SetGCPercent(before)
	}
}

type floor struct {
	bytes   uint64
	set     atomic.Int64 // the current percentage
	stopped atomic.Bool
}

// defaultPercent is Go's default percentage.
const defaultPercent = 100

// minLive is the live memory, in bytes, that Go assumes at least. Go multiplies
// its minimum heap by the percentage, so percent must not assume less. Before the
// first collection the live memory is unknown.
const minLive = 4 << 20

// percent returns the percentage of garbage, relative to the live memory, that
// gives at least the floor.
func (f *floor) percent(live uint64) int {
	return int(max(defaultPercent, 100*f.bytes/max(live, minLive)))
}

// collected adjusts the percentage after a collection. It reports whether to
// continue.
func (f *floor) collected() bool {
	if f.stopped.Load() {
		return false
	}
	f.adjust(liveHeap())
	return true
}

// afterEachCollection calls f after each garbage collection until f returns
// false. The sentinel is garbage immediately, so its cleanup runs after the next
// collection.
func afterEachCollection(f func() bool) {
	sentinel := new([16]byte)
	runtime.AddCleanup(sentinel, func(f func() bool) {
		if f() {
			afterEachCollection(f)
		}
	}, f)
}

// adjust sets the percentage if it is wrong by more than a quarter. It tolerates
// smaller differences because setting it stops the program for a moment.
func (f *floor) adjust(live uint64) {
	want, have := int64(f.percent(live)), f.set.Load()
	if want*4 > have*3 && want*4 < have*5 {
		return
	}
	f.set.Store(want)
	debug.SetGCPercent(int(want))
}

// liveHeap returns the bytes that were live at the last collection.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
