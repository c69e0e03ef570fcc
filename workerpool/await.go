package workerpool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"asgibox/asgi"
	"asgibox/internal/budget"
)

// A handler holds a worker while it waits for its own client: to read the response, or
// to send the body of the request. It also holds a place of the concurrency limit of its
// route. A handler that waits too long is ended when messages wait for a worker or for
// such a place.

const (
	// hurriedPatience is how long a handler waits for its client to read or send
	// budget.LeastMoved bytes, instead of budget.SilentTimeout, while more messages wait
	// than there are workers or places.
	hurriedPatience = time.Second
	// triesAgain is the longest time between two tries of a handler that waits for its
	// client to read.
	triesAgain = 2 * time.Second
	// reportEvery is the least time between two log records about ended handlers.
	reportEvery = time.Minute
)

// errClientSilent is why a handler is cancelled that has waited too long for its client.
var errClientSilent = fmt.Errorf("the client reads or sends too slowly, and messages wait for its handler to end: %w", asgi.ErrGone)

// An await says how long a handler has waited for its client. The time between two waits
// does not count. The pool's mutex guards it.
type await struct {
	since time.Time     // start of the wait, less the waits before it; zero if there is none
	quiet time.Duration // of the waits before it
	moved int64         // bytes in all these waits
	tried time.Time     // when a message was last refused
	read  int64         // what the client had read by then
}

func (a *await) begin(now time.Time) {
	if a.since.IsZero() {
		a.since = now.Add(-a.quiet)
	}
}

// end ends a wait. Of waits at the same time, the first that ends counts.
func (a *await) end(now time.Time) {
	if a.since.IsZero() {
		return
	}
	a.quiet = now.Sub(a.since)
	a.since = time.Time{}
}

// move records that the client has read or sent n bytes. When they are enough, the wait
// starts again.
func (a *await) move(now time.Time, n int64) {
	if a.moved += max(n, 0); a.moved < budget.LeastMoved {
		return
	}
	a.moved, a.quiet = 0, 0
	if !a.since.IsZero() {
		a.since = now
	}
}

// longer reports whether the wait has been longer than d.
func (a *await) longer(now time.Time, d time.Duration) bool {
	return !a.since.IsZero() && now.Sub(a.since) >= d
}

// AwaitBody says that the handler waits for a part of the body of its request. The
// handler calls done with the length of the part when it has come. The handler timeout stands
// still meanwhile.
func (j *Job) AwaitBody() (done func(n int)) {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	now := time.Now()
	j.input.begin(now)
	j.stopClockLocked(now)
	return func(n int) {
		j.pool.mu.Lock()
		defer j.pool.mu.Unlock()
		now := time.Now()
		j.input.end(now)
		j.resumeClockLocked(now)
		j.input.move(now, int64(n))
	}
}

// BodyChannel returns the channel of the rest of the body, or "".
func (j *Job) BodyChannel() string { return j.Delivery.Message.Text(asgi.KeyBodyChannel) }

// refused records that there was no room for a reply: the handler waits for its client
// if it tries again.
func (j *Job) refused(err error) {
	var full *asgi.ChannelFullError
	var read int64
	if errors.As(err, &full) && full.Read != nil {
		read = full.Read()
	}
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	a, now := &j.output, time.Now()
	a.begin(now)
	a.tried = now
	if read > a.read {
		if a.read > 0 {
			a.move(now, read-a.read)
		}
		a.read = read
	}
	j.waits.Store(true)
}

// accepted records that there was room again, for a reply of a size.
func (j *Job) accepted(size int) {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	a, now := &j.output, time.Now()
	a.end(now)
	if a.read == 0 { // the layer does not say what the client has read
		a.move(now, int64(size))
	}
	j.waits.Store(false)
}

// silentLocked reports whether the handler of a worker has waited longer than d for its
// client.
func (w *worker) silentLocked(now time.Time, d time.Duration) bool {
	j := w.job
	if j == nil || j.gen == nil || j.gen.kind != KindRouted || !w.cancelled.IsZero() {
		return false
	}
	return j.input.longer(now, d) || j.output.longer(now, d) && now.Sub(j.output.tried) < triesAgain
}

// obstructsLocked reports whether messages that wait for a worker can start sooner if
// the handler of this one ends. One aside holds no place, but others could step aside.
func (w *worker) obstructsLocked() bool { return w.countsLocked() || w.aside && w.pool.crowded }

