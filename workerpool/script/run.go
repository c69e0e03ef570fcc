package script

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
	"asgibox/workerpool"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/memory"
	"asgibox/workerpool/script/stack"

	"go.starlark.net/starlark"
)

const (
	// minQuantum and maxQuantum limit the number of steps between two
	// inspections of a thread. An inspection checks for cancellation, call
	// depth and memory. One step may copy a list of any length, so the number
	// grows only while steps are quick.
	minQuantum, maxQuantum = 32, 4096
	// quick is the longest duration of a quantum after which the next quantum
	// doubles. After ten times this duration it returns to minQuantum.
	quick = 500 * time.Microsecond
	// maxDepth is the maximum depth of nested calls. Starlark uses the Go
	// stack, and a Go stack overflow ends the process.
	maxDepth = 3000
)

// Keys of thread-local values. Package lib also uses localContext.
const (
	localRun     = "run"
	localContext = "context"
)

// run executes script code on one thread: a handler, a hook or a whole file.
// It belongs to one goroutine.
type run struct {
	unit      *unit
	thread    *starlark.Thread // of the module being loaded, otherwise root
	root      *starlark.Thread // of the handler, hook or main file
	outermost stack.Outermost  // call of the thread
	locate    func() string    // returns the current line, for causes of messages

	handler string // the consumer's name; place of messages sent after it returned
	ctx     context.Context

	job       *workerpool.Job        // nil while loading and in hooks
	worker    *workerpool.LoopWorker // nil unless a loop application is live
	out       outlet                 // carries calls to the channel layer
	loading   *loading               // nil after the file has been loaded
	modules   map[string]*module     // loaded modules by name
	retryable string                 // builtin like state.update that runs a function, perhaps more than once; forbids side effects
	sessions  []*session             // sessions that the handler used
	cookie    string                 // Set-Cookie value for the response
	held      bool                   // hold() was called
	channel   [1]string              // buffer for the channel of a receive
	received  []string               // channels of the last receive
	waited    time.Duration          // for pieces of the body, without stepping aside
	unlimited bool                   // without the memory limit of handlers
	memory    *memory.Share          // what it uses for requests and decoded texts
	base      int64                  // heap size at the first inspection; 0 before
	quantum   uint64                 // steps between the last inspection and the next
	inspected time.Time              // time of the last inspection; zero before
}

// outlet carries a run's calls to the channel layer. A [workerpool.Job] is one.
type outlet interface {
	Send(ctx context.Context, channel string, m asgi.Message, opts ...asgi.SendOption) error
	SendLater(ctx context.Context, due time.Time, channel string, m asgi.Message) error
	SendGroup(ctx context.Context, group string, m asgi.Message, opts ...asgi.SendOption) error
	GroupAdd(ctx context.Context, group, channel string) error
	GroupDiscard(ctx context.Context, group, channel string) error
	GroupChannels(ctx context.Context, group string) ([]string, error)
}

// newRun returns a run of the unit's code with a new thread.
func (u *unit) newRun(ctx context.Context, name string) *run {
	r := &run{unit: u, modules: make(map[string]*module), memory: u.loader.account.NewShare()}
	r.thread = &starlark.Thread{Name: name, Print: u.print, Load: r.load, OnMaxSteps: r.inspect}
	r.root = r.thread
	r.thread.SetLocal(localRun, r)
	r.memory.Use(r.thread)
	r.locate = func() string { return cmp.Or(location(r.thread), r.handler) }
	r.reset(ctx)
	return r
}

// reset prepares the run for its next handler.
func (r *run) reset(ctx context.Context) {
	if r.ctx != ctx {
		r.ctx = ctx
		r.thread.SetLocal(localContext, ctx)
	}
	r.base = 0
	r.quantum, r.inspected = minQuantum, time.Time{}
	r.thread.SetMaxExecutionSteps(r.thread.ExecutionSteps() + r.quantum)
}

// runOf returns the run that a thread belongs to.
func runOf(thread *starlark.Thread) *run { return thread.Local(localRun).(*run) }

// pace sets the number of steps until the next inspection from the time since
// the last one.
func (r *run) pace(now time.Time) {
	switch took := now.Sub(r.inspected); {
	case r.inspected.IsZero() || took > 10*quick:
		r.quantum = minQuantum
	case took == 0: // time stands still, as in a test
		r.quantum = minQuantum
	case took <= quick:
		r.quantum = min(2*r.quantum, maxQuantum)
	}
	r.inspected = now
}

// inspect cancels the thread if it exceeds a limit. The interpreter calls it
// every quantum of steps.
func (r *run) inspect(thread *starlark.Thread) {
	r.pace(time.Now())
	thread.SetMaxExecutionSteps(thread.ExecutionSteps() + r.quantum)
	switch {
	case r.ctx.Err() != nil:
		thread.Cancel(context.Cause(r.ctx).Error())
	case thread.CallStackDepth() > maxDepth:
		thread.Cancel(fmt.Sprintf("calls nest deeper than %d: does a function call itself forever?", maxDepth))
	case r.unit.loader.interrupted() != nil:
		thread.Cancel(r.unit.loader.interrupted().Error())
	case !r.unlimited && r.unit.loader.memory.exceeded(&r.base):
		thread.Cancel(fmt.Sprintf("this used more than %d MiB of memory (--memory)", r.unit.loader.memory.limit>>20))
	}
}

// cause returns the cause of the run's calls to the layer, or nil if no message
// triggered the run.
func (r *run) cause() *asgi.Cause {
	if r.job == nil {
		return nil
	}
	return r.job.Cause
}

// setJob makes the run work for a job.
func (r *run) setJob(j *workerpool.Job) {
	r.job, r.out = j, j
	if j.Cause != nil {
		j.Cause.Place = r.locate
	}
}

// waitBarrier waits until everything that the run has read and written is on
// disk. The run calls it before output that does not go through the layer.
func (r *run) waitBarrier(ctx context.Context) error { return r.cause().Barrier().Wait(ctx) }

// enter begins a call whose effect other handlers may notice. It returns an error
// if a function is running that may run again, such as the function passed to
// state.update.
func (r *run) enter(call string) error {
	if r.retryable == "" {
		r.step(call)
		return nil
	}
	return explain.Hintf("call it before or after, with the value that the function returned",
		"%s cannot be called inside the function passed to %s, because that function may run more than once", call, r.retryable)
}

// call calls a function of the script.
func (r *run) call(fn starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	return r.outermost.Call(r.thread, fn, args, kwargs)
}

// location returns the file and line that the thread is running, or "".
func location(thread *starlark.Thread) string {
	for i := range thread.CallStackDepth() {
		if pos := thread.CallFrame(i).Pos; pos.Line > 0 {
			return fmt.Sprintf("%s:%d", pos.Filename(), pos.Line)
		}
	}
	return ""
}

// print implements the script's print.
func (u *unit) print(thread *starlark.Thread, text string) {
	u.logAt(thread, slog.LevelInfo, text)
}

// logAt logs a record with the script's current line and trace.
func (u *unit) logAt(thread *starlark.Thread, level slog.Level, text string, args ...any) {
	u.logger(thread).Log(context.Background(), level, text, append([]any{logkey.At, location(thread)}, args...)...)
}
