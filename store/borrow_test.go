package store

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"asgibox/asgi"
)

// TestAReceiverThatRanOnASender checks how a receive goes on after its function has
// run on the goroutine of a sender.
func TestAReceiverThatRanOnASender(t *testing.T) {
	errEnough := errors.New("enough")
	for _, c := range []struct {
		name  string
		run   func(s *Store, stop context.CancelCauseFunc) (channels []string)
		later string // channel of a message that is sent after run
		got   string // channel of the message that the receive returns
		ok    bool
		err   error
	}{
		{name: "it waits again", run: func(*Store, context.CancelCauseFunc) []string { return []string{"a"} }, later: "a", got: "a", ok: true},
		{name: "it waits for another channel", run: func(*Store, context.CancelCauseFunc) []string { return []string{"b"} }, later: "b", got: "b", ok: true},
		{name: "it names a wrong channel", run: func(*Store, context.CancelCauseFunc) []string { return []string{"no name"} }, err: asgi.ErrInvalidName},
		{name: "it gives up", run: func(*Store, context.CancelCauseFunc) []string { return nil }},
		{name: "a message has come meanwhile", run: func(s *Store, _ context.CancelCauseFunc) []string {
			sendVolatile(s, "a")
			return []string{"a"}
		}, got: "a", ok: true},
		{name: "its context has ended", run: func(_ *Store, stop context.CancelCauseFunc) []string {
			stop(errEnough)
			synctest.Wait()
			return []string{"a"}
		}, err: errEnough},
		{name: "the store is closed", run: func(s *Store, _ context.CancelCauseFunc) []string {
			s.Close(context.Background())
			return []string{"a"}
		}, err: asgi.ErrClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := Memory(Options{})
				defer s.Close(context.Background())
				ctx, stop := context.WithCancelCause(t.Context())
				defer stop(nil)
				runs := 0
				run := func(d asgi.Delivery) []string {
					runs++
					return c.run(s, stop)
				}
				done := make(chan struct{})
				var d asgi.Delivery
				var ok bool
				var err error
				go func() {
					defer close(done)
					d, ok, err = s.ReceiveOrRun(ctx, asgi.NewCause(0), run, "a")
				}()
				synctest.Wait()
				sendVolatile(s, "a", asgi.Lend)
				if runs != 1 {
					t.Errorf("it ran %d times", runs)
				}
				if c.later != "" {
					sendVolatile(s, c.later) // the sender lends nothing
				}
				<-done
				if d.Channel != c.got || ok != c.ok || !errors.Is(err, c.err) {
					t.Errorf("got %q, %v, %v", d.Channel, ok, err)
				}
			})
		})
	}
}

func sendVolatile(s *Store, channel string, opts ...asgi.SendOption) {
	m := asgi.MustMessage(asgi.Field{Key: "n", Value: 1})
	if err := s.Send(context.Background(), asgi.NewCause(0), channel, m, append(opts, asgi.Volatile)...); err != nil {
		panic(err)
	}
}