// endSilent ends handlers that have waited too long for their clients: at most one for
// each message that waits for a worker, first those that count towards the workers, and
// at most one for each message that waits for a place of their limit.
func (p *Pool) endSilent(now time.Time) {
	if p.anySilent(now) {
		p.endJobs(p.cancelSilent(now, p.waitingForWorker(), nil))
	}
	for _, l := range p.silentLimits(now) {
		p.endJobs(p.cancelSilent(now, p.waitingForPlace(l), l.limit))
	}
	p.reportSilent(now)
}

// anySilent reports whether no worker is free and a handler waits for its client.
func (p *Pool) anySilent(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.slotsLocked() > 0 {
		return false
	}
	for w := range p.workers {
		if w.obstructsLocked() && w.silentLocked(now, hurriedPatience) {
			return true
		}
	}
	return false
}

// waitingForWorker returns the number of messages and handlers that wait, while no worker
// is free.
func (p *Pool) waitingForWorker() int {
	p.mu.Lock()
	n := p.ready.length + len(p.returning)
	p.mu.Unlock()
	if p.offering != nil {
		return n + p.offering.Waiting()
	}
	s, err := p.stats.GlobalStatistics(context.Background())
	if err != nil {
		return n
	}
	return n + s.MessagesPending
}

// A fullLimit describes a limit whose places are all used.
type fullLimit struct {
	Limit
	limit   *limit
	waiting int // tasks in the pool
}

// silentLimits returns the limits whose places are all used, some of them by handlers
// that wait for their clients.
func (p *Pool) silentLimits(now time.Time) (all []fullLimit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.workers {
		if !w.silentLocked(now, hurriedPatience) || w.task == nil {
			continue
		}
		l := w.task.limit
		if l != nil && l.full() && !slices.ContainsFunc(all, func(o fullLimit) bool { return o.limit == l }) {
			all = append(all, fullLimit{l.Limit, l, l.waiting.length})
		}
	}
	return all
}

// waitingForPlace returns the number of messages that wait for a place of a limit. It
// need not count more than one more than there are places.
func (p *Pool) waitingForPlace(l fullLimit) int {
	switch {
	case p.offering != nil:
		return l.waiting + p.offering.WaitingIn(l.Key, l.Max+1)
	case isProtocol(l.Channel):
		return l.waiting // the pool has received them all
	}
	s, err := p.stats.ChannelStatistics(context.Background(), l.Channel)
	if err != nil {
		return l.waiting
	}
	return l.waiting + s.MessagesPending
}

// cancelSilent cancels handlers that have waited too long while n messages wait for a
// worker, or for a place of a limit if that is not nil. It returns their jobs.
func (p *Pool) cancelSilent(now time.Time, n int, of *limit) (jobs []*Job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	patience, places := budget.SilentTimeout, p.wanted
	if of != nil {
		places = of.Max
	}
	if n > places {
		patience = hurriedPatience
	}
	var silent []*worker
	for w := range p.workers {
		if of != nil {
			if w.task == nil || w.task.limit != of {
				continue
			}
			if !w.cancelled.IsZero() {
				n-- // its place will be free soon
			}
		} else if !w.obstructsLocked() {
			continue
		}
		if w.silentLocked(now, patience) {
			silent = append(silent, w)
		}
	}
	aside := func(w *worker) int {
		if w.aside {
			return 1
		}
		return 0
	}
	slices.SortFunc(silent, func(a, b *worker) int { return cmp.Or(cmp.Compare(aside(a), aside(b)), a.began.Compare(b.began)) })
	for _, w := range silent[:max(0, min(n, len(silent)))] {
		jobs = append(jobs, w.job)
		w.cancelLocked(now, errClientSilent)
	}
	p.silent += len(jobs)
	return jobs
}

// endJobs ends the connections of jobs.
func (p *Pool) endJobs(jobs []*Job) {
	for _, j := range jobs {
		p.sendErrorReply(j, Failure{
			Err: errClientSilent, Status: http.StatusRequestTimeout, Channel: j.Delivery.Channel, Message: j.Delivery.Message,
			Generation: j.gen.number, Trace: j.Cause.Trace(), ID: j.Delivery.ID,
		})
	}
}

// reportSilent logs how many handlers were ended, once in a while.
func (p *Pool) reportSilent(now time.Time) {
	p.mu.Lock()
	n := p.silent
	if n == 0 || now.Sub(p.silentAt) < reportEvery {
		p.mu.Unlock()
		return
	}
	p.silent, p.silentAt = 0, now
	p.mu.Unlock()
	p.log.Warn("handlers were ended: messages waited for a worker or a concurrency limit, and the clients of these handlers had read or sent "+budget.Silence, "count", n)
}
