package workerpool

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/internal/logkey"
)

// clocks sends messages at intervals. A clock that the next generation has too
// keeps its schedule. If the layer is shared with other processes, one of them
// sends the message of each interval.
type clocks struct {
	pool    *Pool
	changed chan struct{} // has room for one

	mu  sync.Mutex // guards all; lock the mutex of the pool first, if both are needed
	all []*clock
}

type clock struct {
	Clock
	name string // in the layer; clocks of other generations and processes that are the same have it too
	due  time.Time
}

func newClocks(p *Pool) *clocks { return &clocks{pool: p, changed: make(chan struct{}, 1)} }

// set replaces the clocks by those of a generation.
func (c *clocks) set(g *generation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.all
	c.all = nil
	if g.routed != nil {
		same := make(map[string]int)
		for _, wanted := range g.routed.Clocks() {
			name := wanted.name()
			same[name]++
			c.all = append(c.all, &clock{wanted, fmt.Sprintf("%s/%d", name, same[name]), dueOf(old, wanted)})
		}
	}
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// dueOf returns the next time of a clock. A clock that is in old keeps its
// time.
func dueOf(old []*clock, wanted Clock) time.Time {
	for _, o := range old {
		if o.Every == wanted.Every && o.Channel == wanted.Channel && asgi.Equal(o.Content, wanted.Content) {
			return o.due
		}
	}
	return time.Now().Add(wanted.Every)
}

// run ticks until the context is done.
func (c *clocks) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(c.tick(ctx, time.Now()))
		select {
		case <-timer.C:
		case <-c.changed:
		case <-ctx.Done():
			return
		}
	}
}

// name returns a name that tells the clock from different ones.
func (k Clock) name() string {
	content := sha256.Sum256(codec.Append(nil, k.Content))
	return fmt.Sprintf("%s/%v/%x", k.Channel, k.Every, content[:8])
}

// tick sends the messages that are due and returns the time until the next
// one.
func (c *clocks) tick(ctx context.Context, now time.Time) time.Duration {
	due, wait := c.due(now)
	for _, k := range due {
		first, next := c.pool.first(ctx, k)
		if next > 0 {
			wait = min(wait, c.advance(k, next))
		}
		if first {
			c.pool.sendTick(ctx, k.Clock)
		}
	}
	return wait
}

// due returns the clocks that are due, advances them to their next time, and
// returns the time until the next one is due.
func (c *clocks) due(now time.Time) (due []*clock, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait = time.Hour
	for _, k := range c.all {
		if !now.Before(k.due) {
			due = append(due, k)
			missed := now.Sub(k.due) / k.Every
			k.due = k.due.Add((missed + 1) * k.Every)
		}
		wait = min(wait, k.due.Sub(now))
	}
	return due, wait
}

// advance sets the next time of a clock to that of the layer, and returns the time
// until then.
func (c *clocks) advance(k *clock, next time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	k.due = time.Now().Add(next)
	return next
}

// first reports whether this process must send the message of a clock, and the
// time until the next interval if the layer determines that.
func (p *Pool) first(ctx context.Context, k *clock) (first bool, next time.Duration) {
	if p.ticker == nil {
		return true, 0
	}
	p.mu.Lock()
	drained := p.drained
	p.mu.Unlock()
	if drained {
		return false, 0 // leave the interval to another process
	}
	first, next, err := p.ticker.Tick(ctx, k.name, k.Every)
	if err != nil {
		p.tickFailed(ctx, k.Clock, err)
	}
	return first, next
}

// tickFailed logs why the message of a clock was not sent. A layer that cannot be
// reached has been reported by the layer.
func (p *Pool) tickFailed(ctx context.Context, k Clock, err error) {
	level := slog.LevelWarn
	if errors.Is(err, asgi.ErrStoreFailed) {
		level = slog.LevelDebug
	}
	p.log.Log(ctx, level, "could not send the message of a clock", logkey.Channel, k.Channel, logkey.Error, err)
}

// maxDelayed and maxDelayedBytes limit the volatile messages that wait to be put back.
const (
	maxDelayed      = 10000
	maxDelayedBytes = 64 << 20
)

// sendDelayed sends a volatile message after a time, unless the pool shuts
// down before then.
func (p *Pool) sendDelayed(after time.Duration, cause *asgi.Cause, channel string, m asgi.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return nil
	}
	size := taskFootprint + m.Footprint()
	if len(p.delayed) >= maxDelayed || p.delayedBytes+size > maxDelayedBytes {
		return &asgi.ChannelFullError{Channel: channel, Reason: "too many messages are waiting to be put back"}
	}
	p.puttingBack.Add(1)
	var timer *time.Timer
	timer = time.AfterFunc(after, func() {
		defer p.puttingBack.Done()
		p.mu.Lock()
		_, waits := p.delayed[timer]
		if waits {
			delete(p.delayed, timer)
			p.delayedBytes -= size
		}
		p.mu.Unlock()
		if !waits {
			return
		}
		if err := p.layer.Send(context.Background(), cause, channel, m, asgi.Volatile); err != nil {
			p.log.Warn("could not put back a message", logkey.Channel, channel, logkey.Error, err)
		}
	})
	p.delayed[timer] = struct{}{}
	p.delayedBytes += size
	return nil
}

// dropDelayedLocked drops the messages that wait to be put back.
func (p *Pool) dropDelayedLocked() {
	for timer := range p.delayed {
		if timer.Stop() {
			p.puttingBack.Done()
		}
	}
	clear(p.delayed)
	p.delayedBytes = 0
}

// sendTick sends the message of a clock, unless the previous one is still
// unread.
func (p *Pool) sendTick(ctx context.Context, k Clock) {
	p.mu.Lock()
	drained := p.drained
	p.mu.Unlock()
	if drained {
		return
	}
	if s, err := p.stats.ChannelStatistics(ctx, k.Channel); err == nil && s.MessagesPending > 0 {
		return
	}
	if err := p.layer.Send(ctx, asgi.NewCause(asgi.NewTrace()), k.Channel, k.Content, asgi.Volatile); err != nil {
		p.tickFailed(ctx, k, err)
	}
}
