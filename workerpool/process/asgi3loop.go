package process

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"asgibox/asgi"
)

// A loopProcess is a child process as its event loop needs it.
type loopProcess interface {
	// ended returns a context that is done when the process has ended, with the
	// reason as its cause.
	ended() context.Context
	// interrupt raises the exception Cancelled in the main thread.
	interrupt(why error)
	// condemn kills the process, which does not react, and replaces it.
	condemn(why error)
}

// An eventLoop is the event loop of a child process, at the other end of one
// connection. It has a task for each request and WebSocket.
type eventLoop struct {
	app     *asgi3
	process loopProcess
	out     frameWriter

	unsent chan struct{} // of one: there are frames in queue

	mu    sync.Mutex // guards the rest
	last  int64      // number of the newest task
	tasks map[int64]task
	queue []asgi.Fields // frames that write takes; a task has few that wait
	lost  error         // why there is no connection any more
	pings int64         // sent
	pongs int64         // received
	asked time.Time     // when the last ping was sent
	hung  *HungError    // why the event loop was interrupted since then
}

// A frameWriter is the connection of an event loop.
type frameWriter interface {
	// Write waits until the event loop reads. If it fails, the connection has ended,
	// which ends the tasks.
	Write(heads ...asgi.Fields) error
	// Close ends the connection. A Write that waits fails.
	Close() error
}

// send sends a frame. It never waits, because the event loop may hang and not read: write
// does that.
func (l *eventLoop) send(head asgi.Fields) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return
	}
	l.queue = append(l.queue, head)
	select {
	case l.unsent <- struct{}{}:
	default:
	}
}

// write writes the frames that are sent, until the context is done or the connection has
// ended. It writes all that wait with one call.
func (l *eventLoop) write(ctx context.Context) {
	var heads []asgi.Fields
	for {
		select {
		case <-l.unsent:
		case <-ctx.Done():
			return
		}
		runtime.Gosched() // let other goroutines send too
		l.mu.Lock()
		l.queue, heads = heads[:0], l.queue
		l.mu.Unlock()
		if l.out.Write(heads...) != nil {
			return
		}
		clear(heads)
	}
}

// A task is the server's half of a task of an event loop.
type task interface {
	// frame handles a frame of the task, on the goroutine that reads from the
	// event loop.
	frame(f loopFrame)
	// check is called at intervals, with the handler timeout; zero means none.
	check(timeout time.Duration)
	// end says that the event loop is lost.
	end(why error)
}

func newEventLoop(app *asgi3, p loopProcess, out frameWriter) *eventLoop {
	return &eventLoop{app: app, process: p, out: out, unsent: make(chan struct{}, 1), tasks: map[int64]task{}}
}

// add adds a task and returns its number. It fails if the event loop is lost.
func (l *eventLoop) add(t task) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return 0, l.lost
	}
	l.last++
	l.tasks[l.last] = t
	return l.last, nil
}

// remove removes a task that has ended or was moved.
func (l *eventLoop) remove(id int64) {
	l.mu.Lock()
	_, found := l.tasks[id]
	delete(l.tasks, id)
	l.mu.Unlock()
	if found {
		l.app.left()
	}
}

// load returns the number of tasks.
func (l *eventLoop) load() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.tasks)
}

// run reads frames until the connection ends. Then it ends all tasks.
func (l *eventLoop) run(read func() (loopFrame, error)) error {
	for {
		f, err := read()
		if err != nil {
			l.end(err)
			return err
		}
		l.handle(f)
	}
}

// handle handles a frame. Frames of tasks that were removed are ignored.
func (l *eventLoop) handle(f loopFrame) {
	l.mu.Lock()
	if f.kind == "pong" {
		l.pongs = f.id
	}
	t := l.tasks[f.id]
	l.mu.Unlock()
	if t != nil && f.kind != "pong" {
		t.frame(f)
	}
}

// exitWait is how long a lost connection waits for the end of its process, whose
// reason says more.
const exitWait = 2 * time.Second

