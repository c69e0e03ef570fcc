package workerpool

import (
	"context"
)

// A SilenceError is the failure of a handler that returned without having
// answered.
type SilenceError struct {
	Channel  string // of the message that was handled
	Consumer string
	Ignored  string // why what it sent to a handshake is ignored, or ""
}

func (e *SilenceError) Error() string {
	switch {
	case e.Ignored != "":
		return e.Consumer + " answered the handshake with a message that is ignored: " + e.Ignored
	case e.Channel == websocketConnect:
		return e.Consumer + " returned without deciding the handshake"
	}
	return e.Consumer + " returned without answering the request"
}

// Hint says what to add.
func (e *SilenceError) Hint() string {
	switch {
	case e.Ignored != "":
		return `mend it; to accept, message.reply_channel.send({"accept": True}) will do, with "text": text or "bytes": bytes`
	case e.Channel == websocketConnect:
		return `add message.reply_channel.send({"accept": True}), or message.deny() to refuse it`
	}
	return `add message.reply_channel.send({"status": 200, "content": "…"}), or hold(message) if somebody else answers later`
}

// watch answers for a handler that returned and left nobody to answer.
func (p *Pool) watch(j *Job, c Consumer) {
	channel := j.Delivery.Channel
	if p.opts.NoWatchdog || j.reply == "" || (channel != httpRequest && channel != websocketConnect) {
		return
	}
	switch {
	case j.answered, j.passed:
	case j.joined == "" || j.ignored != "":
		p.fail(j, c.Name(), c.Explain(&SilenceError{channel, c.Name(), j.ignored}))
	case channel == websocketConnect:
		p.log.Warn("the handshake waits: its channel only joined a group, which does not accept it; "+
			"add message.reply_channel.send({\"accept\": True})",
			"consumer", c.Name(), "group", j.joined, "channel", j.reply, "generation", j.gen.number)
	}
}

// consume runs the handler of a job and deals with its failure or silence.
func (p *Pool) consume(ctx context.Context, c Consumer, j *Job) {
	if c == nil {
		p.unrouted(j)
		return
	}
	err := guard(func() error { return c.Consume(ctx, j) })
	switch {
	case p.replaced(j):
	case err != nil && ctx.Err() != nil:
		p.fail(j, c.Name(), &CancelledError{context.Cause(ctx), err})
	case err != nil:
		p.fail(j, c.Name(), err)
	default:
		p.watch(j, c)
	}
}

// A CancelledError is the failure of a handler that was cancelled.
type CancelledError struct {
	Cause error // why it was cancelled
	Err   error // what it made of that
}

func (e *CancelledError) Error() string { return e.Cause.Error() }

// Unwrap answers the handler's own error, which tells where it was, and the
// cause.
func (e *CancelledError) Unwrap() []error { return []error{e.Err, e.Cause} }

// replaced reports whether the job's worker was given up, and the job
// answered for.
func (p *Pool) replaced(j *Job) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return j.worker.abandoned
}

// settle ends a connection's session after its disconnect was handled.
func (p *Pool) settle(j *Job) {
	if !isDisconnect(j.Delivery.Channel) || j.reply == "" {
		return
	}
	p.mu.Lock()
	p.gone.add(j.reply)
	sessions := p.sessions
	p.mu.Unlock()
	if !sessions || p.kv == nil {
		return
	}
	if err := p.kv.Delete(context.Background(), nil, "channel/"+j.reply); err != nil {
		p.log.Warn("the session of a connection that has ended stays until it expires", "channel", j.reply, "err", err)
	}
}
