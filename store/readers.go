package store

import (
	"context"
	"crypto/rand"
	"errors"

	"asgibox/asgi"
)

// HasReader reports whether the channel has a reader. See [asgi.Readers].
func (s *Store) HasReader(channel string) bool {
	name := asgi.ProcessPrefix(channel)
	s.mu.Lock()
	q := s.queues[name]
	if q == nil {
		s.mu.Unlock()
		return false
	}
	if b := q.binding; b != nil && b.live && name != channel {
		b.calls.Add(1)
		s.mu.Unlock()
		return !errors.Is(b.call(asgi.Delivery{Channel: channel, Probe: true}), asgi.ErrGone)
	}
	defer s.mu.Unlock()
	return s.hasReaderLocked(q)
}

func (s *Store) hasReaderLocked(q *queue) bool {
	return q.parked.first != nil || q.binding != nil || q.offering != nil || q.lastRead > 0 && s.now()-q.lastRead < int64(s.opts.Expiry)
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
