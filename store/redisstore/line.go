package redisstore

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	blockTime      = 5 * time.Second // of one blocking read; a dead connection is noticed a little later
	interruptAfter = time.Second     // after which a read that does not end is given up
)

// A line is the one connection of a reader that blocks. Its calls are made by one
// goroutine at a time; interrupt may be called by others.
type line struct {
	host   *host
	client *redis.Client
	id     atomic.Int64 // of the connection at Redis; 0 if there is none
	fails  int          // calls without a reply since the last one with a reply
	owed   []taken      // popped, but the connection broke before their bodies were taken

	mu   sync.Mutex // guards conn
	conn net.Conn
}

func newLine(h *host) *line {
	ln := &line{host: h}
	o := h.options(1)
	dial := o.Dialer
	o.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		ln.mu.Lock()
		defer ln.mu.Unlock()
		ln.conn = conn
		return conn, err
	}
	o.OnConnect = func(ctx context.Context, cn *redis.Conn) error {
		id, err := cn.ClientID(ctx).Result()
		ln.id.Store(id)
		return err
	}
	ln.client = redis.NewClient(o)
	return ln
}

func (ln *line) close() { _ = ln.client.Close() } // its connection is idle or lost

// pop waits until one of the lists has an element and returns it. It returns ok
// false if there was none for blockTime, or after an interrupt.
func (ln *line) pop(lists []string) (list, element string, ok bool, err error) {
	started := time.Now()
	pair, err := ln.client.BLPop(context.Background(), blockTime, lists...).Result()
	if err == redis.Nil {
		err, pair = nil, nil
	}
	ln.observe("block", started, err)
	if err != nil || len(pair) != 2 {
		return "", "", false, err
	}
	return pair[0], pair[1], true, nil
}

// eval runs a script on the connection.
func (ln *line) eval(kind string, s *script, keys []string, args ...any) ([]any, error) {
	started := time.Now()
	v, err := ln.client.EvalSha(context.Background(), s.hash, keys, args...).Result()
	if lacksScript(err) {
		v, err = ln.client.Eval(context.Background(), s.text, keys, args...).Result()
	}
	if err == redis.Nil {
		err = nil
	}
	ln.observe(kind, started, err)
	out, _ := v.([]any)
	return out, err
}

func (ln *line) observe(kind string, started time.Time, err error) {
	if err == nil || isReply(err) {
		ln.fails = 0
	} else {
		ln.fails++
	}
	ln.host.layer.opts.Observe(kind, time.Since(started), err)
}

// recover handles an error of pop or eval: it waits until the host is there. It
// reports false when ctx has ended.
func (ln *line) recover(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if errors.Is(ln.host.failed(err), errOutOfMemory) || isReply(err) {
		return ln.host.wait(ctx, time.Second)
	}
	return ln.host.wait(ctx, min(time.Second, 5*time.Millisecond<<min(ln.fails, 8)))
}

// payBack puts the messages back that a broken connection left in hand. A message
// whose body was taken nevertheless is not put back.
func (ln *line) payBack() {
	if len(ln.owed) > 0 {
		ln.host.layer.putBack(ln.host, ln.owed)
		ln.owed = nil
	}
}

// interrupt ends the read that blocks, if any, until done is closed. Redis may not
// have got the read yet, so one attempt may not be enough. A read that does not
// end, because Redis hangs, is ended with its connection if force is set. Then
// interrupt returns when done is closed, otherwise it gives up.
func (ln *line) interrupt(done <-chan struct{}, force bool) {
	deadline := time.Now().Add(interruptAfter)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		if id := ln.id.Load(); id != 0 && !ln.unblock(id) {
			break
		}
		select {
		case <-done:
			return
		case <-time.After(pause):
		}
		if time.Now().After(deadline) {
			break
		}
	}
	if !force {
		return
	}
	for {
		ln.mu.Lock()
		if ln.conn != nil {
			_ = ln.conn.Close()
		}
		ln.mu.Unlock()
		select {
		case <-done:
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// unblock asks Redis to end a read, and reports whether Redis replies. It does not use
// the batch, which fails when the layer is being closed.
func (ln *line) unblock(id int64) bool {
	ctx, cancel := context.WithTimeout(context.Background(), interruptAfter)
	defer cancel()
	if ln.host.silent() {
		return false
	}
	err := ln.host.client.ClientUnblock(ctx, id).Err()
	if err != nil && !isReply(err) {
		ln.host.suspect(err)
		return false
	}
	return true // it may have got the read later; interrupt tries again
}

// afterContext calls f in its own goroutine when ctx ends, unless the function
// that it returns was called before. That function waits for f.
func afterContext(ctx context.Context, f func()) (stop func()) {
	ended := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(ended)
		f()
	})
	return func() {
		if !cancel() {
			<-ended
		}
	}
}
