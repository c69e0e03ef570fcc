package workerpool_test

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"testing"

	"asgibox/asgi"
	"asgibox/store"
	"asgibox/workerpool"
)

// BenchmarkDispatch measures requests on their way through the channel layer
// and the pool, and back to the sender.
func BenchmarkDispatch(b *testing.B) {
	for _, senders := range []int{1, 16, 64} {
		b.Run("senders="+strconv.Itoa(senders), func(b *testing.B) {
			layer := store.Memory(store.Options{})
			defer layer.Close(context.Background())
			replies := make([]chan struct{}, senders)
			unbind, err := layer.Bind("front!", func(d asgi.Delivery) error {
				n, _ := strconv.Atoi(d.Channel[len("front!"):])
				replies[n] <- struct{}{}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			defer unbind()
			pool, err := workerpool.New(layer, apps(on("http.request", reply)), workerpool.Options{Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() { defer close(ended); _ = pool.Run(ctx) }()
			defer func() { stop(); <-ended }()
			var left atomic.Int64
			left.Store(int64(b.N))
			done := make(chan struct{})
			b.ReportAllocs()
			b.ResetTimer()
			for n := range senders {
				replies[n] = make(chan struct{}, 1)
				m := asgi.MustMessage(asgi.Field{Key: "reply_channel", Value: "front!" + strconv.Itoa(n)}, asgi.Field{Key: "path", Value: "/"})
				go func() {
					for left.Add(-1) >= 0 {
						if err := layer.Send(ctx, asgi.NewCause(1), "http.request", m, asgi.Volatile); err != nil {
							b.Error(err)
						}
						<-replies[n]
					}
					done <- struct{}{}
				}()
			}
			for range senders {
				<-done
			}
		})
	}
}
