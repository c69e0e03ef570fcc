package store

import (
	"context"

	"asgibox/asgi"
)

// Flush drops all queued and delayed messages and all groups. See
// [asgi.Flusher].
func (s *Store) Flush(ctx context.Context, c *asgi.Cause) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return asgi.ErrClosed
	}
	for _, q := range s.queues {
		q.head, q.tail, q.length, q.disorder = nil, nil, 0, false
	}
	s.pending, s.memory = 0, 0
	s.delays = newDelays()
	joins := s.groups.joins
	s.groups = newGroups()
	s.groups.joins = joins
	return nil
}
