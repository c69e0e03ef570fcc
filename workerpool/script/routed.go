package script

import (
	"context"

	"asgibox/asgi"
	"asgibox/workerpool"
	"asgibox/workerpool/script/explain"

	"go.starlark.net/starlark"
)

// routed is an application that receives its messages from the pool. Its globals
// are frozen, and all workers share them.
type routed struct {
	unit    *unit
	globals starlark.StringDict
	staged  *staged
	table   *table
}

var (
	_ workerpool.Routed   = (*routed)(nil)
	_ workerpool.Consumer = (*match)(nil)
)

// Live sends the messages that the file sent while loading, then runs the start
// hook.
func (a *routed) Live(ctx context.Context, first bool) error {
	err := a.staged.release(ctx, a.staged.direct)
	if err == nil {
		err = a.unit.lifecycle(ctx, a.globals, first)
	}
	return a.unit.loader.pages.LoadFailed(ctx, err)
}

// Drain replies to the pages that wait for a new generation.
func (a *routed) Drain() { a.unit.loader.pages.Drain() }

// Current notifies open pages that this generation is live.
func (a *routed) Current() { a.unit.loader.pages.Current(a.unit.number) }

// Stop runs the stop hook.
func (a *routed) Stop(ctx context.Context) error { return a.unit.hook(ctx, a.globals, "on_stop") }

// Close closes the files.
func (a *routed) Close() { a.unit.close() }

// Channels lists the channels of the routes.
func (a *routed) Channels() []string { return a.table.Channels }

// Clocks lists the clocks that every() defined.
func (a *routed) Clocks() []workerpool.Clock { return a.table.Clocks }

// Limits lists the concurrency limits of routes.
func (a *routed) Limits() []workerpool.Limit { return a.table.Limits }

// Route returns the consumer of a message. Only a disconnect may have none: the
// consumer of another message without a route replies or logs a warning.
func (a *routed) Route(d asgi.Delivery) workerpool.Consumer {
	if c := a.unit.loader.pages.Consumer(d); c != nil {
		return c
	}
	m := a.table.find(d)
	if m.Entry == nil && (d.Channel == asgi.HTTPDisconnect || d.Channel == asgi.WebSocketDisconnect) {
		return nil
	}
	return m
}

// Name returns the name and place of the function that handles the message.
func (m *match) Name() string {
	if m.Entry == nil {
		return ""
	}
	return m.Entry.Name
}

// Explain places an error of the pool at the consumer.
func (m *match) Explain(err error) error {
	if m.Entry == nil {
		return err
	}
	if pos, ok := position(m.consumer()); ok {
		err = &placedError{err, pos}
	}
	return m.table.unit.explained(err)
}

// Ordered reports whether the messages of a connection are handled one at a time.
func (m *match) Ordered() bool { return m.Entry == nil || !m.Entry.Route.Unordered }

// Limit returns the key of the route's concurrency limit, or "".
func (m *match) Limit() string {
	if m.Entry == nil {
		return ""
	}
	return m.Entry.Limit
}

// Consume calls the consumer.
func (m *match) Consume(ctx context.Context, j *workerpool.Job) error {
	u := m.table.unit
	r := u.takeRun(ctx)
	err := r.consume(m, j)
	if saved := r.saveSessions(); err == nil {
		err = saved
	}
	if err == nil && r.cookie != "" && j.PassedOn() {
		err = explain.Hintf(`send {"status": 200, "more_content": True} or the whole response here, or change the session in another request`,
			"the response needs the new cookie of the session, so this handler must send its first message")
	}
	if err != nil {
		return u.explained(err)
	}
	u.returnRun(r)
	return nil
}

// takeRun returns an idle run or a new one. Runs that failed are not reused,
// because their threads may be cancelled.
func (u *unit) takeRun(ctx context.Context) *run {
	if r, ok := u.threads.Get().(*run); ok {
		r.reset(ctx)
		return r
	}
	return u.newRun(ctx, "handler")
}

func (u *unit) returnRun(r *run) {
	r.job.Cause.Place = nil // other handlers will use the thread
	r.job, r.out, r.cookie, r.held = nil, nil, "", false
	r.sessions = nil
	u.threads.Put(r)
}

// consume handles a job's message.
func (r *run) consume(m *match, j *workerpool.Job) error {
	defer r.memory.Release()
	r.handler = m.Name()
	r.setJob(j)
	r.step("")
	d := j.Delivery
	if m.Entry == nil {
		return r.unrouted(m, d)
	}
	if c := r.unit.loader.opts.Coverage; c != nil { // describing a route takes time
		c.reached(m.Entry.DescribeOn(d.Channel))
	}
	msg := newMessage(r, d)
	if d.Channel == asgi.WebSocketConnect {
		if err := r.saveSessionID(msg); err != nil {
			return err
		}
	}
	if v := m.Entry.Route.View; v != nil {
		return r.serveView(m, v, msg)
	}
	_, err := r.call(m.consumer(), starlark.Tuple{msg}, m.kwargs())
	return err
}
