package workerpool

import (
	"context"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// A NoReplyError is the failure of a handler that returned without replying.
type NoReplyError struct {
	Channel  string // of the message that was handled
	Consumer string
	Ignored  string // why the reply to a handshake is ignored, or ""
}

func (e *NoReplyError) Error() string {
	switch {
	case e.Ignored != "":
		return e.Consumer + " replied to the handshake with a message that is ignored: " + e.Ignored
	case e.Channel == asgi.WebSocketConnect:
		return e.Consumer + " returned without accepting or refusing the handshake"
	}
	return e.Consumer + " returned without replying to the request"
}

// Hint says how to fix the handler.
func (e *NoReplyError) Hint() string {
	switch {
	case e.Ignored != "":
		return `fix the reply; to accept, send {"accept": True}, with "text": text or "bytes": bytes if there is something to send`
	case e.Channel == asgi.WebSocketConnect:
		return `add message.reply_channel.send({"accept": True}), or message.deny() to refuse it`
	}
	return `add message.reply_channel.send({"status": 200, "content": "…"}), or hold(message) if the reply is sent later`
}

// Unanswered reports whether the handler has neither replied nor arranged a later
// reply, and the pool checks that.
func (j *Job) Unanswered() bool {
	return !j.pool.opts.NoWatchdog && !j.replied && !j.handedOver && j.joined == ""
}

// PassedOn reports whether the handler has arranged a later reply, for example by sending
// its reply channel to another handler.
func (j *Job) PassedOn() bool { return j.handedOver || j.joined != "" }

// checkReplied sends an error reply if a handler returned without replying and
// without arranging a later reply.
func (p *Pool) checkReplied(j *Job, c Consumer) {
	channel := j.Delivery.Channel
	if p.opts.NoWatchdog || j.reply == "" || (channel != asgi.HTTPRequest && channel != asgi.WebSocketConnect) {
		return
	}
	switch {
	case j.replied, j.handedOver:
	case j.joined == "" || j.ignored != "":
		p.fail(j, c.Name(), c.Explain(&NoReplyError{channel, c.Name(), j.ignored}))
	case channel == asgi.WebSocketConnect:
		p.log.Warn("the handshake still waits: its channel only joined a group, which does not accept it; "+
			"add message.reply_channel.send({\"accept\": True})",
			"consumer", c.Name(), "group", j.joined, logkey.Channel, j.reply, logkey.Generation, j.gen.number)
	}
}

// consume runs the handler of a job and reports its failure or missing reply.
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
		p.checkReplied(j, c)
	}
}

// A CancelledError is the failure of a handler that was cancelled.
type CancelledError struct {
	Cause error // why it was cancelled
	Err   error // the error of the handler
}

func (e *CancelledError) Error() string { return e.Cause.Error() }

// Unwrap returns the error of the handler, which has its position, and the
// cause.
func (e *CancelledError) Unwrap() []error { return []error{e.Err, e.Cause} }

// replaced reports whether the worker of the job was replaced. An error reply
// has been sent then.
func (p *Pool) replaced(j *Job) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return j.worker.abandoned
}

// endSession deletes the session of a connection after its disconnect was
// handled. A disconnect that was put back is handled later.
func (p *Pool) endSession(j *Job) {
	if !isDisconnect(j.Delivery.Channel) || j.reply == "" {
		return
	}
	p.mu.Lock()
	p.gone.Add(j.reply, maxGone)
	sessions := p.sessions
	p.mu.Unlock()
	if !sessions || j.putBack {
		return
	}
	if err := p.kv.Delete(context.Background(), nil, asgi.ConnectionPrefix+j.reply); err != nil {
		p.log.Warn("could not delete the session of a connection that has ended; it stays until it expires", logkey.Channel, j.reply, logkey.Error, err)
	}
}
