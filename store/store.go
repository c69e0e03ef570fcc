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

// A Store is a channel layer inside this process. Its methods may be called
// from any goroutine.
type Store struct {
	opts       Options
	log        *slog.Logger
	epoch      time.Time // when it was opened
	epochNanos int64     // the epoch on the store's clock
	kv         *values

	// These are zero in a store without a file.
	path    string
	run     *runFile // locked
	journal *journal
	db      *bolt.DB // only Check reads it

	recorder  atomic.Pointer[Recorder]             // nil unless events are recorded
	offerings atomic.Pointer[map[string]*offering] // by channel; replaced under mu

	waiters   sync.Pool // of *waiter; one per store, because channels belong to a synctest bubble
	stepWorks sync.Pool // of *stepWork

	waitingNames asgi.WaitingNames // of receives

	// For the keeper's sleep.
	wakeAt  atomic.Int64  // when the keeper wakes next
	wakeNow chan struct{} // a value wakes the keeper
	stop    chan struct{}
	keeper  sync.WaitGroup

	// Held by a receive while it handles a long list of channels, so that only one
	// of these at a time competes with others for mu. Lock it before mu.
	lists sync.Mutex

	mu       sync.Mutex // guards the rest
	closed   bool
	lastID   uint64            // of the message sent last
	takes    uint64            // number of takes so far
	queues   map[string]*queue // by channel, or by prefix of process-specific ones
	sweeps   schedule[*queue]  // all queues, by nextSweep
	extras   list[*queue]      // queues that were made when there were mostQueues
	pending  int               // messages in queues
	paused   int               // queues with a breakpoint
	memory   int               // bytes of messages in queues and of delayed messages
	starving []*sender         // senders that wait for memory, in the order of their arrival
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
	_ asgi.Acceptors  = (*Store)(nil)
)

// Memory returns a store without a file; its contents end with it. The caller
// must close it.
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
	s.kv = newValues(&s.opts, s.wakeBy)
	return s
}

func (s *Store) start() {
	s.keeper.Go(s.runKeeper)
}

// Close ends all waiting receives with [asgi.ErrClosed], refuses further
// calls, writes all staged changes and closes the file. It fails if the changes
// cannot be written, or if ctx ends first.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	waiting := s.releaseReadersLocked()
	s.closeOfferingsLocked()
	s.mu.Unlock()
	for _, w := range waiting {
		w.ready <- struct{}{}
	}
	s.kv.close()
	close(s.stop)
	s.keeper.Wait()
	return s.closeFile(ctx)
}

// releaseReadersLocked removes all parked readers from their queues. The caller
// wakes them.
func (s *Store) releaseReadersLocked() []*waiter {
	var waiting []*waiter
	for _, q := range s.queues {
		for q.parked.first != nil {
			w := q.parked.first.entry.waiter
			s.assignLocked(w, asgi.Delivery{}, asgi.ErrClosed, s.now())
			waiting = append(waiting, w)
		}
	}
	return waiting
}

// Settings returns the store's settings.
func (s *Store) Settings() asgi.Settings { return s.opts.settings() }

// now returns the time on the store's clock.
func (s *Store) now() int64 { return s.epochNanos + int64(time.Since(s.epoch)) }

// time converts a time of the store's clock to a time.Time.
func (s *Store) time(at int64) time.Time { return s.epoch.Add(time.Duration(at - s.epochNanos)) }

// clock converts a time.Time to a time of the store's clock.
func (s *Store) clock(t time.Time) int64 { return s.epochNanos + int64(t.Sub(s.epoch)) }
