package store

import (
	"context"

	"asgibox/asgi"
)

// Flush drops all queued and delayed messages and all groups. See
// [asgi.Flusher].
func (s *Store) Flush(ctx context.Context, c *asgi.Cause) error {
	if err := s.journal.err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return asgi.ErrClosed
	}
	seq := s.journal.flush()
	s.flushes++
	for _, q := range s.queues {
		s.loseAllLocked(q)
		if q.offering != nil {
			q.offering.waiting.Add(-int64(q.length))
		}
		q.head, q.tail, q.length, q.disorder, q.counted = nil, nil, 0, false, false
		if q.kind != asgi.ProcessSpecific { // their messages are never in the journal
			q.seq = seq
		}
		q.unsortLocked()
	}
	s.pending, s.memory = 0, 0
	for _, q := range s.queues {
		s.admitLocked(q)
	}
	s.delays = newDelays()
	lastNumber := s.groups.lastNumber
	s.groups = newGroups()
	s.groups.lastNumber, s.groups.seq = lastNumber, seq
	c.Raise(s.journal.barrier(seq))
	return nil
}
