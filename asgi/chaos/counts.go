package chaos

import (
	"maps"
	"slices"
	"time"
)

// reportEvery is how long figures are gathered before they are logged.
const reportEvery = 10 * time.Second

// Counts are what chaos did to messages.
type Counts struct {
	Dropped   uint64
	Delayed   uint64
	Reordered uint64
	Lost      uint64 // held back, and then there was no room
}

func (c *Counts) add(o Counts) {
	c.Dropped += o.Dropped
	c.Delayed += o.Delayed
	c.Reordered += o.Reordered
	c.Lost += o.Lost
}

// Counts answers what was done since New.
func (l *Layer) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// countLocked counts and sees to it that somebody hears of it.
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
		l.tell()
	})
}

// tell logs what was done since it last did.
func (l *Layer) tell() {
	l.mu.Lock()
	recent := l.recent
	l.recent, l.report = map[string]*Counts{}, nil
	l.mu.Unlock()
	for _, pattern := range slices.Sorted(maps.Keys(recent)) {
		c := recent[pattern]
		l.log.Info("chaos", "channels", pattern, "dropped", c.Dropped, "delayed", c.Delayed, "reordered", c.Reordered, "lost", c.Lost)
	}
}
