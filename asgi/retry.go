package asgi

import (
	"context"
	"errors"
	"time"
)

// RetryWhileFull calls send again while it fails with [ErrChannelFull], until the context
// is done. It returns the last error of send. The pauses between two calls begin with a
// millisecond and grow to longest, so no reader waits much for the next message.
func RetryWhileFull(ctx context.Context, longest time.Duration, send func() error) error {
	err := send()
	for pause := time.Millisecond; errors.Is(err, ErrChannelFull); pause = min(2*pause, longest) {
		select {
		case <-time.After(pause):
			err = send()
		case <-ctx.Done():
			return err
		}
	}
	return err
}
