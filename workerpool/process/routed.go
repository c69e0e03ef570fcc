package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"asgibox/asgi"
	"asgibox/workerpool"
	"asgibox/workerpool/routing"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/web"
)

// routed is an application whose processes list their routes, or have one function for
// all requests.
type routed struct {
	*set
	root    *os.Root
	env     *web.Env
	desc    *described
	table   *routing.Table
	dropped routing.Dropped
	warned  routing.Warned // places and problems of messages
	hooks   []string

	wsgi *wsgi // handles requests without a route; nil if there is none
}

var (
	_ workerpool.Routed   = (*routed)(nil)
	_ workerpool.Sized    = (*routed)(nil)
	_ workerpool.Consumer = (*match)(nil)
	_ workerpool.Consumer = (*wsgi)(nil)
)

// newRouted returns the routed application whose processes are ready.
func newRouted(g *set, r ready) (workerpool.Application, error) {
	a, err := g.newRouted(r)
	if err != nil {
		return nil, err
	}
	if d := find[asgi.Dict](r.args, "application"); d.Len() > 0 {
		a.addWSGI(d)
	}
	return a, nil
}

// newWSGI returns the application of one function whose processes are ready.
func newWSGI(g *set, r ready) (workerpool.Application, error) {
	a, err := g.newRouted(r)
	if err != nil {
		return nil, err
	}
	a.addWSGI(find[asgi.Dict](r.args, "application"))
	return a, nil
}

func (g *set) newRouted(r ready) (*routed, error) {
	root, err := os.OpenRoot(g.opts.Folder)
	if err != nil {
		return nil, fmt.Errorf("cannot open the application's folder: %w", err)
	}
	a := &routed{set: g, root: root, hooks: texts(find[asgi.List](r.args, "hooks"))}
	g.routes = r.identities()
	a.env = web.NewEnv(root, a.used, g.loader.isPrivate)
	a.desc = &described{folder: g.opts.Folder, env: a.env, log: g.log, generation: g.generation, sources: map[string]string{}, strict: g.opts.Strict, noCheck: g.opts.NoCheck}
	a.dropped.Log, a.dropped.Generation = g.log, g.generation
	if a.table, err = a.desc.table(r.args); err != nil {
		root.Close()
		return nil, err
	}
	return a, nil
}

// used notes that the application renders a file in its folder.
func (a *routed) used(name string) {
	a.loader.useTemplate(filepath.Join(a.opts.Folder, filepath.FromSlash(name)))
}

// inFolder returns a path relative to the application's folder, if it is an absolute
// path in it.
func (a *routed) inFolder(path string) string {
	if filepath.IsAbs(path) {
		if rel, err := filepath.Rel(a.opts.Folder, path); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel)
		}
	}
	return path
}

// Live makes the calls that were held back, and runs the start hook in one process.
func (a *routed) Live(ctx context.Context, first bool) error {
	err := a.set.Live(ctx, first)
	if err != nil {
		return err
	}
	name := "on_reload"
	if first {
		name = "on_start"
	}
	err = a.runHook(ctx, name)
	if err != nil && ctx.Err() != nil {
		a.kill() // the hook may not end
	}
	return err
}

// Stop runs the stop hook in one process.
func (a *routed) Stop(ctx context.Context) error { return a.runHook(ctx, "on_stop") }

