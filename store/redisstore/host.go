package redisstore

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"asgibox/internal/logkey"
)

// Times of the connection to a host.
const (
	dialTimeout  = 2 * time.Second
	replyTimeout = 3 * time.Second // without a byte, after which a host counts as gone
	probeFirst   = 50 * time.Millisecond
	probeLast    = time.Second
)

// A host is one Redis of the ring.
type host struct {
	layer  *Layer
	name   string // its URL without password
	place  Host
	client *redis.Client // of all calls that do not block
	batch  batch
	reader *reader

	full, refused, wrong seldom

	mu      sync.Mutex           // guards the rest
	down    error                // why the host is gone; nil while it is there
	probing bool                 // a goroutine finds out whether the host is there
	changed chan struct{}        // closed when the host is there again; nil while it is
	stuck   map[string]time.Time // lists that are not read, until when not to wait for them
}

func newHost(l *Layer, place Host) *host {
	h := &host{layer: l, name: place.String(), place: place}
	h.client = redis.NewClient(h.options(4 * batchFlights))
	h.batch.host = h
	h.reader = newReader(h)
	return h
}

func (h *host) options(connections int) *redis.Options {
	o := &redis.Options{
		Network: h.place.Network, Addr: h.place.Address,
		Username: h.place.Username, Password: h.place.Password, DB: h.place.DB, TLSConfig: h.place.TLS,
		Protocol: 2, DisableIdentity: true,
		MaxRetries:  -1, // a send that is repeated could be delivered twice
		DialTimeout: dialTimeout, DialerRetries: 1,
		ReadTimeout: replyTimeout, WriteTimeout: replyTimeout, ContextTimeoutEnabled: true,
		PoolSize: connections, PipelinePoolSize: -1, ConnMaxIdleTime: -1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	dial := redis.NewDialer(o)
	o.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, &dialError{err}
		}
		return newSlowConn(conn), nil
	}
	return o
}

// gone returns an error if the host is known to be gone.
func (h *host) gone() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down != nil {
		return h.storeFailed(h.down)
	}
	return nil
}

// silent reports whether a call got no reply, and the host has not replied since.
func (h *host) silent() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.down != nil || h.probing
}

// suspect notes that a call got no reply. A goroutine then asks the host until it
// replies. If it does not reply at once, it counts as gone meanwhile.
func (h *host) suspect(err error) {
	h.layer.reconnects.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.probing {
		return
	}
	h.probing = h.layer.spawn(func() { h.probe(err) })
}

func (h *host) probe(reason error) {
	pause := probeFirst
	for {
		err := h.ask()
		if err == nil || h.layer.life.Err() != nil {
			h.returned()
			return
		}
		h.lost(reason)
		reason = err
		select {
		case <-time.After(pause):
		case <-h.layer.life.Done():
		}
		pause = min(2*pause, probeLast)
	}
}

// ask reports whether the host can be written to.
func (h *host) ask() error {
	ctx, cancel := context.WithTimeout(h.layer.life, dialTimeout)
	defer cancel()
	reply := make(chan error, 1)
	client := redis.NewClient(h.options(1))
	defer client.Close()
	go func() { // ends when the client is closed
		info, err := client.Info(ctx, "replication").Result()
		switch {
		case err != nil && ctx.Err() == nil && !isReply(err):
			err = plainError(err)
		case err == nil && strings.Contains(info, "role:slave"):
			err = errors.New("it is a replica, which cannot be written to")
		}
		reply <- err
	}()
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return errors.New("it does not reply")
	}
}

func (h *host) lost(reason error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down == nil {
		h.layer.log.Warn("Redis has gone; trying again", keyHost, h.name, logkey.Error, plainError(reason))
		h.changed = make(chan struct{})
	}
	h.down = plainError(reason)
}

func (h *host) returned() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.probing = false
	if h.down != nil {
		if h.layer.life.Err() == nil {
			h.layer.log.Info("Redis is back", keyHost, h.name)
		}
		close(h.changed)
		h.down, h.changed = nil, nil
	}
}

// wait waits until the host is there, at least as long as pause. It reports false
// when ctx has ended.
func (h *host) wait(ctx context.Context, pause time.Duration) bool {
	select {
	case <-time.After(pause):
	case <-ctx.Done():
		return false
	}
	for {
		h.mu.Lock()
		changed := h.changed
		h.mu.Unlock()
		if changed == nil {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// plainError shortens the error of a network call.
func plainError(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errors.New("it does not reply")
	}
	return err
}

// atomicTime is the last time of something.
type atomicTime struct{ nano atomic.Int64 }

// advance sets the time to now if it is older than d, and reports whether it did.
func (t *atomicTime) advance(d time.Duration) bool {
	now, last := time.Now().UnixNano(), t.nano.Load()
	return (last == 0 || now-last >= int64(d)) && t.nano.CompareAndSwap(last, now)
}
