package asgi_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

func TestRetryWhileFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := errors.New("other")
		start, calls := time.Now(), 0
		fullFor := func(d time.Duration, then error) func() error {
			start, calls = time.Now(), 0
			return func() error {
				calls++
				if time.Since(start) < d {
					return asgi.ErrChannelFull
				}
				return then
			}
		}
		if err := asgi.RetryWhileFull(t.Context(), time.Second, fullFor(0, other)); err != other || calls != 1 {
			t.Errorf("another error: %v after %d calls", err, calls)
		}
		if err := asgi.RetryWhileFull(t.Context(), time.Second, fullFor(time.Hour, nil)); err != nil || calls < 3600 || calls > 3620 {
			t.Errorf("room after an hour: %v after %d calls", err, calls)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := asgi.RetryWhileFull(ctx, time.Second, fullFor(time.Hour, nil))
		if took := time.Since(start); !errors.Is(err, asgi.ErrChannelFull) || took != time.Minute {
			t.Errorf("a context of a minute: %v after %v", err, took)
		}
	})
}
