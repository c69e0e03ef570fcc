package store

import (
	"context"
	"crypto/rand"

	"asgibox/asgi"
)

// HasReader reports whether somebody reads the channel. See [asgi.Readers].
func (s *Store) HasReader(channel string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[asgi.ProcessPrefix(channel)]
	if q == nil {
		return false
	}
	return q.parked.first != nil || q.binding != nil || q.lastRead > 0 && s.now()-q.lastRead < int64(s.opts.Expiry)
}

// randomLength is of the part that makes a new channel's name unique.
const randomLength = 16

// NewChannel answers a single-reader channel that nobody uses. See
// [asgi.Layer].
func (s *Store) NewChannel(_ context.Context, pattern string) (string, error) {
	if err := asgi.CheckPattern(pattern); err != nil {
		return "", err
	}
	if len(pattern)+randomLength > asgi.MaxNameLength {
		return "", &asgi.InvalidNameError{Name: pattern, Reason: "with a random part it is longer than 100 bytes"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", asgi.ErrClosed
	}
	for {
		name := pattern + rand.Text()[:randomLength]
		if s.queues[name] == nil && s.groups.byChannel[name] == nil {
			return name, nil
		}
	}
}
