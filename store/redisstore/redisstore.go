package redisstore

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"asgibox/asgi"
	"asgibox/store"
)

// Layer is the channel layer on Redis. Its methods may be called by any
// goroutine.
type Layer struct {
	opts       Options
	log        *slog.Logger
	hosts      []*host
	seals      []seal // of Options.Keys
	id         string // of this process, among the machines
	reconnects atomic.Uint64

	life context.Context // ends with Close
	end  context.CancelFunc

	waitingNames asgi.WaitingNames // of receives
	sends, polls atomic.Uint64     // turns of the ring
	fair         fairness          // of polls
	rates        rates
	leaving      leaver
	delay        *delayServer
	announced    chan struct{}     // has room for one
	values       [64]chan struct{} // filled while this process changes a value, by key

	mu       sync.Mutex // guards the rest
	closed   bool
	bindings map[string]*binding // by prefix
	counts   func() (sockets, workers int)

	running sync.WaitGroup // goroutines; added to under mu while not closed
}

var (
	_ asgi.Layer      = (*Layer)(nil)
	_ asgi.Groups     = (*Layer)(nil)
	_ asgi.Flusher    = (*Layer)(nil)
	_ asgi.Statistics = (*Layer)(nil)
	_ asgi.Later      = (*Layer)(nil)
	_ asgi.KV         = (*Layer)(nil)
	_ asgi.Readers    = (*Layer)(nil)
	_ asgi.PutBack    = (*Layer)(nil)
	_ asgi.Ticker     = (*Layer)(nil)
)

// Open connects to the hosts and checks them. It fails with [ErrUnreachable] if one
// does not reply, and with other errors if one cannot be used. ctx limits Open
// only. The caller must close the layer.
func Open(ctx context.Context, o Options) (*Layer, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	silenceClient()
	l := &Layer{opts: o, log: o.Log, id: newID(), bindings: map[string]*binding{}, announced: make(chan struct{}, 1)}
	l.leaving.wake = make(chan struct{}, 1)
	l.waitingNames.Limit = maxWaitingNames
	for i := range l.values {
		l.values[i] = make(chan struct{}, 1)
	}
	l.life, l.end = context.WithCancel(context.Background())
	for _, secret := range o.Keys {
		l.seals = append(l.seals, newSeal(secret))
	}
	for _, place := range o.Hosts {
		l.hosts = append(l.hosts, newHost(l, place))
	}
	for _, h := range l.hosts {
		if err := h.check(ctx); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	for _, h := range l.hosts {
		l.spawn(h.reader.run)
	}
	l.delay = newDelayServer(l)
	l.spawn(l.leaveGone)
	l.spawn(l.heartbeat)
	return l, nil
}

// Close ends the bindings and the waiting receives, and waits for the goroutines
// of the layer. It waits a second for a Redis that does not reply. Later calls fail
// with [asgi.ErrClosed].
func (l *Layer) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	for _, h := range l.hosts {
		if h.silent() {
			defer time.AfterFunc(interruptAfter, func() { _ = h.client.Close() }).Stop() // ends the calls that wait
		}
	}
	l.end()
	l.running.Wait()
	if l.delay != nil { // it has been opened
		l.sayGoodbye()
	}
	var err error
	for _, h := range l.hosts {
		if e := h.client.Close(); !errors.Is(e, redis.ErrClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// turn returns the next host of the ring.
func (l *Layer) turn(counter *atomic.Uint64) *host {
	return l.hosts[(counter.Add(1)-1)%uint64(len(l.hosts))]
}

// closing returns [asgi.ErrClosed] if the layer is closed.
func (l *Layer) closing() error {
	if l.life.Err() != nil {
		return asgi.ErrClosed
	}
	return nil
}

// spawn runs f in a goroutine for which Close waits. It reports false if the
// layer is closed.
func (l *Layer) spawn(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.running.Go(f)
	return true
}

// Settings returns the settings of the layer.
func (l *Layer) Settings() asgi.Settings { return l.opts.settings() }

// Options returns the options, with defaults.
func (l *Layer) Options() Options { return l.opts }

// Up reports whether no host is known to be gone.
func (l *Layer) Up() bool {
	for _, h := range l.hosts {
		if h.gone() != nil {
			return false
		}
	}
	return true
}

// Reconnects returns how many calls have lost their connection.
func (l *Layer) Reconnects() uint64 { return l.reconnects.Load() }

// SetCounts sets the function that tells other machines how many sockets and
// workers this process has.
func (l *Layer) SetCounts(counts func() (sockets, workers int)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts = counts
}

// capacityOf returns the capacity of the list of a channel.
func (l *Layer) capacityOf(channel string) int {
	return store.CapacityOf(l.opts.ChannelCapacity, l.opts.Capacity, asgi.ProcessPrefix(channel))
}

func (l *Layer) checkSize(size int) error {
	if limit := l.opts.MaxMessage + asgi.MessageOverhead; size > limit {
		return &asgi.MessageTooLargeError{Size: size, Limit: limit}
	}
	return nil
}
