package store

import (
	"context"
	"crypto/rand"
	"errors"

	"asgibox/asgi"
)

// HasReader reports whether the channel has a reader. See [asgi.Readers].
func (s *Store) HasReader(channel string) bool {
	if s.gone(channel) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[asgi.ProcessPrefix(channel)]
	return q != nil && s.hasReaderLocked(q)
}

// gone reports whether the channel is that of a connection that is known to have
// ended.
func (s *Store) gone(channel string) bool {
	prefix := asgi.ProcessPrefix(channel)
	if prefix == channel {
		return false
	}
	s.mu.Lock()
	q := s.queues[prefix]
	if q == nil || q.binding == nil || !q.binding.live {
		s.mu.Unlock()
		return false
	}
	b := q.binding
	b.calls.Add(1)
	s.mu.Unlock()
	return errors.Is(b.call(asgi.Delivery{Channel: channel, Probe: true}), asgi.ErrGone)
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
