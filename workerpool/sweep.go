package workerpool

import (
	"context"
	"fmt"
	"time"

	"asgibox/internal/logkey"
)

// sweepInterval is the longest time between two checks of the handlers.
const sweepInterval = 500 * time.Millisecond

// sweep cancels and replaces handlers that take too long, cancels streams whose clients
// have left, and ends handlers that wait too long for their clients, until the context is done.
func (p *Pool) sweep(ctx context.Context) {
	every := sweepInterval
	for _, d := range []time.Duration{p.opts.HandlerTimeout, p.opts.Grace} {
		if d > 0 {
			every = min(every, max(d/8, time.Millisecond))
		}
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	evict := time.NewTicker(time.Hour)
	defer evict.Stop()
	for {
		select {
		case now := <-ticker.C:
			p.cancelStreams()
			p.cancelOverdue(now)
			p.endSilent(now)
			p.replaceStuck(now)
		case now := <-evict.C:
			p.mu.Lock()
			p.evictLanesLocked(now)
			p.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// cancelOverdue cancels handlers that have run longer than the handler
// timeout, or longer than the grace period of their generation.
func (p *Pool) cancelOverdue(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.workers {
		if w.job == nil || !w.cancelled.IsZero() {
			continue
		}
		g := w.job.gen
		switch {
		case p.opts.HandlerTimeout > 0 && w.clock.elapsed(now) >= p.opts.HandlerTimeout:
			w.cancelLocked(now, &TimeoutError{p.opts.HandlerTimeout})
		case !g.retiredAt.IsZero() && now.Sub(g.retiredAt) >= p.opts.Grace:
			w.cancelLocked(now, fmt.Errorf("generation %d of the application was replaced %v ago (--grace)", g.number, p.opts.Grace))
		}
	}
}

// A TimeoutError is the reason for cancelling a handler that ran too long.
type TimeoutError struct{ After time.Duration }

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("the handler ran longer than %v (--handler-timeout)", e.After)
}

func (w *worker) cancelLocked(now time.Time, why error) {
	w.cancelled = now
	w.cancel(why)
}

// replaceStuck replaces the workers of cancelled handlers that do not stop.
// Tasks that waited for them can start.
func (p *Pool) replaceStuck(now time.Time) {
	for _, j := range p.stuck(now) {
		p.log.Error("a handler does not stop; its worker is replaced", logkey.Channel, j.Delivery.Channel, logkey.Generation, j.gen.number)
		p.fail(j, "", context.Cause(j.worker.ctx))
		p.replace(j.worker)
	}
}

// replace starts another worker for one whose handler does not stop, and frees
// its lane and its limit.
func (p *Pool) replace(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.abandonLocked()
	if w.gen == p.current && !w.surplus && !w.aside && !p.stopping {
		p.startWorkerLocked(w.gen)
	}
}

// stuck returns the jobs whose handlers do not stop, and marks their workers as
// abandoned. The workers may end the jobs meanwhile.
func (p *Pool) stuck(now time.Time) (stuck []*Job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.workers {
		if w.job == nil || w.cancelled.IsZero() || now.Sub(w.cancelled) < abandonAfter {
			continue
		}
		w.abandoned = true
		stuck = append(stuck, w.job)
	}
	return stuck
}

// abandonLocked removes a worker that does not stop, and frees its lane and
// its limit.
func (w *worker) abandonLocked() {
	p := w.pool
	w.abandoned = true
	if w.task != nil {
		p.endLocked(w.task)
		p.wakeLocked()
	}
	w.removeLocked(p)
	p.handOverLocked()
}

// cancelAll cancels all handlers and prevents new tasks from starting.
func (p *Pool) cancelAll(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halted = true
	now := time.Now()
	for w := range p.workers {
		if w.cancelled.IsZero() {
			w.cancelLocked(now, why)
		}
	}
	p.wakeAllLocked()
}

// abandonAll abandons all workers that are left.
func (p *Pool) abandonAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.workers {
		p.log.Error("a handler does not stop; shutting down without it")
		w.abandonLocked()
	}
}

// noteProgress restarts the handler timeout of a worker whose handler has sent
// to its connection.
func (p *Pool) noteProgress(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.clock.restart(time.Now())
}