func (a *routed) runHook(ctx context.Context, name string) error {
	if !slices.Contains(a.hooks, name) {
		return nil
	}
	if err := a.hook(ctx, name); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Close ends the processes.
func (a *routed) Close() {
	a.set.Close()
	a.root.Close()
}

// Workers implements [workerpool.Sized].
func (a *routed) Workers() int {
	return min(a.opts.Processes*a.opts.Threads, workerpool.MaxWorkers)
}

// Channels implements [workerpool.Routed].
func (a *routed) Channels() []string { return a.table.Channels }

// Clocks implements [workerpool.Routed].
func (a *routed) Clocks() []workerpool.Clock { return a.table.Clocks }

// Limits implements [workerpool.Routed].
func (a *routed) Limits() []workerpool.Limit { return a.table.Limits }

// Route implements [workerpool.Routed]. Only a disconnect may have no consumer: that of
// another message without a route replies or logs a warning.
func (a *routed) Route(d asgi.Delivery) workerpool.Consumer {
	if c := a.opts.Pages.Consumer(d); c != nil {
		return c
	}
	m := &match{a.table.Find(d), a}
	if m.Entry == nil && a.wsgi != nil && d.Channel == asgi.HTTPRequest && len(m.Allow) == 0 {
		return a.wsgi
	}
	if m.Entry == nil && (d.Channel == asgi.HTTPDisconnect || d.Channel == asgi.WebSocketDisconnect) {
		return nil
	}
	return m
}

// Serves reports whether a page may show a file of the application's folder.
func (a *routed) Serves(name string) bool { return a.env.Serves(name) }

// match is the entry that matches a message, with the captured arguments.
type match struct {
	routing.Match
	app *routed
}

// Name returns the name and place of the function that handles the message.
func (m *match) Name() string {
	if m.Entry == nil {
		return ""
	}
	return m.Entry.Name
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

// Explain places an error of the pool at the consumer.
func (m *match) Explain(err error) error {
	if m.Entry == nil {
		return err
	}
	return m.app.desc.placed(err, m.Entry.Route.At)
}

// Consume runs the consumer in a process.
func (m *match) Consume(ctx context.Context, j *workerpool.Job) error {
	a, d := m.app, &j.Delivery
	if m.Entry == nil {
		return a.unrouted(ctx, m, j)
	}
	if d.Channel == asgi.WebSocketConnect {
		found, err := a.loader.sessions.SaveID(ctx, j.Cause, j.ReplyChannel(), d.Message)
		if err != nil {
			return err
		}
		if found {
			j.UseSession()
		}
	}
	o := m.Entry.Route
	if o.View != nil && o.View.Files != nil {
		return a.serveFile(ctx, m, j)
	}
	f := jobFrame{channel: d.Channel, message: d.Message, consumer: o.Consumer.(int), kwargs: fieldsOf(m.Args), handler: m.Entry.Name}
	calls := &jobCalls{app: a, job: j, ctx: ctx}
	f.serve = calls.do
	if !a.opts.NoCheck {
		f.check = calls.check
	}
	if o.View != nil {
		f.params = fieldsOf(m.Params)
		f.edit = calls.edit
	}
	return a.run(ctx, j, f)
}

// fieldsOf returns captures as fields. It returns nil if there are none.
func fieldsOf(captured []web.Capture) asgi.Fields {
	fields := make(asgi.Fields, len(captured))
	for i, c := range captured {
		fields[i] = asgi.Field{Key: c.Name, Value: c.Value}
	}
	return fields
}

// unrouted handles a message that matches no route.
func (a *routed) unrouted(ctx context.Context, m *match, j *workerpool.Job) error {
	reply, err := a.table.Unrouted(&m.Match, j.Delivery)
	if err == nil {
		return j.Send(ctx, j.ReplyChannel(), reply)
	}
	var e *routing.NotFoundError
	if !errors.Is(err, routing.ErrNoReply) || !errors.As(err, &e) {
		return err
	}
	j.Unrouted()
	if at, ok := a.table.Nearest(e.Channel, e.Path); ok && a.opts.Strict {
		return a.desc.placed(explain.Hintf(e.Hint(), "a message was dropped: %s", e.Error()), at)
	}
	a.dropped.Warn(e)
	return nil
}

// serveFile responds to a request with a static file.
func (a *routed) serveFile(ctx context.Context, m *match, j *workerpool.Job) error {
	request, err := j.Delivery.Message, error(nil)
	if m.Path != request.Text(asgi.KeyPath) {
		if request, err = request.With(asgi.KeyPath, m.Path); err != nil {
			return err
		}
	}
	return m.Entry.Route.View.Files.Serve(web.NewRequest(request, web.Hooks{}), sender(ctx, j))
}

// sender sends the messages of a response. It waits for clients that read slowly.
func sender(ctx context.Context, j *workerpool.Job) *web.Sender {
	return &web.Sender{Send: func(m asgi.Message) error {
		return retryWhileFull(ctx, func() error { return j.Send(ctx, j.ReplyChannel(), m) })
	}}
}
