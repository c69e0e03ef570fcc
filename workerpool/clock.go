package workerpool

import (
	"context"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// clocks sends messages at intervals. A clock that the next generation has too
// keeps its schedule.
type clocks struct {
	pool    *Pool
	changed chan struct{} // has room for one

	mu  sync.Mutex // guards all; lock the mutex of the pool first, if both are needed
	all []*clock
}

type clock struct {
	Clock
	due time.Time
}

func newClocks(p *Pool) *clocks { return &clocks{pool: p, changed: make(chan struct{}, 1)} }

// set replaces the clocks by those of a generation.
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

// tick sends the messages that are due and returns the time until the next
// one.
func (c *clocks) tick(ctx context.Context, now time.Time) time.Duration {
	due, wait := c.due(now)
	for _, k := range due {
		c.pool.sendTick(ctx, k)
	}
	return wait
}

// due returns the clocks that are due, advances them to their next time, and
// returns the time until the next one is due.
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

// maxDelayed is the maximum number of volatile messages that wait to be put
// back.
const maxDelayed = 10000

// sendDelayed sends a volatile message after a time, unless the pool shuts
// down before then.
func (p *Pool) sendDelayed(after time.Duration, cause *asgi.Cause, channel string, m asgi.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.delayed) >= maxDelayed {
		return &asgi.ChannelFullError{Channel: channel, Reason: "too many messages are waiting to be put back"}
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
			p.log.Warn("could not put back a message", logkey.Channel, channel, logkey.Error, err)
		}
	})
	p.delayed[timer] = struct{}{}
	return nil
}

// dropDelayedLocked drops the messages that wait to be put back.
func (p *Pool) dropDelayedLocked() {
	for timer := range p.delayed {
		timer.Stop()
	}
	clear(p.delayed)
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
		p.log.Warn("could not send the message of a clock", logkey.Channel, k.Channel, logkey.Error, err)
	}
}
