package process

import (
	"context"
	"slices"

	"asgibox/asgi"
)

// A waiter is a job that waits for a connection.
type waiter struct {
	child   *child // that must run the job; nil for any
	request bool   // it fails if no process can start
	ready   chan *serving
	err     error // set before ready is closed
}

// acquire returns a connection that can run a job: the one that ran a job last, because
// its thread is hot. If there is none, it waits. A request, whose client waits too, fails
// if no process can start; other messages would be lost. The caller must call offer or
// remove.
func (g *set) acquire(ctx context.Context, of *child, request bool) (*serving, error) {
	g.mu.Lock()
	if s := g.takeLocked(of); s != nil {
		g.mu.Unlock()
		return s, nil
	}
	if g.broken != nil && request {
		defer g.mu.Unlock()
		return nil, g.broken
	}
	w := &waiter{child: of, request: request, ready: make(chan *serving, 1)}
	g.waiters = append(g.waiters, w)
	g.mu.Unlock()
	var exited chan struct{}
	if of != nil {
		exited = of.exited
	}
	var err error
	select {
	case s, ok := <-w.ready:
		if !ok {
			return nil, w.err
		}
		return s, nil
	case <-exited:
		err = of.reason()
	case <-g.killing:
		err = asgi.ErrClosed
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	g.mu.Lock()
	g.waiters = slices.DeleteFunc(g.waiters, func(other *waiter) bool { return other == w })
	g.mu.Unlock()
	select {
	case s, ok := <-w.ready: // it came meanwhile
		if ok {
			g.offer(s)
		}
	default:
	}
	return nil, err
}

// takeLocked returns a connection without a job, or nil. It avoids processes in which a
// handler does not stop, because that may hold up all of their threads.
func (g *set) takeLocked(of *child) *serving {
	found := -1
	for i := len(g.free) - 1; i >= 0; i-- {
		s := g.free[i]
		if of != nil && s.child != of {
			continue
		}
		healthy := s.child.lingering.Load() == 0
		if healthy || found < 0 {
			found = i
		}
		if healthy {
			break
		}
	}
	if found < 0 {
		return nil
	}
	s := g.free[found]
	g.free = slices.Delete(g.free, found, found+1)
	return s
}

// offer makes a connection take a job: a new one, or one whose job has ended.
func (g *set) offer(s *serving) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.withdrawn || s.child.over() {
		return
	}
	g.broken = nil
	g.free = append(g.free, s)
	g.assignLocked()
}

// notStarted fails the requests that wait, and later ones until a process starts, if no
// process runs and one could not start.
func (g *set) notStarted(err error) {
	g.mu.Lock()
	slots := slices.Clone(g.slots)
	g.mu.Unlock()
	for _, s := range slots {
		if c := s.current(); c != nil && !c.over() {
			return
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.free) > 0 {
		return
	}
	g.broken = err
	if g.tasks != nil {
		g.tasks.notStarted(err)
	}
	g.waiters = slices.DeleteFunc(g.waiters, func(w *waiter) bool {
		if !w.request {
			return false
		}
		w.err = err
		close(w.ready)
		return true
	})
}

// assignLocked gives connections to jobs that wait.
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
