package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/workerpool"
	"asgibox/workerpool/process/wire"
)

// stopTime is the time that a cancelled handler has to stop before its failure is
// reported. If it stops, the report has the line where it was.
const stopTime = 250 * time.Millisecond

// A jobFrame is what a child gets for a job.
type jobFrame struct {
	channel  string
	message  asgi.Message
	consumer int         // index of the route
	kwargs   asgi.Fields // captured by its patterns
	params   asgi.Fields // captured by the path of a view; nil if there is none
	hook     string      // the hook to run, instead of a handler
	child    *child      // that must run it; nil for any
	handler  string      // name, for the inspector

	// serve makes a call that the layer does not have, and reports whether there is
	// one of this name. It may be nil.
	serve func(name string, args asgi.Fields) (result asgi.Fields, known bool, err error)
	// check finds mistakes in messages that the handler sends. It may be nil.
	check func(name string, m asgi.Message, group bool) ([]asgi.SendOption, error)
	// edit changes the reply with which a handler ends. It may be nil.
	edit func(asgi.Message) (asgi.Message, error)
}

// head returns the head of the frame. The fields must be values of messages.
func (f *jobFrame) head(id int64, number int) asgi.Fields {
	head := asgi.Fields{{Key: "job", Value: id}}
	if f.hook != "" {
		return append(head, asgi.Field{Key: "hook", Value: f.hook})
	}
	head = append(head, asgi.Field{Key: "channel", Value: f.channel}, asgi.Field{Key: "message", Value: f.message}, asgi.Field{Key: "consumer", Value: int64(number)})
	if len(f.kwargs) > 0 {
		head = append(head, asgi.Field{Key: "kwargs", Value: f.kwargs})
	}
	if f.params != nil {
		head = append(head, asgi.Field{Key: "params", Value: f.params})
	}
	return head
}

// A serving is a connection of a thread that runs jobs. No goroutine reads it while there
// is no job.
type serving struct {
	child *child
	conn  *conn

	withdrawn bool // it gets no more jobs; guarded by the mutex of the set

	mu      sync.Mutex  // guards the rest
	job     int64       // whose context may interrupt what the connection does; 0 if none
	sending bool        // it is written
	unread  *time.Timer // ends the connection if the process does not read it; nil if its context goes on
}

// A run is a job that runs in a child.
type run struct {
	set     *set
	child   *child
	on      *serving
	id      int64
	job     *workerpool.Job // nil for a hook
	ctx     context.Context
	began   time.Time
	channel string
	handler string
	number  int // that the process has given the route
	serve   func(name string, args asgi.Fields) (result asgi.Fields, known bool, err error)
	edit    func(asgi.Message) (asgi.Message, error)

	mu     sync.Mutex // guards the rest, and the use of job
	layer  jobLayer
	at     string                            // the line of the call that runs
	failed error                             // of the first quiet call that failed
	over   bool                              // calls fail
	whole  bool                              // no more of the body comes
	told   time.Time                         // when the first call failed because the client has left
	rest   func(context.Context) asgi.Fields // of the last call; nil if there is none

	cancelled bool // guarded by the mutex of the child
}

// run runs a job in a process that has room for it, and returns the error of its
// handler. When the context is done, the handler gets an exception; run returns soon,
// even if the handler does not stop.
func (g *set) run(ctx context.Context, j *workerpool.Job, f jobFrame) error {
	if j != nil && !j.Delivery.Volatile {
		// Whatever the handler does, no other process may get the message too.
		if err := j.Cause.Barrier().Wait(ctx); err != nil {
			return err
		}
	}
	for {
		on, err := g.acquire(ctx, f.child, f.channel == asgi.HTTPRequest)
		if err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			g.offer(on)
			return err
		}
		r := &run{
			set: g, child: on.child, on: on, id: g.server.lastJob.Add(1), job: j, ctx: ctx, began: time.Now(),
			channel: f.channel, handler: f.handler, serve: f.serve, edit: f.edit, layer: jobLayer{server: g.server, job: j, check: f.check},
		}
		if f.hook != "" {
			r.handler = f.hook
		} else if r.number, err = on.child.numberOf(f.consumer); err != nil {
			g.offer(on)
			return err
		}
		if j != nil {
			j.Cause.Place = func() string { return r.at }
		}
		if !on.child.begin(r) {
			g.remove(on)
			continue
		}
		stop := r.watch()
		unsent := on.conn.send(f.head(r.id, r.number))
		if unsent == nil {
			on.sent()
			return r.wait(stop)
		}
		stop()
		on.child.end(r)
		on.conn.close()
		g.wg.Go(func() { on.child.lost(on.conn, fmt.Errorf("it does not read its jobs: %w", unsent)) })
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case f.child != nil:
			return f.child.failure()
		}
		// The process has not got the job, so another one can run it.
	}
}

