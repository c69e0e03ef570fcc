package script

import (
	"context"
	"strings"

	"asgibox/asgi"
	"asgibox/workerpool"

	"go.starlark.net/starlark"
)

// routed is an application that is given its messages. Its globals are
// frozen, and all workers share them.
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

// Live lets go what the file has sent and runs its start hook.
func (a *routed) Live(ctx context.Context, first bool) error {
	if err := a.staged.release(ctx, a.staged.direct); err != nil {
		return err
	}
	return a.unit.lifecycle(ctx, a.globals, first)
}

// Drain lets go the pages that wait for a new generation.
func (a *routed) Drain() { a.unit.loader.live.drain() }

// Current tells open pages.
func (a *routed) Current() { a.unit.loader.live.announce(a.unit.number) }

// Stop runs the stop hook.
func (a *routed) Stop(ctx context.Context) error { return a.unit.hook(ctx, a.globals, "on_stop") }

// Close frees the files.
func (a *routed) Close() { a.unit.close() }

// Channels lists what the routes name.
func (a *routed) Channels() []string { return a.table.channels }

// Clocks lists what every() asked for.
func (a *routed) Clocks() []workerpool.Clock { return a.table.clocks }

// Limits lists the routes with a concurrency.
func (a *routed) Limits() []workerpool.Limit { return a.table.limits }

// Route finds the consumer of a message. For requests and handshakes there
// always is one.
func (a *routed) Route(d asgi.Delivery) workerpool.Consumer {
	if d.Channel == "http.request" && strings.HasPrefix(d.Message.Text("path"), livePath) {
		return &liveConsumer{a.unit.loader}
	}
	m := a.table.find(d)
	if m.entry == nil && d.Channel != "http.request" && d.Channel != "websocket.connect" {
		return nil
	}
	return m
}

// Name names the function that handles the message, with its place.
func (m *match) Name() string {
	if m.entry == nil {
		return ""
	}
	return m.entry.name
}

// Explain places an error of the pool's at the consumer.
func (m *match) Explain(err error) error {
	if m.entry == nil {
		return err
	}
	if pos, ok := position(m.entry.route.consumer); ok {
		err = &atConsumer{err, pos}
	}
	return m.table.unit.explained(err)
}

// Ordered reports whether the connection's messages wait for each other.
func (m *match) Ordered() bool { return m.entry == nil || !m.entry.route.unordered }

// Limit answers the key of the route's bound of concurrency.
func (m *match) Limit() string {
	if m.entry == nil {
		return ""
	}
	return m.entry.limit
}

// Consume calls the consumer.
func (m *match) Consume(ctx context.Context, j *workerpool.Job) error {
	u := m.table.unit
	r := u.borrow(ctx)
	err := r.consume(m, j)
	if saved := r.saveSessions(); err == nil {
		err = saved
	}
	if err != nil {
		return u.explained(err)
	}
	u.giveBack(r)
	return nil
}

// borrow answers a run that nobody uses. Runs whose script failed are not
// used again: their threads may be cancelled.
func (u *unit) borrow(ctx context.Context) *run {
	if r, ok := u.threads.Get().(*run); ok {
		r.begin(ctx)
		return r
	}
	return u.newRun(ctx, "handler")
}

func (u *unit) giveBack(r *run) {
	r.job.Cause.Place = nil // the thread is somebody else's from now on
	r.job, r.out, r.cookie, r.held = nil, nil, "", false
	r.sessions = nil
	u.threads.Put(r)
}

// consume handles a job's message.
func (r *run) consume(m *match, j *workerpool.Job) error {
	r.handler = m.Name()
	r.work(j)
	d := j.Delivery
	if m.entry == nil {
		return r.unrouted(m, d)
	}
	msg := newMessage(r, d)
	if d.Channel == "websocket.connect" {
		if err := r.rememberPage(msg); err != nil {
			return err
		}
	}
	if v := m.entry.route.view; v != nil {
		return r.serve(m, v, msg)
	}
	_, err := r.call(m.entry.route.consumer, starlark.Tuple{msg}, m.kwargs)
	return blame(err)
}
