package process

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool"
)

// asgi3 is one generation of an ASGI 3 application. Its requests and WebSockets are
// tasks of the event loops of its processes. WebSockets outlive it: see sockets.
type asgi3 struct {
	name       string // of the callable, for logs
	generation uint64
	sockets    *sockets
	readers    asgi.Readers
	limit      int           // tasks of one event loop
	grace      time.Duration // how long tasks of a replaced generation may go on
	release    func()        // ends the processes
	// edit, if not nil, changes a response that is one message.
	edit func(request, response asgi.Message) (asgi.Message, error)

	ended chan struct{} // closed when the processes are released

	mu       sync.Mutex // guards the rest
	loops    map[*eventLoop]struct{}
	joined   chan struct{} // closed when the next event loop joins, or broken is set
	broken   error         // why no process could start; nil if one runs or may start
	retired  bool          // replaced: what goes on ends after grace
	closed   bool          // the pool needs the generation no more
	expired  bool          // the processes end although they have tasks
	released bool
}

func newASGI3Generation(generation uint64, s *sockets, limit int, grace time.Duration, release func()) *asgi3 {
	return &asgi3{
		generation: generation, sockets: s, readers: asgi.OrUnsupported[asgi.Readers](s.layer),
		limit: limit, grace: grace, release: release,
		loops: map[*eventLoop]struct{}{}, joined: make(chan struct{}), ended: make(chan struct{}),
	}
}

// serve runs the event loop of a process until its connection ends. It condemns the
// process if the event loop does not run for as long as timeout; zero means no limit.
func (a *asgi3) serve(p loopProcess, timeout time.Duration, read func() (loopFrame, error), out frameWriter) error {
	l := newEventLoop(a, p, out)
	a.mu.Lock()
	a.loops[l], a.broken = struct{}{}, nil
	a.wakeLocked()
	a.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { l.watch(ctx, timeout) })
	watching.Go(func() { l.check(ctx, timeout) })
	watching.Go(func() { l.write(ctx) })
	err := l.run(read)
	cancel()
	out.Close()
	watching.Wait()
	a.mu.Lock()
	delete(a.loops, l)
	a.mu.Unlock()
	return err
}

// wakeLocked makes those look again that wait for an event loop.
func (a *asgi3) wakeLocked() {
	close(a.joined)
	a.joined = make(chan struct{})
}

// notStarted fails the tasks that wait for an event loop, and later ones until a process
// starts.
func (a *asgi3) notStarted(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.broken = err
	a.wakeLocked()
}

// A BusyError says that all event loops have as many tasks as they may have.
type BusyError struct{ Tasks int }

func (e *BusyError) Error() string {
	return fmt.Sprintf("each process has %d requests and WebSockets already (--concurrency)", e.Tasks)
}

// HTTPStatus returns the status of the response.
func (e *BusyError) HTTPStatus() int { return http.StatusServiceUnavailable }

// choose returns the event loop with the fewest tasks. While no process runs, it
// waits for the next one, unless none can start.
func (a *asgi3) choose(ctx context.Context) (*eventLoop, error) {
	for {
		a.mu.Lock()
		joined, broken := a.joined, a.broken
		a.mu.Unlock()
		best := a.chooseNow()
		switch {
		case best == nil && broken != nil:
			return nil, broken
		case best == nil:
		case best.load() >= a.limit:
			return nil, &BusyError{a.limit}
		default:
			return best, nil
		}
		select {
		case <-joined:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", errNoProcess, context.Cause(ctx))
		}
	}
}

// tasks returns the number of tasks of a process.
func (a *asgi3) tasks(p loopProcess) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for l := range a.loops {
		if l.process == p {
			n += l.load()
		}
	}
	return n
}

// chooseNow returns the event loop with the fewest tasks, or nil.
func (a *asgi3) chooseNow() (best *eventLoop) {
	a.mu.Lock()
	defer a.mu.Unlock()
	least := 0
	for l := range a.loops {
		if n := l.load(); !l.isLost() && (best == nil || n < least) {
			best, least = l, n
		}
	}
	return best
}