// hook runs a hook of the application in one process.
func (g *set) hook(ctx context.Context, name string) error {
	return g.run(ctx, nil, jobFrame{hook: name})
}

// begin registers a job, unless the process has ended.
func (c *child) begin(r *run) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.exit != nil {
		return false
	}
	c.runs[r.id] = r
	return true
}

func (c *child) end(r *run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.runs, r.id)
	c.noteIdleLocked()
}

// watch lets the context of the job interrupt what its connection does, until stop.
func (r *run) watch() (stop func()) {
	r.on.watch(r.id)
	end := context.AfterFunc(r.ctx, func() { r.on.interrupt(r.id) })
	return func() {
		end()
		r.on.unwatch()
	}
}

// wait waits for the end of the job. It calls stop, which ends watch.
func (r *run) wait(stop func()) error {
	f, err := r.end(stop)
	if err != nil {
		return err
	}
	return r.finish(f)
}

// end reads frames of the thread that runs the job until it has ended.
func (r *run) end(stop func()) (frame, error) {
	f, err := r.read()
	stop()
	switch {
	case err == nil:
		r.release()
		return f, nil
	case r.ctx.Err() == nil || !errors.Is(err, os.ErrDeadlineExceeded):
		return f, r.lost(err)
	}
	r.cancel()
	r.on.conn.net.SetReadDeadline(time.Now().Add(stopTime))
	f, err = r.read()
	switch {
	case err == nil:
		r.on.conn.net.SetReadDeadline(time.Time{})
		r.release()
		return f, nil
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return f, r.lost(err)
	}
	r.child.lingering.Add(1)
	r.set.wg.Go(r.linger)
	return f, context.Cause(r.ctx)
}

// linger waits for the end of a cancelled job. If it does not end, its process is
// replaced.
func (r *run) linger() {
	defer r.child.lingering.Add(-1)
	r.on.conn.net.SetReadDeadline(time.Now().Add(r.stuckAfter() - stopTime))
	_, err := r.read()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		r.condemn(fmt.Sprintf("still runs %v after it was cancelled", r.stuckAfter()))
		r.on.conn.net.SetReadDeadline(time.Time{})
		_, err = r.read() // its calls still get an answer
	}
	if err != nil {
		_ = r.lost(err)
		return
	}
	r.on.conn.net.SetReadDeadline(time.Time{})
	r.release()
}

// clientLeft reports whether the job was cancelled because its client has left. That is
// no failure of the handler: its next call says so.
func (r *run) clientLeft() bool { return errors.Is(context.Cause(r.ctx), asgi.ErrGone) }

// stuckAfter returns the time after which a cancelled handler counts as stuck. One whose
// client has left may wait until its next call, as long as any handler may run.
func (r *run) stuckAfter() time.Duration {
	if r.clientLeft() {
		return max(r.set.opts.stuckAfter, r.set.opts.HandlerTimeout)
	}
	return r.set.opts.stuckAfter
}

// overError returns the error of a call of a job that was cancelled.
func (r *run) overError() error {
	if r.clientLeft() {
		return errGone
	}
	return remote.Errorf(remote.Cancelled, "the job was cancelled: %v", context.Cause(r.ctx))
}

// noteCallLocked replaces the process if the handler still makes calls some time after one
// has told it that its client has left.
func (r *run) noteCallLocked() {
	switch {
	case !r.over || !r.clientLeft():
	case r.told.IsZero():
		r.told = time.Now()
	case time.Since(r.told) >= r.set.opts.stuckAfter:
		r.condemn(fmt.Sprintf("still makes calls %v after they began to fail", r.set.opts.stuckAfter))
	}
}

// condemn replaces the process because of what the handler does.
func (r *run) condemn(does string) {
	r.child.condemn(fmt.Sprintf("%s %s (%v)", orElse(r.handler, r.channel), does, context.Cause(r.ctx)))
}

// read handles the calls of the thread until its job has ended.
func (r *run) read() (frame, error) {
	c := r.on.conn
	for {
		f, err := readFrame(c.reader)
		switch {
		case err != nil:
			return f, err
		case f.done == r.id:
			return f, nil
		case f.done != 0:
			return f, fmt.Errorf("%w: the job is %d, not %d", wire.ErrBadFrame, r.id, f.done)
		case f.call == "uses":
			r.child.uses(f)
			continue
		}
		if f.job == 0 || f.job == r.id {
			err = r.call(c, f)
		} else {
			err = r.child.handleJob(c, f)
		}
		if err != nil {
			return f, err
		}
	}
}

