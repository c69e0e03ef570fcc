package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"asgibox/asgi"
)

// payload returns a message whose encoding has about size bytes.
func payload(size int) asgi.Message {
	return asgi.MustMessage(asgi.Field{Key: "body", Value: make([]byte, max(size-10, 0))})
}

func benchSend(b *testing.B, s *Store, channel string, m asgi.Message, opts ...asgi.SendOption) {
	if err := s.Send(b.Context(), nil, channel, m, opts...); err != nil {
		b.Fatal(err)
	}
}

func benchPoll(b *testing.B, s *Store, channels ...string) {
	if _, ok, err := s.Poll(b.Context(), nil, channels...); !ok || err != nil {
		b.Fatal("no message", err)
	}
}

// BenchmarkHandOff measures a message to a parked reader, which sends another
// one back to a parked reader. The baseline does the same over Go channels: it
// is the cost of Go's scheduler, and the difference is the cost of the layer.
func BenchmarkHandOff(b *testing.B) {
	m := payload(200)
	b.Run("store", func(b *testing.B) {
		s := openMemory(b, Options{})
		ctx, stop := context.WithCancel(b.Context())
		var echo sync.WaitGroup
		echo.Go(func() {
			for {
				if _, err := s.Receive(ctx, nil, "http.request"); err != nil {
					return
				}
				benchSend(b, s, "http.response", m, asgi.Volatile)
			}
		})
		b.ReportAllocs()
		for b.Loop() {
			benchSend(b, s, "http.request", m, asgi.Volatile)
			if _, err := s.Receive(ctx, nil, "http.response"); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2, "ns/hand-off")
		stop()
		echo.Wait()
	})
	b.Run("baseline=channel", func(b *testing.B) {
		there, back := make(chan asgi.Message), make(chan asgi.Message)
		go func() {
			defer close(back)
			for m := range there {
				back <- m
			}
		}()
		for b.Loop() {
			there <- m
			<-back
		}
		close(there)
		<-back
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2, "ns/hand-off")
	})
}

func parked(s *Store, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[name]
	return q != nil && q.parked.first != nil
}

// BenchmarkSendToParkedReader measures the sender's cost of a send to a parked
// reader. The readers are parked beforehand.
func BenchmarkSendToParkedReader(b *testing.B) {
	s := openMemory(b, Options{})
	m := payload(200)
	const readers = 1000
	var got sync.WaitGroup
	b.ReportAllocs()
	left := 0
	for b.Loop() {
		if left == 0 {
			b.StopTimer()
			got.Wait()
			for range readers {
				got.Go(func() { s.Receive(b.Context(), nil, "jobs") })
			}
			for waitingOn(s, "jobs") < readers {
				runtime.Gosched()
			}
			left = readers
			b.StartTimer()
		}
		benchSend(b, s, "jobs", m, asgi.Volatile)
		left--
	}
	for range left {
		benchSend(b, s, "jobs", m, asgi.Volatile)
	}
	got.Wait()
}

func waitingOn(s *Store, name string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[name]; q != nil {
		for p := q.parked.first; p != nil; p = p.next {
			n++
		}
	}
	return n
}

// BenchmarkQueue measures a send and a poll while other messages wait in a
// number of channels.
func BenchmarkQueue(b *testing.B) {
	for _, tt := range []struct{ waiting, channels int }{{10, 1}, {1_000, 1}, {100_000, 1}, {1_000_000, 1}, {100_000, 100_000}} {
		if tt.waiting > 100_000 && !*long {
			continue
		}
		b.Run(fmt.Sprintf("waiting=%d/channels=%d", tt.waiting, tt.channels), func(b *testing.B) {
			s := openMemory(b, Options{Capacity: 2_000_000, Memory: 4 << 30, Expiry: time.Hour})
			m := payload(200)
			names := make([]string, tt.channels)
			for i := range names {
				names[i] = fmt.Sprintf("jobs.%d", i)
			}
			for i := range tt.waiting {
				benchSend(b, s, names[i%tt.channels], m, asgi.Volatile)
			}
			runtime.GC()
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				name := names[i%tt.channels]
				benchSend(b, s, name, m, asgi.Volatile)
				benchPoll(b, s, name)
				i++
			}
		})
	}
	b.Run("baseline=channel", func(b *testing.B) {
		c := make(chan asgi.Message, 10)
		m := payload(200)
		for b.Loop() {
			c <- m
			<-c
		}
	})
}

