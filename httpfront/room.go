package httpfront

import (
	"context"
	"errors"
	"math"
	"time"

	"asgibox/asgi"
)

// forever is the patience of a sender that waits until its context ends.
const forever time.Duration = math.MaxInt64

// sendWhenRoom sends a message. While its channel is full, it waits for room:
// at most as long as patience, and until ctx ends. Then it fails with
// ErrChannelFull.
func (s *Server) sendWhenRoom(ctx context.Context, cause *asgi.Cause, patience time.Duration, channel string, m asgi.Message) error {
	if s.acceptors != nil {
		return s.acceptors.SendWhenRoom(ctx, cause, patience, channel, m, asgi.Volatile)
	}
	const shortest, longest = time.Millisecond, 50 * time.Millisecond
	started := time.Now()
	for pause := shortest; ; pause = min(2*pause, longest) {
		err := s.layer.Send(ctx, cause, channel, m, asgi.Volatile)
		left := patience - time.Since(started)
		if !errors.Is(err, asgi.ErrChannelFull) || left <= 0 {
			return err
		}
		select {
		case <-time.After(min(pause, left)):
		case <-ctx.Done():
			return err
		}
	}
}