// cancel gives the handler an exception. Its calls fail from now on.
func (r *run) cancel() {
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	r.child.mu.Lock()
	r.cancelled = true
	r.child.mu.Unlock()
	head := asgi.Fields{{Key: "cancel", Value: r.id}, {Key: "reason", Value: context.Cause(r.ctx).Error()}}
	if r.clientLeft() {
		head = append(head, asgi.Field{Key: "gone", Value: true})
	}
	r.child.tell(head)
}

// lost ends a job whose connection has ended, and returns the reason.
func (r *run) lost(err error) error {
	r.child.end(r)
	r.on.conn.logEnd(err)
	r.on.conn.close()
	r.set.wg.Go(func() { r.child.lost(r.on.conn, err) })
	if errors.Is(err, wire.ErrBadFrame) {
		return err
	}
	return r.child.failure()
}

// release ends a job, and lets the connection run another one.
func (r *run) release() {
	r.child.end(r)
	r.set.offer(r.on)
}

// finish applies the end of a job, and returns the error of its handler.
func (r *run) finish(f frame) error {
	if v, failed := f.args.Get("error"); failed && v != nil {
		return newError(v)
	}
	if f.bad != nil {
		return r.set.callFailed(orElse(f.at, r.handler), f.bad)
	}
	if r.job == nil {
		return nil
	}
	if r.failed != nil {
		return r.failed
	}
	if hold, _ := f.args.Get("hold"); hold == true {
		r.job.Hold()
	}
	v, _ := f.args.Get("reply")
	if v == nil {
		return nil
	}
	d, ok := v.(asgi.Dict)
	if !ok || r.job.ReplyChannel() == "" {
		return fmt.Errorf("the handler returned a reply, but the message has no reply channel")
	}
	m, err := asgi.AsMessage(d)
	if err == nil && r.edit != nil {
		m, err = r.edit(m)
	}
	if err != nil {
		return err
	}
	r.at = orElse(f.at, r.handler) // not the line of the last call
	return retryWhileFull(r.ctx, func() error { return r.job.Send(r.ctx, r.job.ReplyChannel(), m) })
}

// call makes a call of the job.
func (r *run) call(c *conn, f frame) error {
	if waits(f) && c.serving == nil {
		return c.wait(f, func(ctx context.Context) (asgi.Fields, *asgi.Delivery, error) { return r.receive(ctx, f) })
	}
	if isReceive(f) {
		result, d, err := r.receive(c.ctx, f)
		return c.deliver(f, result, d, err)
	}
	result, rest, err := r.make(f)
	answer := func() error {
		if rest != nil {
			ctx, end := context.WithCancel(c.ctx)
			defer end()
			defer context.AfterFunc(r.ctx, end)()
			result = rest(ctx)
		}
		if f.quiet && r.job != nil {
			r.fail(f.at, err)
			return nil
		}
		return c.answerCall(f, result, err)
	}
	if rest != nil && c.serving == nil {
		return c.later(answer)
	}
	return answer()
}

// make makes a call that is no receive. If rest is not nil, it completes the result. After
// a quiet call has failed, further ones have no effect, so that no message arrives after
// one that is lost.
func (r *run) make(f frame) (result asgi.Fields, rest func(context.Context) asgi.Fields, err error) {
	once := func() (err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.noteCallLocked()
		if !f.quiet || r.failed == nil {
			result, _, err = r.doLocked(r.ctx, f)
		}
		rest, r.rest = r.rest, nil
		return err
	}
	if !f.retry {
		err = once()
		return result, rest, err
	}
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	defer context.AfterFunc(r.child.ctx, cancel)()
	err = asgi.RetryWhileFull(ctx, longestWait, once)
	if errors.Is(err, asgi.ErrChannelFull) && r.ctx.Err() != nil {
		err = r.overError()
	}
	return result, rest, err
}

// fail makes the job fail if a quiet call failed.
func (r *run) fail(at string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil && err != nil {
		r.failed = r.set.callFailed(at, err)
	}
}

// doLocked makes a call with the cause of the job.
func (r *run) doLocked(ctx context.Context, f frame) (asgi.Fields, *asgi.Delivery, error) {
	if r.over {
		return nil, nil, r.overError()
	}
	if f.bad != nil {
		return nil, nil, f.bad
	}
	r.at = f.at
	if r.serve != nil {
		if result, known, err := r.serve(f.call, f.args); known {
			return result, nil, err
		}
	}
	call := remote.Call{Name: f.call, Args: f.args, Layer: &r.layer, Rest: &r.rest}
	if r.job != nil {
		call.Cause = r.job.Cause
	} else {
		call.Cause = r.set.cause(f)
	}
	result, d, _, err := r.set.server.calls.Do(ctx, call)
	if r.layer.clientLeft(f, result) {
		return nil, nil, errGone
	}
	return result, d, err
}