// BenchmarkBound measures a send to a connection whose prefix is bound.
func BenchmarkBound(b *testing.B) {
	s := openMemory(b, Options{})
	n := 0
	unbind, err := s.Bind("reply!", func(asgi.Delivery) error { n++; return nil })
	if err != nil {
		b.Fatal(err)
	}
	defer unbind()
	m := payload(200)
	b.ReportAllocs()
	for b.Loop() {
		benchSend(b, s, "reply!abcdefghij", m)
	}
}

// BenchmarkContention measures all cores working at once, each on its own
// channel.
func BenchmarkContention(b *testing.B) {
	s := openMemory(b, Options{})
	m := payload(200)
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		name := fmt.Sprintf("jobs.%d", n.Add(1))
		for pb.Next() {
			benchSend(b, s, name, m, asgi.Volatile)
			benchPoll(b, s, name)
		}
	})
}

// BenchmarkGroupSend measures a group send, per member.
func BenchmarkGroupSend(b *testing.B) {
	for _, members := range []int{10, 1_000, 100_000} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			s := openMemory(b, Options{})
			unbind, err := s.Bind("reply!", func(asgi.Delivery) error { return nil })
			if err != nil {
				b.Fatal(err)
			}
			defer unbind()
			for i := range members {
				s.GroupAdd(b.Context(), nil, "room", fmt.Sprintf("reply!%d", i))
			}
			m := payload(200)
			for b.Loop() {
				s.SendGroup(b.Context(), nil, "room", m)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(members), "ns/member")
		})
	}
}

// BenchmarkFsync is the baseline of the durable benchmarks: bbolt transactions
// of small messages, one after another, on the same disk.
func BenchmarkFsync(b *testing.B) {
	for _, puts := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("puts=%d", puts), func(b *testing.B) {
			db, err := bolt.Open(filepath.Join(benchDir(b), "bare.db"), 0o644, &bolt.Options{NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket(messagesBucket); return err })
			value := make([]byte, 200)
			id := uint64(0)
			for b.Loop() {
				db.Update(func(tx *bolt.Tx) error {
					bucket := tx.Bucket(messagesBucket)
					bucket.FillPercent = 0.95
					for range puts {
						id++
						if err := bucket.Put(appendID(nil, id), value); err != nil {
							return err
						}
					}
					return nil
				})
			}
			b.ReportMetric(float64(b.N*puts)/b.Elapsed().Seconds(), "puts/s")
		})
	}
}

// benchDir returns the folder of a durable benchmark. ASGIBOX_BENCH_DIR names a
// folder on another disk.
func benchDir(b *testing.B) string {
	if dir := os.Getenv("ASGIBOX_BENCH_DIR"); dir != "" {
		dir, err := os.MkdirTemp(dir, "bench")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { os.RemoveAll(dir) })
		return dir
	}
	return b.TempDir()
}

func openBench(b *testing.B, o Options) *Store {
	s, err := Open(filepath.Join(benchDir(b), "channels.db"), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return s
}

// BenchmarkDurableSend measures durable sends. Each sender waits for the disk
// before it sends again.
func BenchmarkDurableSend(b *testing.B) {
	for _, senders := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			s := openBench(b, Options{Capacity: 10_000_000, Memory: 8 << 30, Expiry: time.Hour})
			m := payload(200)
			b.SetParallelism((senders + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					c := asgi.NewCause(0)
					if err := s.Send(b.Context(), c, "jobs", m); err != nil {
						b.Error(err)
						return
					}
					if err := c.Barrier().Wait(b.Context()); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sends/s")
		})
	}
}

