package process

import (
	"context"
	"slices"

	"asgibox/asgi"
)

// A waiter is a job that waits for a connection.
type waiter struct {
	child *child // that must run the job; nil for any
	ready chan *serving
}

// acquire returns a connection that can run a job: the one that ran a job last, or, of
// those that run many, the one that runs the fewest. If there is none, it waits. The
// caller must call giveBack or remove.
func (g *set) acquire(ctx context.Context, of *child) (*serving, error) {
	g.mu.Lock()
	if s := g.takeLocked(of); s != nil {
		g.mu.Unlock()
		return s, nil
	}
	w := &waiter{of, make(chan *serving, 1)}
	g.waiters = append(g.waiters, w)
	g.mu.Unlock()
	var exited chan struct{}
	if of != nil {
		exited = of.exited
	}
	var err error
	select {
	case s := <-w.ready:
		return s, nil
	case <-exited:
		err = of.exit
	case <-g.killing:
		err = asgi.ErrClosed
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	g.mu.Lock()
	g.waiters = slices.DeleteFunc(g.waiters, func(other *waiter) bool { return other == w })
	g.mu.Unlock()
	select {
	case s := <-w.ready: // it came meanwhile
		g.giveBack(s)
	default:
	}
	return nil, err
}

// takeLocked returns a connection with room, or nil.
func (g *set) takeLocked(of *child) *serving {
	best := -1
	for i := len(g.free) - 1; i >= 0; i-- {
		s := g.free[i]
		if (of == nil || s.child == of) && (best < 0 || s.running < g.free[best].running) {
			if best = i; s.running == 0 {
				break
			}
		}
	}
	if best < 0 {
		return nil
	}
	s := g.free[best]
	if s.running++; s.running >= s.room() {
		g.free = slices.Delete(g.free, best, best+1)
	}
	return s
}

// room returns the number of jobs that the connection can run at once.
func (s *serving) room() int { return max(1, s.many) }

// offer makes a new connection take jobs.
func (g *set) offer(s *serving) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free = append(g.free, s)
	g.assignLocked()
}

// giveBack says that a job of a connection has ended.
func (g *set) giveBack(s *serving) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.running--; s.running == s.room()-1 && !s.withdrawn && !s.child.over() {
		g.free = append(g.free, s)
	}
	g.assignLocked()
}

// assignLocked gives connections with room to jobs that wait.
func (g *set) assignLocked() {
	for i := 0; i < len(g.waiters) && len(g.free) > 0; {
		w := g.waiters[i]
		s := g.takeLocked(w.child)
		if s == nil {
			i++
			continue
		}
		g.waiters = slices.Delete(g.waiters, i, i+1)
		w.ready <- s
	}
}

// remove takes a connection out of service.
func (g *set) remove(s *serving) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.withdrawn = true
	g.free = slices.DeleteFunc(g.free, func(other *serving) bool { return other == s })
}

// withdraw takes all connections of a child out of service.
func (g *set) withdraw(c *child) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free = slices.DeleteFunc(g.free, func(s *serving) bool {
		if s.child != c {
			return false
		}
		s.withdrawn = true
		return true
	})
}
