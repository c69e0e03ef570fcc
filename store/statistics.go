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
	for i := 0; i < len(s.sweeps); i++ {
		if i%statisticsStep == statisticsStep-1 {
			s.mu.Unlock()
			s.mu.Lock()
			if i >= len(s.sweeps) {
				break
			}
		}
		stats.MessagesMaxAge = max(stats.MessagesMaxAge, s.ageLocked(s.sweeps[i], now))
	}
	return stats, nil
}

// ChannelStatistics returns the statistics of one channel. Process-specific
// channels share the statistics of their prefix.
func (s *Store) ChannelStatistics(_ context.Context, channel string) (asgi.Stats, error) {
	if asgi.CheckPrefix(channel) != nil {
		if err := asgi.CheckSend(channel); err != nil {
			return asgi.Stats{}, err
		}
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return asgi.Stats{}, asgi.ErrClosed
	}
	q := s.queues[asgi.ProcessPrefix(channel)]
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
	sent := q.head.deadline - int64(s.opts.Expiry)
	return time.Duration(max(now-sent, 0))
}
