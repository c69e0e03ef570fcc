package redisstore

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"asgibox/asgi"
)

// BenchmarkRawRoundTrip is the baseline: what one command of the client costs.
func BenchmarkRawRoundTrip(b *testing.B) {
	c := sharedServer(b).client(b)
	for b.Loop() {
		if err := c.Set(b.Context(), "bench", "\x81\xa1n\x01", 0).Err(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSendReceive(b *testing.B) {
	l := open(b, sharedServer(b), Options{})
	for b.Loop() {
		if err := l.Send(b.Context(), nil, "c", numbered(1)); err != nil {
			b.Fatal(err)
		}
		if _, ok, err := l.Poll(b.Context(), nil, "c"); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

// BenchmarkSendReceive64 has 64 senders, and 16 receivers that wait.
func BenchmarkSendReceive64(b *testing.B) {
	l := open(b, sharedServer(b), Options{Capacity: 100_000_000})
	var received, sent atomic.Int64
	done := make(chan struct{})
	var readers, senders sync.WaitGroup
	for range 16 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := l.Receive(b.Context(), nil, "c"); err != nil {
					return
				}
				if received.Add(1) == int64(b.N) {
					close(done)
				}
			}
		})
	}
	b.ResetTimer()
	for range 64 {
		senders.Go(func() {
			for sent.Add(1) <= int64(b.N) {
				if err := l.Send(b.Context(), nil, "c", numbered(1)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	senders.Wait()
	<-done
	b.StopTimer()
	for range 16 { // for the readers that wait
		_ = l.Send(b.Context(), nil, "c", numbered(1))
	}
	readers.Wait()
}

// BenchmarkSendGroup sends to 1,000 connections, half of them on another machine.
func BenchmarkSendGroup(b *testing.B) {
	s := sharedServer(b)
	here := open(b, s, Options{})
	there := open(b, s, Options{Prefix: here.opts.Prefix, StatsPrefix: here.opts.StatsPrefix})
	var got atomic.Int64
	arrived := make(chan struct{}, 1)
	for i, l := range []*Layer{here, there} {
		prefix := fmt.Sprintf("m%d.response!", i)
		unbind, err := l.Bind(prefix, func(d asgi.Delivery) error {
			if !d.Probe && got.Add(1)%1000 == 0 {
				arrived <- struct{}{}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		defer unbind()
		for n := range 500 {
			if err := l.GroupAdd(b.Context(), nil, "g", fmt.Sprint(prefix, n)); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		if err := here.SendGroup(b.Context(), nil, "g", numbered(1)); err != nil {
			b.Fatal(err)
		}
		<-arrived
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/delivery")
}
