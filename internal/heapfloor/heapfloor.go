// Package heapfloor spares a program with a small heap most of its garbage
// collections. Go collects when garbage has grown to as much as is alive; a
// server with 3 MB alive collects dozens of times a second, and a tenth to a
// fifth of its time goes there. With a floor it collects when there is that
// much garbage, or as much as is alive, whichever is more: the cost is at most
// the floor in memory, however large the heap grows.
package heapfloor

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// Keep lets that many bytes of garbage gather before a collection, until stop
// is called. It does nothing if the environment says how to collect, by GOGC.
// What it sets is the whole process's: it is for package main.
func Keep(bytes uint64) (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	f := &floor{bytes: bytes}
	first := f.percent(liveHeap())
	f.set.Store(int64(first))
	before := debug.SetGCPercent(first)
	f.watch()
	return func() {
		f.stopped.Store(true)
		debug.SetGCPercent(before)
	}
}

type floor struct {
	bytes   uint64
	set     atomic.Int64 // the percentage in force
	stopped atomic.Bool
}

// usual is Go's own percentage.
const usual = 100

// least is how much Go takes to be alive at least, at the usual percentage: it
// multiplies by the one in force, and so has to be known here. Before the first
// collection nothing is known to be alive.
const least = 4 << 20

// percent answers the growth, in percent of what is alive, that leaves room
// for the floor.
func (f *floor) percent(live uint64) int {
	return int(max(usual, 100*f.bytes/max(live, least)))
}

// watch has the percentage looked at after each collection: the sentinel is
// garbage at once, so the next collection finds it.
func (f *floor) watch() {
	sentinel := new([16]byte)
	runtime.AddCleanup(sentinel, func(f *floor) {
		if f.stopped.Load() {
			return
		}
		f.adjust(liveHeap())
		f.watch()
	}, f)
}

// adjust sets the percentage anew where it is off by more than a quarter, since
// setting it stops the program for a moment.
func (f *floor) adjust(live uint64) {
	want, have := int64(f.percent(live)), f.set.Load()
	if want*4 > have*3 && want*4 < have*5 {
		return
	}
	f.set.Store(want)
	debug.SetGCPercent(int(want))
}

// liveHeap answers the bytes that the last collection found alive.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
