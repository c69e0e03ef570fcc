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

// outagePause is the time between two tries to send a message while the layer cannot
// be reached.
const outagePause = 250 * time.Millisecond

// passes reports whether a message that was refused with the error may be accepted
// later.
func passes(err error) bool { return errors.Is(err, asgi.ErrChannelFull) || isLost(err) }

// isLost reports whether a message was not sent because the layer cannot be reached.
// A message that may have been sent is not sent again.
func isLost(err error) bool {
	return errors.Is(err, asgi.ErrStoreFailed) && !errors.Is(err, asgi.ErrUncertain)
}

// sendWhenRoom sends a message. While its channel is full, it waits for room:
// at most as long as patience, and until ctx ends. Then it fails with
// ErrChannelFull. While the layer cannot be reached, it waits until ctx ends.
// It fails with ErrUncertain if the layer was lost during the call.
func (s *Server) sendWhenRoom(ctx context.Context, cause *asgi.Cause, patience time.Duration, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	opts = append(opts, asgi.Volatile)
	for {
		err := s.sendInTurn(ctx, cause, patience, channel, m, opts)
		if !isLost(err) {
			return err
		}
		select {
		case <-time.After(outagePause):
		case <-ctx.Done():
			return err
		}
	}
}

// sendInTurn is sendWhenRoom for a layer that can be reached.
func (s *Server) sendInTurn(ctx context.Context, cause *asgi.Cause, patience time.Duration, channel string, m asgi.Message, opts []asgi.SendOption) error {
	if s.acceptors != nil {
		return s.acceptors.SendWhenRoom(ctx, cause, patience, channel, m, opts...)
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return asgi.RetryWhileFull(waiting, 50*time.Millisecond, func() error {
		return s.layer.Send(ctx, cause, channel, m, opts...)
	})
}
