package redisstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"asgibox/asgi"
)

// numbered returns a message with a number.
func numbered(n int) asgi.Message { return asgi.MustMessage(asgi.Field{Key: "n", Value: n}) }

// eventually waits until a condition holds, and fails the test if it takes very
// long.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after a minute: %s", what)
		}
	}
}

func TestCallsFailAtOnceWhileRedisIsGoneAndResume(t *testing.T) {
	t.Parallel()
	needServer(t)
	s := startServer(t)
	l := open(t, s, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	received := make(chan asgi.Delivery, 1)
	go func() {
		d, err := l.Receive(ctx, nil, "c")
		if err != nil {
			t.Error(err)
		}
		received <- d
	}()
	s.kill()
	eventually(t, "the host counts as gone", func() bool {
		_ = l.Send(ctx, nil, "d", numbered(0))
		return !l.Up()
	})
	began := time.Now()
	for range 1000 {
		if err := l.Send(ctx, nil, "c", numbered(0)); !errors.Is(err, asgi.ErrStoreFailed) {
			t.Fatalf("send: %v, want StoreFailed", err)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("1,000 calls took %v; they must fail at once", took)
	}
	if _, ok, err := l.Poll(ctx, nil, "c"); ok || err != nil {
		t.Errorf("poll: %v, %v; want nothing", ok, err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a send succeeds", func() bool { return l.Send(ctx, nil, "c", numbered(7)) == nil })
	if d := <-received; d.Message.Int("n") != 7 {
		t.Errorf("received %d, want 7", d.Message.Int("n"))
	}
	if l.Reconnects() == 0 {
		t.Error("no lost connection was counted")
	}
}
