package workerpool

import (
	"context"
	"sync"
	"time"

	"asgibox/asgi"
)

// clocks send messages at intervals. A clock that the next generation has too
// goes on without a break.
type clocks struct {
	pool    *Pool
	changed chan struct{} // holds one

	mu  sync.Mutex // guards all; may be taken while holding the pool's, not before it
	all []*clock
}

type clock struct {
	Clock
	due time.Time
}

func newClocks(p *Pool) *clocks { return &clocks{pool: p, changed: make(chan struct{}, 1)} }

// set takes over the clocks of a generation.
func (c *clocks) set(g *generation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.all
	c.all = nil
	if g.routed != nil {
		for _, wanted := range g.routed.Clocks() {
			c.all = append(c.all, &clock{wanted, dueOf(old, wanted)})
		}
	}
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// dueOf answers when a clock strikes: as it would have, if it was there before.
func dueOf(old []*clock, wanted Clock) time.Time {
	for _, o := range old {
		if o.Every == wanted.Every && o.Channel == wanted.Channel && asgi.Equal(o.Content, wanted.Content) {
			return o.due
		}
	}
	return time.Now().Add(wanted.Every)
}

// run strikes until the context ends.
func (c *clocks) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(c.strike(ctx, time.Now()))
		select {
		case <-timer.C:
		case <-c.changed:
		case <-ctx.Done():
			return
		}
	}
}

// strike sends what is due and answers how long it is until the next.
func (c *clocks) strike(ctx context.Context, now time.Time) time.Duration {
	due, wait := c.due(now)
	for _, k := range due {
		c.pool.tick(ctx, k)
	}
	return wait
}

// due answers the clocks that strike now, sets them to their next time, and
// answers how long it is until the first of those.
func (c *clocks) due(now time.Time) (due []Clock, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait = time.Hour
	for _, k := range c.all {
		if !now.Before(k.due) {
			due = append(due, k.Clock)
			missed := now.Sub(k.due) / k.Every
			k.due = k.due.Add((missed + 1) * k.Every)
		}
		wait = min(wait, k.due.Sub(now))
	}
	return due, wait
}

// maxDelayed bounds the volatile messages that wait to be put back.
const maxDelayed = 10000

// again sends a volatile message after a time, unless the pool shuts down.
func (p *Pool) again(after time.Duration, cause *asgi.Cause, channel string, m asgi.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.delayed) >= maxDelayed {
		return &asgi.ChannelFullError{Channel: channel, Reason: "too many messages were put back"}
	}
	var timer *time.Timer
	timer = time.AfterFunc(after, func() {
		p.mu.Lock()
		_, waits := p.delayed[timer]
		delete(p.delayed, timer)
		p.mu.Unlock()
		if !waits {
			return
		}
		if err := p.layer.Send(context.Background(), cause, channel, m, asgi.Volatile); err != nil {
			p.log.Warn("a message could not be put back", "channel", channel, "err", err)
		}
	})
	p.delayed[timer] = struct{}{}
	return nil
}

// dropDelayedLocked forgets what waits to be put back.
func (p *Pool) dropDelayedLocked() {
	for timer := range p.delayed {
		timer.Stop()
	}
	clear(p.delayed)
}

// tick sends a clock's message, unless one before it still waits.
func (p *Pool) tick(ctx context.Context, k Clock) {
	p.mu.Lock()
	drained := p.drained
	p.mu.Unlock()
	if drained {
		return
	}
	if p.stats != nil {
		if s, err := p.stats.ChannelStatistics(ctx, k.Channel); err == nil && s.MessagesPending > 0 {
			return
		}
	}
	if err := p.layer.Send(ctx, asgi.NewCause(asgi.NewTrace()), k.Channel, k.Content, asgi.Volatile); err != nil {
		p.log.Warn("a clock could not strike", "channel", k.Channel, "err", err)
	}
}
