package inspector

import (
	"sync"
	"time"
)

// restFactor is how many times as long as it took to make a list of channels or
// groups no viewer makes it again. With 100,000 of them, it takes some 0.3 s.
const restFactor = 10

// A paced value is shared by all viewers. It is not made again too soon if making it
// takes long.
type paced[T any] struct {
	mu    sync.Mutex // guards the rest
	value T
	due   time.Time
}

// get returns the value. It calls fetch if the value is due.
func (p *paced[T]) get(fetch func() T) T {
	p.mu.Lock()
	defer p.mu.Unlock()
	if began := time.Now(); !began.Before(p.due) {
		p.value = fetch()
		p.due = nextDue(began, 0)
	}
	return p.value
}

// nextDue returns when work that began at a time is due again: after least, or later
// if the work took long.
func nextDue(began time.Time, least time.Duration) time.Time {
	end := time.Now()
	return end.Add(max(least-end.Sub(began), restFactor*end.Sub(began)))
}
