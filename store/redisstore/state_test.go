package redisstore

import (
	"context"
	"errors"
	"testing"
)

func TestAChangeOfAValueThatWaitsForAnotherCanBeCancelled(t *testing.T) {
	t.Parallel()
	l := open(t, sharedServer(t), Options{})
	l.valueLock("k") <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Incr(ctx, nil, "k", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	<-l.valueLock("k")
	if n, err := l.Incr(t.Context(), nil, "k", 1); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
