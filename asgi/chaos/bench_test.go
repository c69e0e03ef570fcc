package chaos

import (
	"context"
	"testing"

	"asgibox/asgi"
	"asgibox/store"
)

// BenchmarkSend compares sends through a layer whose rules do not apply with
// sends to the layer behind.
func BenchmarkSend(b *testing.B) {
	for name, around := range map[string]func(asgi.Layer) asgi.Layer{
		"bare":    func(l asgi.Layer) asgi.Layer { return l },
		"norules": func(l asgi.Layer) asgi.Layer { return New(l, Options{}) },
		"otherchannel": func(l asgi.Layer) asgi.Layer {
			r, _ := Parse("other:drop=1%")
			return New(l, Options{Rules: []Rule{r}})
		},
	} {
		b.Run(name, func(b *testing.B) {
			behind := store.Memory(store.Options{})
			defer behind.Close(context.Background())
			unbind, err := behind.Bind("front!", func(asgi.Delivery) error { return nil })
			if err != nil {
				b.Fatal(err)
			}
			defer unbind()
			l, m := around(behind), asgi.MustMessage(asgi.Field{Key: "text", Value: "hello"})
			b.ReportAllocs()
			for b.Loop() {
				if err := l.Send(context.Background(), nil, "front!x", m, asgi.Volatile); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
