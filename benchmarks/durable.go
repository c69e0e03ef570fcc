package main

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"asgibox/asgi"
	"asgibox/store"
)

// senders is the number of callers that send durable messages.
const senders = 64

// durableWork works for the given span, with a new store in file, and returns the
// number of its operations.
type durableWork func(ctx context.Context, file string, span time.Duration) (int, error)

// measureDurable measures the durable work of a row, which runs in this process.
func measureDurable(ctx context.Context, r *row, o options) (result, error) {
	dir, err := os.MkdirTemp("", "asgibox-benchmark-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	self := &process{pid: os.Getpid()}
	before, err := self.cpu()
	if err != nil {
		return result{}, err
	}
	start := time.Now()
	n, err := r.durable(ctx, filepath.Join(dir, "channels.db"), o.span)
	elapsed := time.Since(start)
	if err != nil {
		return result{}, err
	}
	after, err := self.cpu()
	return result{rate: float64(n) / elapsed.Seconds(), cpu: micros(after-before) / float64(n)}, err
}

// transactions writes a value of 200 bytes in each of many transactions, one
// after another. It returns their number.
func transactions(_ context.Context, file string, span time.Duration) (n int, err error) {
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	name, value := []byte("messages"), make([]byte, 200)
	for start := time.Now(); time.Since(start) < span; n++ {
		if err := db.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists(name)
			if err != nil {
				return err
			}
			return bucket.Put(binary.BigEndian.AppendUint64(nil, uint64(n)), value)
		}); err != nil {
			return n, err
		}
	}
	return n, nil
}

// durableSends sends messages of 200 bytes from many callers. Each waits until
// its message is on disk. durableSends returns the number of messages.
func durableSends(ctx context.Context, file string, span time.Duration) (int, error) {
	layer, err := store.Open(file, store.Options{Capacity: 10_000_000, Memory: 8 << 30, Expiry: time.Hour})
	if err != nil {
		return 0, err
	}
	message, err := asgi.NewMessage(asgi.Field{Key: "body", Value: make([]byte, 200)})
	if err != nil {
		return 0, err
	}
	var (
		sent    atomic.Int64
		wg      sync.WaitGroup
		errs    = make([]error, senders)
		started = time.Now()
	)
	for i := range senders {
		wg.Go(func() {
			for errs[i] == nil && time.Since(started) < span {
				c := asgi.NewCause(0)
				if errs[i] = layer.Send(ctx, c, "jobs", message); errs[i] == nil {
					errs[i] = c.Barrier().Wait(ctx)
					sent.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return int(sent.Load()), errors.Join(errors.Join(errs...), layer.Close(ctx))
}
