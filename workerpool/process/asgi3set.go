package process

import (
	"context"
	"errors"

	"asgibox/asgi"
	"asgibox/workerpool"
)

// defaultConcurrency is the number of tasks of a process if the options have none.
const defaultConcurrency = 1000

// An asgi3Set is an ASGI 3 application and its processes.
type asgi3Set struct {
	*asgi3
	set *set
}

// errSharedLayer refuses a layer whose connections other servers may have.
var errSharedLayer = errors.New("an ASGI 3 application runs only beside its own server, without --layer, because its tasks belong to the connections of that server")

// newASGI3 returns the application of a set whose processes are ready.
func (g *set) newASGI3(r ready) (workerpool.Application, error) {
	_, own := asgi.As[asgi.Acceptors](g.server.layer)
	_, shared := asgi.As[asgi.Ticker](g.server.layer)
	if !own || shared {
		return nil, errSharedLayer
	}
	a := g.asgi3()
	a.name = orElse(find[string](r.args, "name"), "the application")
	return &asgi3Set{a, g}, nil
}

// asgi3 returns the ASGI 3 application of the set. Its event loops connect before the
// set is ready.
func (g *set) asgi3() *asgi3 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.tasks == nil {
		limit := g.opts.Concurrency
		if limit <= 0 {
			limit = defaultConcurrency
		}
		g.tasks = newASGI3Generation(g.generation, g.loader.sockets, limit, g.opts.Grace, g.end)
		g.tasks.edit = func(request, m asgi.Message) (asgi.Message, error) { return editPage(g.opts.Pages, request, m) }
	}
	return g.tasks
}

// isASGI3 reports whether an event loop has connected.
func (g *set) isASGI3() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tasks != nil
}

// Live implements [workerpool.Application].
func (a *asgi3Set) Live(ctx context.Context, first bool) error {
	if err := a.set.Live(ctx, first); err != nil {
		return err
	}
	return a.asgi3.Live(ctx, first)
}

// Workers implements [workerpool.Sized]: each task of an event loop can have a message.
func (a *asgi3Set) Workers() int {
	return min(a.set.opts.Processes*a.asgi3.limit, workerpool.MaxWorkers)
}

// Route implements [workerpool.Routed].
func (a *asgi3Set) Route(d asgi.Delivery) workerpool.Consumer {
	if c := a.set.opts.Pages.Consumer(d); c != nil {
		return c
	}
	return a.asgi3.Route(d)
}

// Current implements [workerpool.Application].
func (a *asgi3Set) Current() {
	a.set.Current()
	a.asgi3.Current()
}

// Drain implements [workerpool.Application].
func (a *asgi3Set) Drain() { a.set.Drain() }

// serveASGI3 makes a connection that of the event loop of the process.
func (c *child) serveASGI3(one *conn) error {
	timeout := c.set.opts.HandlerTimeout
	if c.set.opts.Debug {
		timeout = 0
	}
	one.out.patient.Store(true) // an event loop may hang for the timeout
	return c.set.asgi3().serve(loopChild{c}, timeout, func() (loopFrame, error) { return readLoopFrame(one.reader) }, loopConn{one})
}

// A loopConn writes to an event loop. An error ends the connection.
type loopConn struct{ *conn }

func (c loopConn) Write(heads ...asgi.Fields) error {
	err := c.writer.Write(heads...)
	if err != nil {
		c.net.Close() // the goroutine that reads finds that out
	}
	return err
}

func (c loopConn) Close() error { return c.net.Close() }

// A loopChild is a child with an event loop.
type loopChild struct{ *child }

func (c loopChild) ended() context.Context { return c.ctx }

func (c loopChild) condemn(why error) { c.kill(why.Error()) }

func (c loopChild) interrupt(why error) {
	c.tell(asgi.Fields{{Key: "cancel", Value: int64(0)}, {Key: "reason", Value: why.Error()}})
}
