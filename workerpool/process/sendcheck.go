package process

import (
	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/internal/logkey"
	"asgibox/workerpool/routing"
	"asgibox/workerpool/sendcheck"
)

// check finds mistakes in a message that the handler sends to a channel or a group. It
// logs one warning for each line with a mistake, or fails if the application is
// strict.
func (c *jobCalls) check(name string, m asgi.Message, group bool) ([]asgi.SendOption, error) {
	var p *sendcheck.Problem
	if group {
		p = sendcheck.Group(c.ctx, c.job, name, m)
	} else {
		p = sendcheck.Message(c.job, name, m, c.app.unread)
	}
	if p == nil {
		return nil, nil
	}
	if c.app.opts.Strict && !p.Possible {
		return nil, remote.Errorf(remote.InvalidMessage, "%s", p.Text())
	}
	at := ""
	if c.job.Cause.Place != nil {
		at = c.job.Cause.Place()
	}
	if c.app.warned.First(at+p.What, routing.MaxWarnings) {
		c.app.log.Warn(p.Text(), logkey.At, at, logkey.Channel, name, logkey.Generation, c.app.generation, logkey.Trace, c.job.Cause.Trace().String())
	}
	return []asgi.SendOption{asgi.Reported}, nil
}

// unread returns the problem of a message on an ordinary channel, or nil.
func (a *routed) unread(name string) *sendcheck.Problem {
	return sendcheck.Unread(a.table, a.server.ext.readers, func() []string { return nil }, name)
}
