// Package load puts load on an HTTP or WebSocket server and measures it. The
// command asgibox bench and the program benchmarks use it.
//
// A [Server] says where to connect. A [Client] has one connection and does one
// operation after another: a request ([Server.HTTP]) or the echo of a message
// ([Server.Echo]). [Run] drives many clients; [Broadcast] sends messages that
// many clients receive. Both write to a [Meter], which may be read meanwhile.
//
// Clients parse as little as possible, so that the server gets most of the CPU
// time when both run on one machine.
package load

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// A Client does one operation after another on a connection of its own.
type Client interface {
	// Connect opens the connection.
	Connect(ctx context.Context) error
	// Do does an operation. It returns the status of an HTTP response, or 0. If
	// the connection has ended, Do opens another one first.
	Do(ctx context.Context) (status int, err error)
	Close()
}

// Options say how much load there is.
type Options struct {
	Connections int
	Duration    time.Duration
	// Rate is the number of operations per second that start, at equal distances,
	// whether or not others have ended. With 0, each connection starts an
	// operation when its previous one has ended.
	Rate float64
}

const (
	// timerSlack is the delay from which on a late timer counts as latency.
	timerSlack = time.Millisecond
	// pause is the time from a failed operation to the next one of a connection
	// if there is no rate.
	pause = 50 * time.Millisecond
)

// Run connects clients and lets them work for the duration, or until ctx ends. At
// least one operation starts. Operations that have started are finished, except
// when ctx ends.
//
// With a rate, the latency of an operation counts from the moment for which it
// was scheduled, also if no connection was free then. Only the delay of a timer
// that is less than a millisecond late does not count. The wait of an operation
// that could not start before the end counts as its latency, and as skipped.
func Run(ctx context.Context, newClient func() Client, o Options, m *Meter) error {
	clients := make([]Client, o.Connections)
	for i := range clients {
		clients[i] = newClient()
		if err := clients[i].Connect(ctx); err != nil {
			return connectError(err, i, o.Connections)
		}
		defer clients[i].Close()
	}
	m.begin()
	defer m.end()
	end := m.started.Add(o.Duration)
	work := func(c Client) { closedLoop(ctx, c, end, m) }
	if o.Rate > 0 {
		s := newSchedule(o, m.started)
		work = func(c Client) { s.work(ctx, c, m) }
	}
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() { work(c) })
	}
	wg.Wait()
	return nil
}

// connectError says which connection of many could not be opened.
func connectError(err error, number, all int) error {
	if number == 0 {
		return err
	}
	return fmt.Errorf("connection %d of %d: %w", number+1, all, err)
}

// closedLoop does one operation after another.
func closedLoop(ctx context.Context, c Client, end time.Time, m *Meter) {
	for now := time.Now(); ctx.Err() == nil; {
		status, err := c.Do(ctx)
		then := now
		now = time.Now()
		if ctx.Err() != nil && err != nil {
			return
		}
		m.add(status, err, now.Sub(then))
		if err != nil {
			sleepUntil(ctx, now.Add(pause))
			now = time.Now()
		}
		if !now.Before(end) {
			return
		}
	}
}

// A schedule says when operations start.
type schedule struct {
	start, end time.Time
	rate       float64
	total      int64        // operations that are due before the end
	next       atomic.Int64 // number of the next operation, from 0
}

func newSchedule(o Options, start time.Time) *schedule {
	return &schedule{
		start: start, end: start.Add(o.Duration), rate: o.Rate,
		total: int64(math.Ceil(o.Duration.Seconds()*o.Rate - 1e-6)), // the product may be rounded up
	}
}

// await waits until an operation is due. It returns the moment from which the
// latency counts, and whether the operation may start: it may not if ctx or, except
// for the first operation, the schedule has ended.
func (s *schedule) await(ctx context.Context, number int64) (from time.Time, start bool) {
	due := s.start.Add(time.Duration(float64(number) / s.rate * float64(time.Second)))
	now := time.Now()
	if !now.Before(due) {
		return due, now.Before(s.end) || number == 0
	}
	if !sleepUntil(ctx, due) {
		return due, false
	}
	if now = time.Now(); now.Sub(due) < timerSlack {
		due = now
	}
	return due, true
}

// work takes one operation after another from the schedule and does it when it is
// due, or as soon as possible after that.
func (s *schedule) work(ctx context.Context, c Client, m *Meter) {
	for ctx.Err() == nil {
		number := s.next.Add(1) - 1
		if number >= s.total {
			sleepUntil(ctx, s.end)
			return
		}
		from, start := s.await(ctx, number)
		if !start {
			s.skip(ctx, from, 1, m)
			continue
		}
		status, err := c.Do(ctx)
		if ctx.Err() != nil && err != nil {
			return // the end of ctx is not a failure of the server
		}
		m.add(status, err, time.Since(from))
	}
}

// skip counts operations that could not start before the end.
func (s *schedule) skip(ctx context.Context, due time.Time, n int64, m *Meter) {
	if ctx.Err() == nil {
		m.skip(s.end.Sub(due), n)
	}
}

// sleepUntil waits until a moment. It reports whether ctx has not ended before.
func sleepUntil(ctx context.Context, moment time.Time) bool {
	timer := time.NewTimer(time.Until(moment))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