// receive receives for a job. It ends when the job is cancelled or its process has
// ended.
func (r *run) receive(ctx context.Context, f frame) (result asgi.Fields, d *asgi.Delivery, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.ctx, func() { cancel(context.Cause(r.ctx)) })()
	defer context.AfterFunc(r.child.ctx, func() { cancel(context.Cause(r.child.ctx)) })()
	r.mu.Lock()
	r.noteCallLocked()
	over, whole := r.over, r.whole
	r.mu.Unlock()
	if over {
		return nil, nil, r.overError()
	}
	if f.bad != nil {
		return nil, nil, f.bad
	}
	call := remote.Call{Name: f.call, Args: f.args}
	if r.job != nil {
		call.Cause = r.job.Cause
	}
	if r.job != nil && !whole && waits(f) && receivesFrom(f, r.job.BodyChannel()) {
		done := r.job.AwaitBody()
		defer func() {
			n := 0
			if d != nil {
				n = len(d.Message.Bytes(asgi.KeyContent))
				if more, _ := d.Message.Get(asgi.KeyMoreContent); more != true {
					r.mu.Lock()
					r.whole = true
					r.mu.Unlock()
				}
			}
			done(n)
		}()
	}
	var cause *asgi.Cause
	result, d, cause, err = r.set.server.calls.Do(ctx, call)
	switch {
	case errors.Is(err, errWaitEnded):
		return remote.Receive{}.Result(nil), nil, nil
	case err != nil && r.ctx.Err() != nil:
		err = r.overError()
	case d != nil && !d.Volatile:
		err = cause.Barrier().Wait(ctx)
	}
	return result, d, err
}

// receivesFrom reports whether a receive is only for one channel.
func receivesFrom(f frame, channel string) bool {
	v, _ := f.args.Get("channels")
	if name, ok := v.(string); ok {
		return name == channel
	}
	return slices.Equal(texts(v), []string{channel})
}

// handleJob handles a call for a job on another connection than that of the job.
func (c *child) handleJob(one *conn, f frame) error {
	c.mu.Lock()
	r := c.runs[f.job]
	c.mu.Unlock()
	switch {
	case f.done != 0:
		return fmt.Errorf("%w: the job %d does not run on this connection", wire.ErrBadFrame, f.done)
	case r == nil:
		return one.answer(f.id, nil, remote.Errorf(remote.Cancelled, "the job %d has ended", f.job))
	}
	return r.call(one, f)
}

// serve makes a connection run jobs, once the process is ready.
func (c *child) serve(one *conn) error {
	one.serving = &serving{child: c, conn: one}
	c.mu.Lock()
	isReady := c.isReady
	refused := one.control || isReady && c.kind == kindLoop
	switch {
	case refused:
		one.serving = nil
	case !isReady:
		c.early = append(c.early, one.serving)
		fallthrough
	default:
		c.serving++
	}
	c.mu.Unlock()
	if refused {
		return fmt.Errorf("%w: serve on the first connection, or from a loop", wire.ErrBadFrame)
	}
	if isReady {
		c.set.offer(one.serving)
	}
	return errHandedOver
}

// watch allows the context of a job to interrupt its write, until sent, and then a read.
func (s *serving) watch(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.job, s.sending = id, true
}

// sent says that the process has got the job.
func (s *serving) sent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending = false
	if s.stopUnreadLocked() {
		s.interruptLocked()
	}
}

// interrupt makes the read of a job fail, or the write if the process does not read the job
// soon. Then the connection is of no use any more.
func (s *serving) interrupt(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.job != id:
	case s.sending:
		s.unread = time.AfterFunc(stopTime, s.conn.Interrupt)
	default:
		s.interruptLocked()
	}
}

func (s *serving) interruptLocked() {
	s.conn.net.SetReadDeadline(time.Unix(1, 0))
	s.job = -s.job
}

// stopUnreadLocked ends the timer of interrupt and reports whether there was one.
func (s *serving) stopUnreadLocked() bool {
	if s.unread == nil {
		return false
	}
	s.unread.Stop()
	s.unread = nil
	return true
}

// unwatch ends what watch has begun.
func (s *serving) unwatch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.job < 0 {
		s.conn.net.SetReadDeadline(time.Time{})
	}
	s.stopUnreadLocked()
	s.job, s.sending = 0, false
}
