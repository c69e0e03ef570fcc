package worker_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
	"asgibox/store"
)

// TestBodyReader checks that a reader gets a whole body or an error, and never waits
// for a client that has left.
func TestBodyReader(t *testing.T) {
	piece := func(order int, more, closed bool) asgi.Message {
		return asgi.MustMessage(asgi.Field{Key: "content", Value: asgi.Bytes("x")}, asgi.Field{Key: "order", Value: order},
			asgi.Field{Key: "more_content", Value: more}, asgi.Field{Key: "closed", Value: closed})
	}
	for name, c := range map[string]struct {
		pieces []asgi.Message
		want   string
		err    error
	}{
		"whole":               {[]asgi.Message{piece(1, true, false), piece(2, false, false)}, "xx", nil},
		"without order":       {[]asgi.Message{asgi.MustMessage(asgi.Field{Key: "content", Value: asgi.Bytes("y")})}, "y", nil},
		"the client has left": {[]asgi.Message{piece(1, true, false), piece(0, false, true)}, "xx", asgi.ErrBodyClosed},
		"a piece was dropped": {[]asgi.Message{piece(1, true, false), piece(3, false, false)}, "x", asgi.ErrBodyLost},
		"all were dropped":    {nil, "", asgi.ErrBodyClosed},
		"the end was dropped": {[]asgi.Message{piece(1, true, false)}, "x", asgi.ErrBodyClosed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				layer := store.Memory(store.Options{})
				defer layer.Close(context.Background())
				var gone atomic.Bool
				unbind, err := layer.Bind("front!", func(asgi.Delivery) error {
					if gone.Load() {
						return asgi.ErrGone
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				defer unbind()
				for _, m := range c.pieces {
					if err := layer.Send(t.Context(), nil, "body?x", m); err != nil {
						t.Fatal(err)
					}
				}
				time.AfterFunc(time.Minute, func() { gone.Store(true) })
				r := asgi.NewBodyReader(layer, asgi.MustMessage(
					asgi.Field{Key: "body_channel", Value: "body?x"}, asgi.Field{Key: "reply_channel", Value: "front!1"}))
				var got string
				for more := true; more && err == nil; {
					var content asgi.Bytes
					content, more, err = r.Next(t.Context(), nil)
					got += string(content)
				}
				if got != c.want || !errors.Is(err, c.err) {
					t.Errorf("got %q, %v; want %q, %v", got, err, c.want, c.err)
				}
			})
		})
	}
}
