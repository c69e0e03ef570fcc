package script

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool"

	"go.starlark.net/starlark"
)

const (
	// minQuantum and maxQuantum bound the number of steps between two looks
	// at a thread: whether it was cancelled, how deep it is, how much memory
	// there is. A step may copy a list of any length, so the number grows
	// only while the steps are quick.
	minQuantum, maxQuantum = 32, 4096
	// quick is how long a quantum may take for the next to be twice as long;
	// ten times as much makes it the smallest again.
	quick = 500 * time.Microsecond
	// maxDepth is how deep calls may nest. Starlark's stack is Go's, which
	// cannot be caught when it ends.
	maxDepth = 3000
)

// The names under which a thread carries things. Package lib knows
// localContext.
const (
	localRun     = "run"
	localContext = "context"
)

// run is one execution of a script on one thread: of a handler, a hook, a
// whole file. It belongs to one goroutine.
type run struct {
	unit   *unit
	thread *starlark.Thread // that of the file being loaded, while one is
	root   *starlark.Thread // that of the work itself
	here   func() string    // where the script stands, for who watches the layer

	handler string // the consumer's name; what it returned is sent on its behalf
	ctx     context.Context

	job      *workerpool.Job        // nil while loading and in hooks
	worker   *workerpool.LoopWorker // nil unless a loop application is live
	out      outlet                 // where sends go
	loading  *loading               // nil once the file has been loaded
	modules  map[string]*module     // loaded so far
	inside   string                 // what it is inside of that forbids side effects
	sessions []*session             // that may have to be saved
	cookie   string                 // to be set by the response
	held     bool                   // hold() was called
	channel  [1]string              // that a receive names
	base     int64                  // the heap when it was first looked at; 0 before
	quantum  uint64                 // steps from the last look to the next
	looked   time.Time              // when that last look was; zero before
}

// outlet is the way of a run's calls to the channel layer. A
// [workerpool.Job] is one.
type outlet interface {
	Send(ctx context.Context, channel string, m asgi.Message, opts ...asgi.SendOption) error
	SendLater(ctx context.Context, due time.Time, channel string, m asgi.Message) error
	SendGroup(ctx context.Context, group string, m asgi.Message) error
	GroupAdd(ctx context.Context, group, channel string) error
	GroupDiscard(ctx context.Context, group, channel string) error
	GroupChannels(ctx context.Context, group string) ([]string, error)
}

// newRun makes a run of the unit's code with a thread of its own.
func (u *unit) newRun(ctx context.Context, name string) *run {
	r := &run{unit: u, modules: make(map[string]*module)}
	r.thread = &starlark.Thread{Name: name, Print: u.print, Load: r.load, OnMaxSteps: r.look}
	r.root = r.thread
	r.thread.SetLocal(localRun, r)
	r.here = func() string { return cmp.Or(where(r.thread), r.handler) }
	r.begin(ctx)
	return r
}

// begin readies the run for a piece of work.
func (r *run) begin(ctx context.Context) {
	if r.ctx != ctx {
		r.ctx = ctx
		r.thread.SetLocal(localContext, ctx)
	}
	r.base = 0
	r.quantum, r.looked = minQuantum, time.Time{}
	r.thread.SetMaxExecutionSteps(r.thread.ExecutionSteps() + r.quantum)
}

// of answers the run of a thread.
func of(thread *starlark.Thread) *run { return thread.Local(localRun).(*run) }

// pace sets how many steps there are to the next look, by how long those
// since the last one took.
func (r *run) pace(now time.Time) {
	switch took := now.Sub(r.looked); {
	case r.looked.IsZero() || took > 10*quick:
		r.quantum = minQuantum
	case took <= quick:
		r.quantum = min(2*r.quantum, maxQuantum)
	}
	r.looked = now
}

// look is called by the interpreter every quantum of steps.
func (r *run) look(thread *starlark.Thread) {
	r.pace(time.Now())
	thread.SetMaxExecutionSteps(thread.ExecutionSteps() + r.quantum)
	switch {
	case r.ctx.Err() != nil:
		thread.Cancel(context.Cause(r.ctx).Error())
	case thread.CallStackDepth() > maxDepth:
		thread.Cancel(fmt.Sprintf("calls nest deeper than %d: does a function call itself without end?", maxDepth))
	case r.unit.loader.memory.exceeded(&r.base):
		thread.Cancel(fmt.Sprintf("the handler made memory grow by more than %d MiB (--memory)", r.unit.loader.memory.limit>>20))
	}
}

// cause answers the unit of work that the run's calls belong to; nil while
// loading.
func (r *run) cause() *asgi.Cause {
	if r.job == nil {
		return nil
	}
	return r.job.Cause
}

// work makes the job the run's own.
func (r *run) work(j *workerpool.Job) {
	r.job, r.out = j, j
	if j.Cause != nil {
		j.Cause.Place = r.here
	}
}

// waitBarrier waits until what the run has seen and done is on disk, for
// output that it makes itself.
func (r *run) waitBarrier(ctx context.Context) error { return r.cause().Barrier().Wait(ctx) }

// pure answers an error if the run is inside something that forbids the call,
// or may run it again.
func (r *run) pure(call string) error {
	if r.inside == "" {
		return nil
	}
	return hintf("call it before or after, with what the function answered",
		"%s cannot be called inside the function of %s, which may run more than once", call, r.inside)
}

// call runs a function of the script.
func (r *run) call(fn starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	return starlark.Call(r.thread, fn, args, kwargs)
}

// where answers the place in the script that is running, for log lines.
func where(thread *starlark.Thread) string {
	for i := range thread.CallStackDepth() {
		if pos := thread.CallFrame(i).Pos; pos.Line > 0 {
			return fmt.Sprintf("%s:%d", pos.Filename(), pos.Line)
		}
	}
	return ""
}

// print is the script's print.
func (u *unit) print(thread *starlark.Thread, text string) {
	u.logAt(thread, slog.LevelInfo, text)
}

// logAt writes a line for the script, with where and on whose behalf.
func (u *unit) logAt(thread *starlark.Thread, level slog.Level, text string, args ...any) {
	u.logger(thread).Log(context.Background(), level, text, append([]any{"at", where(thread)}, args...)...)
}
