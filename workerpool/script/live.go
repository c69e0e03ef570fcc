package script

import (
	"context"
	"sync"
)

// generations tells who waits when another generation is live.
type generations struct {
	mu      sync.Mutex // guards the rest
	current uint64
	changed chan struct{} // closed when current changes
}

func newGenerations() *generations { return &generations{changed: make(chan struct{})} }

func (g *generations) announce(number uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.current = number
	close(g.changed)
	g.changed = make(chan struct{})
}

// Wait returns the number of the live generation once it is another than
// seen, or the context's error.
func (g *generations) wait(ctx context.Context, seen uint64) (uint64, error) {
	for {
		g.mu.Lock()
		current, changed := g.current, g.changed
		g.mu.Unlock()
		if current != seen {
			return current, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return current, context.Cause(ctx)
		}
	}
}
