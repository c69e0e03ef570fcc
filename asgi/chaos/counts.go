package chaos

import (
	"maps"
	"slices"
	"time"
)

// reportEvery is the interval between log entries about counts.
const reportEvery = 10 * time.Second

// Counts is the number of messages that were dropped, delayed, reordered or
// lost.
type Counts struct {
	Dropped   uint64
	Delayed   uint64
	Reordered uint64
	Lost      uint64 // held, and then the channel was full
}

func (c *Counts) add(o Counts) {
	c.Dropped += o.Dropped
	c.Delayed += o.Delayed
	c.Reordered += o.Reordered
	c.Lost += o.Lost
}

// Counts returns the counts since New.
func (l *Layer) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// countLocked adds to the counts and starts the timer that logs them.
func (l *Layer) countLocked(pattern string, did Counts) {
	l.total.add(did)
	if l.recent[pattern] == nil {
		l.recent[pattern] = &Counts{}
	}
	l.recent[pattern].add(did)
	if l.report != nil || l.closed {
		return
	}
	l.running.Add(1)
	l.report = time.AfterFunc(reportEvery, func() {
		defer l.running.Done()
		l.logCounts()
	})
}

// logCounts logs the counts since the last call.
func (l *Layer) logCounts() {
	l.mu.Lock()
	recent := l.recent
	l.recent, l.report = map[string]*Counts{}, nil
	l.mu.Unlock()
	for _, pattern := range slices.Sorted(maps.Keys(recent)) {
		c := recent[pattern]
		l.log.Info("chaos", "channels", pattern, "dropped", c.Dropped, "delayed", c.Delayed, "reordered", c.Reordered, "lost", c.Lost)
	}
}
