package store

import "slices"

// queueStep is the number of queues that are added or removed before the lock is
// released.
const queueStep = 256

// addQueues creates the queues of a long list of channels in steps, so that a receive
// finds them and holds the lock for a short time.
func (s *Store) addQueues(channels []string, now int64) {
	for step := range slices.Chunk(channels, queueStep) {
		s.mu.Lock()
		for _, name := range step {
			if s.closed {
				break
			}
			s.queueLocked(name, now)
		}
		s.mu.Unlock()
	}
}

// removeUnused removes the queues of a long list that exist only because it named
// them, if there are many queues. Otherwise they remain for a while, because
// [Store.HasReader] knows them.
func (s *Store) removeUnused(channels []string) {
	s.lists.Lock()
	defer s.lists.Unlock()
	now := s.now()
	for step := range slices.Chunk(channels, queueStep) {
		s.mu.Lock()
		for _, name := range step {
			if q := s.queues[name]; q != nil && len(s.queues) > manyQueues && q.unused() {
				s.removeIdleLocked(q, now)
			}
		}
		s.mu.Unlock()
	}
}

// unused reports whether nothing was ever sent on the queue.
func (q *queue) unused() bool {
	return q.sent.count == 0 && q.refused.count == 0 && q.head == nil && q.seq == 0 && q.breakpoint == nil && len(q.blocked) == 0
}
