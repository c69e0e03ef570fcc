package script

import (
	"log/slog"

	"asgibox/asgi"
	"asgibox/internal/logkey"
	"asgibox/workerpool/routing"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/sendcheck"
)

// checkSend checks a message to a channel whose reader is known, and reports its
// problem.
func (r *run) checkSend(name string, m asgi.Message) ([]asgi.SendOption, error) {
	if r.unit.loader.opts.NoCheck {
		return nil, nil
	}
	return r.report(name, sendcheck.Message(r.job, name, m, r.unreadProblem))
}

var reported = []asgi.SendOption{asgi.Reported}

// report logs one warning for each line with a problem, or fails if the loader is
// strict. It returns the options for sending the message.
func (r *run) report(name string, c *sendcheck.Problem) ([]asgi.SendOption, error) {
	if c == nil {
		return nil, nil
	}
	if r.unit.loader.opts.Strict && !c.Possible {
		return nil, explain.Hintf(c.Hint, "%s", c.What)
	}
	if !r.unit.warned.First(location(r.thread)+c.What, routing.MaxWarnings) {
		return reported, nil
	}
	r.unit.logAt(r.thread, slog.LevelWarn, c.Text(), logkey.Channel, name)
	return reported, nil
}

// groupProblem returns the problem of a message to a group, or nil.
func (r *run) groupProblem(name string, m asgi.Message) *sendcheck.Problem {
	if r.unit.loader.opts.NoCheck {
		return nil
	}
	return sendcheck.Group(r.ctx, r.job, name, m)
}