// BenchmarkDurableSendWithoutWaiting measures a sender that does not wait for
// the disk. "staged" stays below the journal's limit of staged bytes; "drained"
// includes the time until all messages are on disk.
func BenchmarkDurableSendWithoutWaiting(b *testing.B) {
	m := payload(200)
	o := Options{Capacity: 10_000_000, Memory: 8 << 30, Expiry: time.Hour}
	b.Run("staged", func(b *testing.B) {
		s := openBench(b, o)
		b.ReportAllocs()
		left := 0
		for b.Loop() {
			if left == 0 {
				b.StopTimer()
				settleBench(b, s)
				left = stagedLimit / (2 * (m.Footprint() + opFootprint))
				b.StartTimer()
			}
			benchSend(b, s, "jobs", m)
			left--
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sends/s")
	})
	b.Run("drained", func(b *testing.B) {
		s := openBench(b, o)
		for range b.N {
			benchSend(b, s, "jobs", m)
		}
		settleBench(b, s)
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sends/s")
	})
}

// BenchmarkDurableWork measures durable messages that are sent and taken at
// once. The journal cancels most of their ops.
func BenchmarkDurableWork(b *testing.B) {
	s := openBench(b, Options{})
	m := payload(200)
	for b.Loop() {
		benchSend(b, s, "jobs", m)
		benchPoll(b, s, "jobs")
	}
}

// BenchmarkOpen measures opening a file with a number of messages.
func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{1_000, 50_000, 1_000_000} {
		if n > 50_000 && !*long {
			continue
		}
		b.Run(fmt.Sprintf("messages=%d", n), func(b *testing.B) {
			o := Options{Capacity: 2_000_000, Memory: 2 << 30, Expiry: 24 * time.Hour}
			path := filepath.Join(benchDir(b), "channels.db")
			s, err := Open(path, o)
			if err != nil {
				b.Fatal(err)
			}
			m := payload(200)
			for range n {
				benchSend(b, s, "jobs", m)
			}
			s.Close(context.Background())
			b.ResetTimer()
			for range b.N {
				s, err := Open(path, o)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				s.Close(context.Background())
				b.StartTimer()
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/open")
		})
	}
}

// BenchmarkDelayed measures a delayed send while others wait.
func BenchmarkDelayed(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		b.Run(fmt.Sprintf("waiting=%d", n), func(b *testing.B) {
			s := openMemory(b, Options{Capacity: 100_000_000, Memory: 8 << 30})
			due := time.Now().Add(24 * time.Hour)
			m := payload(200)
			for i := range n {
				s.SendLater(b.Context(), nil, due.Add(time.Duration(i*7919%n)*time.Millisecond), "jobs", m)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s.SendLater(b.Context(), nil, due.Add(time.Duration(i*7919%n)*time.Millisecond), "jobs", m)
				i++
			}
		})
	}
}

// BenchmarkMemory reports the memory of one queued message of 200 bytes, as
// measured by the heap's growth and as counted by the store.
func BenchmarkMemory(b *testing.B) {
	const n = 100_000
	for range b.N {
		s := Memory(Options{Capacity: n, Memory: 1 << 30})
		before := heapInUse()
		for range n {
			benchSend(b, s, "jobs", payload(200), asgi.Volatile)
		}
		b.ReportMetric(float64(heapInUse()-before)/n, "heap-B/message")
		b.ReportMetric(float64(s.memory)/n, "counted-B/message")
		s.Close(context.Background())
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkValues measures Incr while a number of values exist.
func BenchmarkValues(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		b.Run(fmt.Sprintf("values=%d", n), func(b *testing.B) {
			s := openBench(b, Options{})
			for i := range n {
				s.Set(b.Context(), nil, fmt.Sprintf("state/%d", i), i, 0)
			}
			settleBench(b, s)
			i := 0
			for b.Loop() {
				key := fmt.Sprintf("state/%d", i%n)
				if _, err := s.Incr(b.Context(), nil, key, 1); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

func settleBench(b *testing.B, s *Store) {
	if err := s.journal.barrier(s.journal.newest()).Wait(b.Context()); err != nil {
		b.Fatal(err)
	}
}