// end ends all tasks, with the reason for the end of the process. A process that has
// only lost its connection is replaced.
func (l *eventLoop) end(why error) {
	ended := l.process.ended()
	timer := time.NewTimer(exitWait)
	defer timer.Stop()
	select {
	case <-ended.Done():
		why = context.Cause(ended)
	case <-timer.C:
		why = fmt.Errorf("the connection to the event loop was lost: %w", why)
		l.process.condemn(why)
	}
	l.mu.Lock()
	tasks := l.tasks
	l.lost, l.tasks, l.queue = why, nil, nil
	l.mu.Unlock()
	for _, t := range tasks {
		t.end(why)
	}
	if len(tasks) > 0 {
		l.app.left()
	}
}

// A HungError says that an event loop does not run any more.
type HungError struct{ After time.Duration }

func (e *HungError) Error() string {
	return fmt.Sprintf("the event loop has not run for %v (--handler-timeout): a task blocks it", e.After.Round(time.Second))
}

const (
	// pingEvery is the time between two pings.
	pingEvery = time.Second
	// interruptWait is the time that an interrupted event loop has to run again.
	interruptWait = 5 * time.Second
)

// watch asks the event loop for signs of life. It interrupts the event loop if it gives
// none within the timeout of handlers, and condemns the process if that does not help. Zero
// means no limit.
func (l *eventLoop) watch(ctx context.Context, timeout time.Duration) {
	if timeout <= 0 {
		return
	}
	every(ctx, timeout, func(now time.Time) {
		switch silent := l.silent(now); {
		case silent >= timeout+interruptWait:
			l.process.condemn(&HungError{silent})
		case silent >= timeout:
			l.interrupt(now)
		case silent == 0:
			l.ping(now)
		}
	})
}

// check checks the tasks.
func (l *eventLoop) check(ctx context.Context, timeout time.Duration) {
	every(ctx, timeout, func(time.Time) {
		l.mu.Lock()
		tasks := slices.Collect(maps.Values(l.tasks))
		l.mu.Unlock()
		for _, t := range tasks {
			t.check(timeout)
		}
	})
}

// every calls f at intervals that suit a timeout, until the context is done.
func every(ctx context.Context, timeout time.Duration, f func(now time.Time)) {
	interval := checkEvery
	if timeout > 0 {
		interval = max(min(interval, timeout/4), time.Millisecond)
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			f(now)
		}
	}
}

// checkEvery is the longest time between two checks of a task, for example whether its
// client has left.
const checkEvery = 250 * time.Millisecond

// ping asks the event loop for a sign of life if it has tasks and the last one is old.
func (l *eventLoop) ping(now time.Time) {
	l.mu.Lock()
	idle := len(l.tasks) == 0 || now.Sub(l.asked) < pingEvery
	if !idle {
		l.pings++
		l.asked, l.hung = now, nil
	}
	n := l.pings
	l.mu.Unlock()
	if !idle {
		l.send(asgi.Fields{{Key: "ping", Value: n}})
	}
}

// silent returns for how long a ping has not been answered.
func (l *eventLoop) silent(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pings == l.pongs {
		return 0
	}
	return now.Sub(l.asked)
}

// interrupt raises an exception in the task that blocks the event loop, if one has
// done so for longer than between two pings.
func (l *eventLoop) interrupt(now time.Time) {
	silent := l.silent(now)
	l.mu.Lock()
	first := silent > pingEvery && l.hung == nil
	if first {
		l.hung = &HungError{silent}
	}
	l.mu.Unlock()
	if first {
		l.process.interrupt(l.hung)
	}
}

// explain returns the error that an application has raised. If its task was cancelled or
// the event loop was interrupted, the text is the reason.
func (l *eventLoop) explain(v any, cancelled error) error {
	err := newError(v)
	l.mu.Lock()
	hung := l.hung
	l.mu.Unlock()
	switch {
	case err.Type == "Cancelled" && hung != nil:
		err.explanation.Message = hung.Error()
	case err.Type == "asyncio.exceptions.CancelledError" && cancelled != nil:
		err.explanation.Message = cancelled.Error()
	}
	return err
}

// isLost reports whether the connection has ended.
func (l *eventLoop) isLost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost != nil
}
