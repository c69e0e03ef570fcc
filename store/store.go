package store

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"asgibox/asgi"
)

// A Store is a channel layer that lives in this process. All its methods may
// be called from any goroutine.
type Store struct {
	opts       Options
	log        *slog.Logger
	epoch      time.Time // when it was opened
	epochNanos int64     // the epoch on the store's clock
	kv         *values

	path    string   // of the file; empty in memory, as are these:
	run     *runFile // nil; its lock is held
	journal *journal // nil
	db      *bolt.DB // nil; only Check reads it

	recorder atomic.Pointer[Recorder] // nil while nobody looks

	waiters   sync.Pool // of *waiter; per store, since channels belong to a synctest bubble
	stepWorks sync.Pool // of *errands

	// What the keeper sleeps on.
	wakeAt  atomic.Int64  // when it means to wake
	wakeNow chan struct{} // wake now
	stop    chan struct{}
	keeper  sync.WaitGroup

	mu       sync.Mutex // guards the rest
	closed   bool
	lastID   uint64            // of messages, in the order they were sent
	takes    uint64            // one a take: who was served least recently
	queues   map[string]*queue // by channel, or by prefix of process-specific ones
	sweeps   schedule[*queue]  // all of them, by when to look next
	pending  int               // messages that wait in queues
	paused   int               // queues with a breakpoint
	memory   int               // bytes that they, and the delayed, take
	sent     meter
	refused  meter
	flushes  uint64
	groups   groups
	delays   delays
	expiries expiryLog
}

var (
	_ asgi.Layer      = (*Store)(nil)
	_ asgi.Groups     = (*Store)(nil)
	_ asgi.Flusher    = (*Store)(nil)
	_ asgi.Statistics = (*Store)(nil)
	_ asgi.Later      = (*Store)(nil)
	_ asgi.PutBack    = (*Store)(nil)
	_ asgi.Readers    = (*Store)(nil)
	_ asgi.KV         = (*Store)(nil)
)

// Memory makes a store without a file: nothing outlives it. Close it.
func Memory(o Options) *Store {
	s := newStore(o)
	s.start()
	return s
}

func newStore(o Options) *Store {
	o = o.withDefaults()
	s := &Store{
		opts:    o,
		log:     o.Log,
		epoch:   time.Now(),
		wakeNow: make(chan struct{}, 1),
		stop:    make(chan struct{}),
		queues:  make(map[string]*queue),
		groups:  newGroups(),
		delays:  newDelays(),
	}
	s.epochNanos = s.epoch.UnixNano()
	s.wakeAt.Store(math.MaxInt64)
	s.stepWorks.New = func() any { return new(stepWork) }
	s.waiters.New = func() any { return &waiter{ready: make(chan struct{}, 1)} }
	s.kv = newValues(s.wakeBy)
	return s
}

func (s *Store) start() {
	s.keeper.Go(s.runKeeper)
}

// Close ends all waiting receives with [asgi.ErrClosed], refuses further
// calls, writes what is staged and lets the file go. It fails if that could
// not be written, or if ctx ended before.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	waiting := s.releaseReadersLocked()
	s.mu.Unlock()
	for _, w := range waiting {
		w.ready <- struct{}{}
	}
	s.kv.close()
	close(s.stop)
	s.keeper.Wait()
	return s.closeFile(ctx)
}

// dismissLocked takes all parked readers from their queues.
func (s *Store) releaseReadersLocked() []*waiter {
	var waiting []*waiter
	for _, q := range s.queues {
		for q.parked.first != nil {
			w := q.parked.first.waiter
			s.assignLocked(w, asgi.Delivery{}, asgi.ErrClosed, s.now())
			waiting = append(waiting, w)
		}
	}
	return waiting
}

// Settings answers how the store was set up.
func (s *Store) Settings() asgi.Settings { return s.opts.settings() }

// now answers the time on the store's clock.
func (s *Store) now() int64 { return s.epochNanos + int64(time.Since(s.epoch)) }

// time answers a moment of the store's clock as others know it.
func (s *Store) time(at int64) time.Time { return s.epoch.Add(time.Duration(at - s.epochNanos)) }

// clock answers a time as a moment of the store's clock.
func (s *Store) clock(t time.Time) int64 { return s.epochNanos + int64(t.Sub(s.epoch)) }
