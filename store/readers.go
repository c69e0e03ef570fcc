package store

import (
	"context"
	"crypto/rand"

	"asgibox/asgi"
)

// HasReader reports whether the channel has a reader. See [asgi.Readers].
func (s *Store) HasReader(channel string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[asgi.ProcessPrefix(channel)]
	if q == nil {
		return false
	}
	return q.parked.first != nil || q.binding != nil || q.lastRead > 0 && s.now()-q.lastRead < int64(s.opts.Expiry)
}

// randomLength is the length of the random part of a new channel's name.
const randomLength = 16

// NewChannel returns the name of an unused single-reader channel. See
// [asgi.Layer].
func (s *Store) NewChannel(_ context.Context, pattern string) (string, error) {
	if err := asgi.CheckPattern(pattern); err != nil {
		return "", err
	}
	if len(pattern)+randomLength > asgi.MaxNameLength {
		return "", &asgi.InvalidNameError{Name: pattern, Reason: "the name with its random part is longer than 100 bytes"}
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
