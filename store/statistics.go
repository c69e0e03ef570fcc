package store

import (
	"context"
	"time"

	"asgibox/asgi"
)

// statisticsStep is the number of queues that are read before the lock is
// released.
const statisticsStep = 1024

// GlobalStatistics returns the statistics of all channels together.
func (s *Store) GlobalStatistics(context.Context) (asgi.Stats, error) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return asgi.Stats{}, asgi.ErrClosed
	}
	for q, ok := s.sweeps.next(now); ok; q, ok = s.sweeps.next(now) {
		s.sweepQueueLocked(q, now)
	}
	stats := figures(&s.sent, &s.refused, now)
	stats.MessagesPending = s.pending
	s.eachQueueLocked(func(q *queue) {
		stats.MessagesMaxAge = max(stats.MessagesMaxAge, s.ageLocked(q, now))
	})
	return stats, nil
}

// eachQueueLocked calls f for all queues. It releases the lock now and then.
func (s *Store) eachQueueLocked(f func(*queue)) {
	for i := 0; i < len(s.sweeps); i++ {
		f(s.sweeps[i])
		if i%statisticsStep == statisticsStep-1 {
			s.mu.Unlock()
			s.mu.Lock()
		}
	}
}

// ChannelStatistics returns the statistics of one channel. Process-specific
// channels share the statistics of their prefix.
func (s *Store) ChannelStatistics(_ context.Context, channel string) (asgi.Stats, error) {
	name, err := queueName(channel)
	if err != nil {
		return asgi.Stats{}, err
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return asgi.Stats{}, asgi.ErrClosed
	}
	q := s.queues[name]
	if q == nil {
		return asgi.Stats{}, nil
	}
	if q.nextSweep <= now {
		s.sweepQueueLocked(q, now)
	}
	stats := figures(&q.sent, &q.refused, now)
	stats.MessagesPending = q.length
	stats.MessagesMaxAge = s.ageLocked(q, now)
	if channel == asgi.DelayChannel {
		stats.MessagesPending = s.delays.count
	}
	return stats, nil
}

func figures(sent, full *meter, now int64) asgi.Stats {
	return asgi.Stats{
		MessagesCount:             sent.count,
		MessagesCountPerSecond:    sent.rate(now),
		ChannelFullCount:          full.count,
		ChannelFullCountPerSecond: full.rate(now),
	}
}

// ageLocked returns how long the first message of the queue has waited.
func (s *Store) ageLocked(q *queue, now int64) time.Duration {
	if q.head == nil {
		return 0
	}
	return time.Duration(max(now-s.sentAt(q.head), 0))
}
