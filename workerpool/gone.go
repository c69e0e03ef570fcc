package workerpool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"asgibox/asgi"
)

// errClientLeft is why a handler is cancelled that replies to a connection that
// has ended.
var errClientLeft = fmt.Errorf("the client has left: %w", asgi.ErrGone)

// goneAllowance is how long a loop application, or a handler that has completed
// its reply, may send to a connection that has ended.
const goneAllowance = time.Second

// maxGone is how many connections that have ended are remembered.
const maxGone = 4096

// reportGone is a slice because a literal would allocate for every reply.
var reportGone = []asgi.SendOption{asgi.ReportGone}

// sendReply sends a message to the connection of the job. If the connection has
// ended, the handler is cancelled and sendReply fails, unless the message of
// the job says that the connection has ended. A loop application is cancelled
// only if it sends for longer than goneAllowance, because a loop has more to do
// than this reply. The same applies to a handler that has completed its reply.
func (j *Job) sendReply(ctx context.Context, m asgi.Message, opts []asgi.SendOption) error {
	if len(opts) == 0 {
		opts = reportGone
	} else {
		opts = append(opts[:len(opts):len(opts)], asgi.ReportGone)
	}
	err := j.pool.layer.Send(ctx, j.Cause, j.reply, m, opts...)
	switch {
	case err == nil:
		if j.waits.Load() {
			j.accepted(m.Footprint())
		}
		j.sent(j.reply, m)
		return nil
	case errors.Is(err, asgi.ErrChannelFull):
		j.refused(err)
		return err
	case !errors.Is(err, asgi.ErrGone):
		return err
	}
	j.replied = true
	if isDisconnect(j.Delivery.Channel) {
		return nil
	}
	if j.completed || j.worker.gen.kind == KindLoop {
		if j.goneSince.IsZero() {
			j.goneSince = time.Now()
		}
		if time.Since(j.goneSince) < goneAllowance {
			return nil
		}
	}
	j.cancelGone()
	return errClientLeft
}

// cancelGone cancels the handler of the job because the client has left.
func (j *Job) cancelGone() {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	if w := j.worker; w.job == j && w.cancelled.IsZero() {
		w.cancelLocked(time.Now(), errClientLeft)
	}
}

// noteStreaming records that a handler has sent a piece of a streamed response,
// or its last piece.
func (p *Pool) noteStreaming(w *worker, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.clock.restart(time.Now())
	w.streaming = more
}

// cancelStreams cancels the handlers of streamed responses whose clients have
// left, because such a handler may wait for long before it sends again.
func (p *Pool) cancelStreams() {
	for _, j := range p.streams() {
		if !p.readers.HasReader(j.reply) {
			j.cancelGone()
		}
	}
}

// streams returns the jobs of routed applications that stream a response.
func (p *Pool) streams() (jobs []*Job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.workers {
		if w.streaming && w.job != nil && w.gen.kind == KindRouted && w.cancelled.IsZero() {
			jobs = append(jobs, w.job)
		}
	}
	return jobs
}