// Live makes the generation the one that WebSockets are handed over to. The one
// before may be closed before Current is called.
//
// A process may be ready a moment before the connection of its event loop has joined, so
// Live waits for one.
func (a *asgi3) Live(ctx context.Context, _ bool) error {
	if _, err := a.choose(ctx); err != nil {
		return err
	}
	a.sockets.current.Store(a)
	return nil
}

// Current hands the WebSockets of older generations over to this one.
func (a *asgi3) Current() { a.sockets.handOver() }

// Drain does nothing: the application waits for nothing but its connections.
func (a *asgi3) Drain() {}

// Stop does nothing: the processes run the shutdown of the application when they end.
func (a *asgi3) Stop(context.Context) error { return nil }

// Close ends the processes when their tasks have ended. WebSockets for which there is
// no newer ASGI 3 application lose their task.
func (a *asgi3) Close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.sockets.leave(a)
	a.left()
}

// forceWait is the time after which the processes of a replaced generation are ended
// although they have tasks that were told to end.
const forceWait = 5 * time.Second

// retire gives the tasks of a replaced generation the grace period to end or to hand over
// their WebSockets. Then it ends them, and at last their processes.
func (a *asgi3) retire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.retired {
		return
	}
	a.retired = true
	a.sockets.wg.Go(func() {
		if a.endsWithin(a.grace) {
			return
		}
		a.sockets.force(a)
		if !a.endsWithin(forceWait) {
			a.expire()
		}
	})
}

func (a *asgi3) endsWithin(d time.Duration) bool {
	select {
	case <-a.ended:
		return true
	case <-time.After(d):
		return false
	}
}

// expire ends the processes although they have tasks.
func (a *asgi3) expire() {
	a.mu.Lock()
	a.expired = true
	a.mu.Unlock()
	a.left()
}

// isOlder reports whether a newer generation has become current.
func (a *asgi3) isOlder() bool {
	current := a.sockets.current.Load()
	return current != nil && a.generation < current.generation
}

// left is called when a task has left an event loop. The last one of a closed
// generation ends the processes.
func (a *asgi3) left() {
	a.mu.Lock()
	last := a.closed || a.expired
	if !a.expired {
		for l := range a.loops {
			last = last && l.load() == 0
		}
	}
	last = last && !a.released
	if last {
		a.released = true
		close(a.ended)
	}
	a.mu.Unlock()
	if last {
		a.release()
	}
}

// Channels lists the channels of protocol servers. Whether the client of a request
// has left is checked instead of received, because few applications want to know.
func (a *asgi3) Channels() []string {
	return []string{asgi.HTTPRequest, asgi.WebSocketConnect, asgi.WebSocketReceive, asgi.WebSocketDisconnect}
}

// Clocks returns nil.
func (a *asgi3) Clocks() []workerpool.Clock { return nil }

// Limits returns nil: the event loops have a limit for all their tasks.
func (a *asgi3) Limits() []workerpool.Limit { return nil }

// Route returns the consumer of a channel.
func (a *asgi3) Route(d asgi.Delivery) workerpool.Consumer {
	switch d.Channel {
	case asgi.HTTPRequest:
		return asgi3Consumer{app: a, consume: a.serveRequest}
	case asgi.WebSocketConnect:
		return asgi3Consumer{app: a, consume: a.connect}
	case asgi.WebSocketReceive, asgi.WebSocketDisconnect:
		return asgi3Consumer{app: a, consume: a.sockets.deliver, holds: true}
	}
	return nil
}

// An asgi3Consumer gives the messages of a channel to tasks.
type asgi3Consumer struct {
	app     *asgi3
	consume func(context.Context, *workerpool.Job) error
	holds   bool // until receive() has returned the message
}

var _ workerpool.Holder = asgi3Consumer{}

func (c asgi3Consumer) Name() string            { return c.app.name }
func (c asgi3Consumer) Ordered() bool           { return true }
func (c asgi3Consumer) Limit() string           { return "" }
func (c asgi3Consumer) Holds() bool             { return c.holds }
func (c asgi3Consumer) Explain(err error) error { return err }

func (c asgi3Consumer) Consume(ctx context.Context, j *workerpool.Job) error {
	return c.consume(ctx, j)
}

// errNoProcess is the failure of a WebSocket that no process can go on with.
var errNoProcess = errors.New("no process of the application runs")
