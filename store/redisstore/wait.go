package redisstore

import (
	"context"
	"errors"
	"time"

	"asgibox/internal/logkey"
)

// retryOpen is the time between two tries to open a layer.
const retryOpen = 250 * time.Millisecond

// OpenWithin is Open, but if a host cannot be reached, it tries again until patience
// has passed.
func OpenWithin(ctx context.Context, o Options, patience time.Duration) (*Layer, error) {
	began := time.Now()
	for waits := false; ; waits = true {
		l, err := Open(ctx, o)
		left := patience - time.Since(began)
		if !errors.Is(err, ErrUnreachable) || left <= 0 {
			return l, err
		}
		if !waits && o.Log != nil {
			o.Log.Info("waiting for Redis", "patience", patience, logkey.Error, err)
		}
		select {
		case <-time.After(min(retryOpen, left)):
		case <-ctx.Done():
			return nil, err
		}
	}
}
