package inspector

import (
	"slices"
	"sync"
	"time"

	"asgibox/inspector/api"
)

// maxLoads is how many loads are stored.
const maxLoads = 100

// loads holds the latest loads.
type loads struct {
	mu     sync.Mutex // guards the rest
	loads  []api.Load
	failed uint64
}

// Loaded records that the application was loaded. It sets the time if that is
// zero.
func (s *Server) Loaded(l api.Load) {
	if l.At == 0 {
		l.At = api.UnixMilli(time.Now())
	}
	if l.Error == "" {
		s.errors.loaded(l.Generation)
	}
	c := &s.loads
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.Error != "" {
		c.failed++
	}
	c.loads = keepNewest(append(c.loads, l), maxLoads)
}

// keepNewest returns the last n items, in new memory if there are more.
func keepNewest[T any](items []T, n int) []T {
	if len(items) > n {
		return append(items[:0:0], items[len(items)-n:]...)
	}
	return items
}

// newest returns the loads, the newest first.
func (c *loads) newest() []api.Load {
	c.mu.Lock()
	defer c.mu.Unlock()
	return newestFirst(c.loads)
}

// newestFirst returns a reversed copy of a list, which is not nil.
func newestFirst[T any](items []T) []T {
	reversed := append([]T{}, items...)
	slices.Reverse(reversed)
	return reversed
}

// last returns the newest load and the number of failed loads.
func (c *loads) last() (l api.Load, failed uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.loads) > 0 {
		l = c.loads[len(c.loads)-1]
	}
	return l, c.failed
}
