package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/workerpool"
)

// maxOpen is the number of messages without a reply that a loop process is known to
// have.
const maxOpen = 1000

// loop is an application whose processes call receive themselves. Each worker of the
// pool serves the process of one slot.
type loop struct{ *set }

var _ workerpool.Waiting = (*loop)(nil)

// Waits implements [workerpool.Waiting].
func (a *loop) Waits() {}

// Work serves one process: it receives for it. It returns when the process has died
// with a message, when its handler took too long, or when the generation is over.
func (a *loop) Work(ctx context.Context, w *workerpool.LoopWorker) error {
	s := a.claim(w)
	defer a.unclaim(s)
	for {
		c := s.current()
		if c == nil {
			if _, _, err := w.Receive(-1); err != nil { // until another process is there
				a.retire(s, err)
				return err
			}
			continue
		}
		if err := c.loop.serve(ctx, w); err != nil {
			a.retire(s, err)
			return err
		}
	}
}

// retire ends the process of a slot if its worker ends.
func (a *loop) retire(s *slot, err error) {
	if errors.Is(err, workerpool.ErrRetired) || errors.Is(err, asgi.ErrClosed) {
		a.endSlot(s)
	}
}

// A waitingReceive is a receive of a loop process that has not returned.
type waitingReceive struct {
	conn   *conn // nil over HTTP
	id     int64
	args   remote.Receive
	until  time.Time // zero if it waits without limit
	polled bool      // it does not wait, and the channels have been looked at
	// answer does not block over HTTP.
	answer func(*asgi.Delivery, error) error
}

// A loopState is what a loop process does.
type loopState struct {
	child *child

	mu        sync.Mutex // guards the rest
	waiting   []*waitingReceive
	worker    *workerpool.LoopWorker // that serves the process; nil if none does
	receiving bool                   // the worker waits in the layer
	wake      chan struct{}          // has room for one; nil if no worker serves the process
	last      *jobLayer              // of the message that the process got last; nil if there is none
	busy      bool                   // the process has not received since it got that message
	channel   string                 // of that message
	at        string                 // the line of the last call
	open      []*jobLayer            // of messages that need a reply and may have none
	barrier   asgi.Barrier           // of all messages that the process got
	since     time.Time              // when it got the last message
	stopped   chan struct{}          // closed when the process receives after it was asked to stop; nil if it was not
	retired   bool                   // receives fail with Retired
}

// receive handles a receive of the process.
func (l *loopState) receive(c *conn, f frame) error {
	args, err := remote.ParseReceive(f.args)
	if err != nil {
		return c.answer(f.id, nil, err)
	}
	if !l.takes(args) {
		return c.perform(f, remote.Call{Name: f.call, Args: f.args, Cause: l.child.set.cause(f)})
	}
	l.add(&waitingReceive{conn: c, id: f.id, args: args, answer: func(d *asgi.Delivery, err error) error {
		return c.answer(f.id, args.Result(d), err)
	}})
	return nil
}

// takes reports whether the worker receives for the process. While the worker waits for
// new messages, a receive from a single-reader channel goes its own way.
func (l *loopState) takes(args remote.Receive) bool {
	if !workerpool.Continues(args.Channels) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.worker != nil && !l.receiving && len(l.waiting) == 0
}

// add adds a receive that waits. The first one makes the process ready.
func (l *loopState) add(r *waitingReceive) {
	if r.args.Block && r.args.Wait >= 0 {
		r.until = time.Now().Add(r.args.Wait)
	}
	err := asgi.CheckReceiveAll(r.args.Channels)
	l.mu.Lock()
	if err == nil {
		err = l.refusalLocked(r)
	}
	if err != nil {
		l.mu.Unlock()
		_ = r.answer(nil, err)
		return
	}
	l.waiting = append(l.waiting, r)
	if l.stopped != nil {
		close(l.stopped)
		l.stopped = nil
	}
	l.interruptLocked()
	l.mu.Unlock()
	l.child.receives()
}

// refusalLocked returns why a receive fails at once, or nil. The worker waits for those of
// the process with one receive, which has a limit.
func (l *loopState) refusalLocked(r *waitingReceive) error {
	n := len(r.args.Channels)
	for _, other := range l.waiting {
		n += len(other.args.Channels)
	}
	switch {
	case l.retired:
		return errRetired
	case len(l.waiting) >= maxCalls:
		return remote.Errorf(remote.BadRequest, "%d receives of the process wait already", maxCalls)
	case n > asgi.MaxReceive:
		return remote.Errorf(remote.TooManyNames, "the receives of the process that wait may name %d channels together; name fewer, or wait until some have ended", asgi.MaxReceive)
	}
	return nil
}

// errRetired is the error of a receive of a process that must end.
var errRetired = remote.Errorf(remote.Retired, "this process must end: newer code has replaced it, or the server stops")

// interruptLocked makes the worker look at the receives again.
func (l *loopState) interruptLocked() {
	switch {
	case l.worker == nil:
		l.child.slot.interrupt()
	case l.receiving:
		l.worker.Interrupt()
	default:
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// endWait ends a receive without a message.
func (l *loopState) endWait(c *conn, id int64) bool {
	l.mu.Lock()
	i := slices.IndexFunc(l.waiting, func(r *waitingReceive) bool { return r.conn == c && r.id == id })
	var ended *waitingReceive
	if i >= 0 {
		ended = l.waiting[i]
		l.waiting = slices.Delete(l.waiting, i, i+1)
		l.interruptLocked()
	}
	l.mu.Unlock()
	if ended == nil {
		return false
	}
	_ = ended.answer(nil, nil)
	return true
}

// dropConn forgets the receives of a connection that has ended.
func (l *loopState) dropConn(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.waiting)
	l.waiting = slices.DeleteFunc(l.waiting, func(r *waitingReceive) bool { return r.conn == c })
	if len(l.waiting) != n {
		l.interruptLocked()
	}
}

// retire makes all receives fail.
func (l *loopState) retire() {
	l.mu.Lock()
	l.retired = true
	waiting := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	waiting = slices.DeleteFunc(waiting, func(r *waitingReceive) bool {
		if r.conn == nil {
			_ = r.answer(nil, errRetired)
		}
		return r.conn == nil
	})
	l.child.post(func() { // a process that has ended needs no answer
		for _, r := range waiting {
			_ = r.answer(nil, errRetired)
		}
	})
}

// serve receives for the process until another one is in its slot. It fails if the
// process has ended with a message, if that message has taken too long, or if the
// worker must end.
func (l *loopState) serve(ctx context.Context, w *workerpool.LoopWorker) error {
	l.mu.Lock()
	l.worker, l.wake = w, make(chan struct{}, 1)
	wake := l.wake
	l.mu.Unlock()
	defer l.leave()
	for {
		step, channels, wait := l.next()
		switch step {
		case stepOver:
			return l.died(w)
		case stepWork:
			select {
			case <-wake:
			case <-l.child.exited:
			case <-l.child.condemned:
			case <-ctx.Done():
				l.cancel(context.Cause(ctx))
				return context.Cause(ctx)
			}
		case stepReceive:
			d, got, err := w.Receive(wait, channels...)
			if err := l.received(ctx, w, d, got, err); err != nil {
				return err
			}
		}
	}
}

// leave notes that no worker serves the process.
func (l *loopState) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.worker, l.wake, l.receiving, l.busy = nil, nil, false, false
}

// A step is what the worker of a process does next.
type step int

const (
	stepOver    step = iota // the process has ended or gets nothing new
	stepWork                // the process works on a message: wait until it receives
	stepReceive             // receive
)

// next returns what to do next. To receive from no channels is to wait until the process
// receives. A receive that does not wait comes first.
func (l *loopState) next() (s step, channels []string, wait time.Duration) {
	if l.child.over() {
		return stepOver, nil, 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 && l.busy {
		return stepWork, nil, 0
	}
	l.receiving = true
	if i := slices.IndexFunc(l.waiting, func(r *waitingReceive) bool { return !r.args.Block }); i >= 0 {
		l.waiting[0], l.waiting[i] = l.waiting[i], l.waiting[0]
		l.waiting[0].polled = true
		return stepReceive, l.waiting[0].args.Channels, 0
	}
	if len(l.waiting) == 1 && l.waiting[0].until.IsZero() {
		return stepReceive, l.waiting[0].args.Channels, -1
	}
	wait = -1
	for _, r := range l.waiting {
		channels = append(channels, r.args.Channels...)
		if !r.until.IsZero() {
			if left := max(0, time.Until(r.until)); wait < 0 || left < wait {
				wait = left
			}
		}
	}
	slices.Sort(channels)
	return stepReceive, slices.Compact(channels), wait
}

// received passes on the outcome of a receive of the worker. It fails if the worker must
// end.
func (l *loopState) received(ctx context.Context, w *workerpool.LoopWorker, d asgi.Delivery, got bool, err error) error {
	l.mu.Lock()
	l.receiving = false
	if !got && !slices.ContainsFunc(l.waiting, func(r *waitingReceive) bool { return workerpool.Continues(r.args.Channels) }) {
		l.busy = false
	}
	over := err != nil && (errors.Is(err, workerpool.ErrRetired) || errors.Is(err, asgi.ErrClosed) || ctx.Err() != nil)
	var r *waitingReceive
	if got || err != nil && !over {
		r = l.takeLocked(d.Channel, got)
	}
	l.mu.Unlock()
	switch {
	case over:
		if ctx.Err() != nil {
			l.cancel(context.Cause(ctx))
		}
		return err
	case err != nil && r != nil:
		_ = r.answer(nil, err)
	case got:
		return l.give(ctx, w, r, d)
	default:
		l.expire()
	}
	return nil
}

// takeLocked removes the first receive that names a channel, or else the first one.
func (l *loopState) takeLocked(channel string, got bool) *waitingReceive {
	i := 0
	if got {
		i = slices.IndexFunc(l.waiting, func(r *waitingReceive) bool { return names(r.args.Channels, channel) })
	}
	if i < 0 || i >= len(l.waiting) {
		return nil
	}
	r := l.waiting[i]
	l.waiting = slices.Delete(l.waiting, i, i+1)
	return r
}

// names reports whether a channel is one of those that a receive names, or begins with
// one that is a prefix.
func names(channels []string, channel string) bool {
	return slices.ContainsFunc(channels, func(name string) bool {
		return name == channel || strings.HasSuffix(name, "!") && strings.HasPrefix(channel, name)
	})
}

// expire ends the receives whose time is over.
func (l *loopState) expire() {
	now := time.Now()
	var over []*waitingReceive
	l.mu.Lock()
	l.waiting = slices.DeleteFunc(l.waiting, func(r *waitingReceive) bool {
		if r.args.Block && (r.until.IsZero() || now.Before(r.until)) || !r.args.Block && !r.polled {
			return false
		}
		over = append(over, r)
		return true
	})
	l.mu.Unlock()
	for _, r := range over {
		_ = r.answer(nil, nil)
	}
}

// give gives a message to the process. A message that the process cannot get goes back
// to its queue. A durable message waits until its removal is on disk, so that no other
// process gets it too, whatever this one does with it.
func (l *loopState) give(ctx context.Context, w *workerpool.LoopWorker, r *waitingReceive, d asgi.Delivery) error {
	job := w.Job()
	if r == nil { // its connection has ended meanwhile
		l.child.set.server.calls.PutBack(d)
		return nil
	}
	if !d.Volatile {
		if err := job.Cause.Barrier().Wait(ctx); err != nil {
			l.child.set.server.calls.PutBack(d)
			_ = r.answer(nil, err)
			return nil
		}
	}
	one := &jobLayer{server: l.child.set.server, job: job}
	job.Cause.Place = l.place
	l.mu.Lock()
	job.Cause.Raise(l.barrier)
	l.barrier = job.Cause.Barrier()
	l.busy, l.since, l.channel = true, time.Now(), job.Delivery.Channel
	if l.last == nil || l.last.job != job {
		l.last = one
		l.open = slices.DeleteFunc(l.open, (*jobLayer).answered)
		if len(l.open) == maxOpen {
			l.open = slices.Delete(l.open, 0, 1)
		}
		if needsReply(job) {
			l.open = append(l.open, one)
		}
	}
	l.mu.Unlock()
	if err := r.give(ctx, d); err != nil {
		l.mu.Lock()
		l.busy = false
		l.open = slices.DeleteFunc(l.open, func(o *jobLayer) bool { return o == one })
		l.mu.Unlock()
		if ctx.Err() != nil && d.Volatile { // its sender gets an error
			l.cancel(context.Cause(ctx))
			return context.Cause(ctx)
		}
		l.child.set.server.calls.PutBack(d)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			l.child.condemn("it does not read the message that it has asked for")
		}
	}
	return nil
}

// give answers a receive with a message. When the context is done, it does not wait any
// longer for a process that does not read.
func (r *waitingReceive) give(ctx context.Context, d asgi.Delivery) error {
	if r.conn != nil {
		defer context.AfterFunc(ctx, r.conn.Interrupt)()
	}
	return r.answer(&d, nil)
}

// needsReply reports whether the message of a job needs a reply.
func needsReply(j *workerpool.Job) bool {
	return j.ReplyChannel() != "" && (j.Delivery.Channel == asgi.HTTPRequest || j.Delivery.Channel == asgi.WebSocketConnect)
}

// place returns the line of the application that made the last call.
func (l *loopState) place() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

// died reports the failure of each message that the process had. It returns that of the
// last one, which the pool reports.
func (l *loopState) died(w *workerpool.LoopWorker) error {
	l.mu.Lock()
	last, open, busy := l.last, l.open, l.busy
	l.last, l.open = nil, nil
	l.mu.Unlock()
	if last == nil {
		return nil
	}
	open = slices.DeleteFunc(open, func(o *jobLayer) bool { return o == last && busy })
	l.child.set.wg.Go(func() { // a process that gets nothing new may still reply
		<-l.child.exited
		for _, o := range open {
			if o.ask((*workerpool.Job).Unanswered) {
				w.Fail(o.job, l.child.reason())
			}
		}
	})
	if !busy {
		return nil
	}
	failure := l.child.failure()
	if last.ask((*workerpool.Job).Completed) {
		return nil
	}
	return failure
}

// cancel asks the process to stop its work on the last message, which has been failed.
func (l *loopState) cancel(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = slices.DeleteFunc(l.open, func(o *jobLayer) bool { return o == l.last })
	l.last, l.busy = nil, false
	if l.stopped != nil || l.retired {
		return
	}
	stopped := make(chan struct{})
	l.stopped = stopped
	l.child.tell(asgi.Fields{{Key: "cancel", Value: 0}, {Key: "reason", Value: why.Error()}})
	l.child.set.wg.Go(func() {
		wait := l.child.set.opts.stuckAfter
		select {
		case <-stopped:
		case <-l.child.exited:
		case <-time.After(wait):
			l.child.condemn(fmt.Sprintf("it still runs %v after its message was cancelled (%v)", wait, why))
		}
	})
}

// call makes a call of the process for the message that it got last, or for the one whose
// reply channel it sends to.
func (l *loopState) call(c *conn, f frame) error {
	l.mu.Lock()
	layer := l.layerOfLocked(f)
	call := remote.Call{Name: f.call, Args: f.args}
	if layer == nil {
		barrier := l.barrier
		l.mu.Unlock()
		call.Cause = l.child.set.cause(f)
		call.Cause.Raise(barrier)
		return c.perform(f, call)
	}
	l.at = f.at
	l.mu.Unlock() // the call may wait
	var rest func(context.Context) asgi.Fields
	call.Layer, call.Cause, call.Rest = layer, layer.job.Cause, &rest
	result, _, _, err := c.server.calls.Do(c.ctx, call)
	if rest != nil {
		return c.later(func() error { return c.answerCall(f, rest(c.ctx), nil) })
	}
	if layer.clientLeft(f, result) {
		result, err = nil, errGone
	}
	return c.answerCall(f, result, err)
}

// errGone is the error of a reply to a connection that has ended.
var errGone = remote.Errorf(remote.Gone, "the client has left")

// layerOfLocked returns the layer of the message that a call belongs to, or nil.
func (l *loopState) layerOfLocked(f frame) *jobLayer {
	if f.call == "send" {
		if o := l.waitingForLocked(find[string](f.args, "channel")); o != nil {
			return o
		}
	}
	return l.last
}

// waitingForLocked returns the layer of the message that waits for a reply on a channel,
// or nil.
func (l *loopState) waitingForLocked(channel string) *jobLayer {
	for i := len(l.open) - 1; i >= 0; i-- {
		if l.open[i].job.ReplyChannel() == channel {
			return l.open[i]
		}
	}
	return nil
}

// current returns the channel of the message that the process works on, or "", and when
// it got its last message, or zero.
func (l *loopState) current() (channel string, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.busy || len(l.waiting) > 0 {
		return "", l.since
	}
	return l.channel, l.since
}

// wakeUp makes the worker look whether the process is still there.
func (l *loopState) wakeUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.interruptLocked()
}

// A loopLayer is the layer over HTTP of a loop process: its receives are those of the
// process.
type loopLayer struct {
	jobLayer
	child *child
}

// Send implements [asgi.Layer]. The job of the message learns of its reply.
func (l *loopLayer) Send(ctx context.Context, c *asgi.Cause, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	state := &l.child.loop
	state.mu.Lock()
	o := state.waitingForLocked(channel)
	state.mu.Unlock()
	if o == nil {
		return l.jobLayer.Send(ctx, c, channel, m, opts...)
	}
	c.Raise(o.job.Cause.Barrier())
	return o.Send(ctx, c, channel, m, opts...)
}

// Receive implements [asgi.Layer].
func (l *loopLayer) Receive(ctx context.Context, c *asgi.Cause, channels ...string) (asgi.Delivery, error) {
	args := remote.Receive{Channels: channels, Block: true, Wait: -1}
	state := &l.child.loop
	if !l.child.isLoop() || !state.takes(args) {
		return l.server.layer.Receive(ctx, c, channels...)
	}
	type outcome struct {
		d   *asgi.Delivery
		err error
	}
	done := make(chan outcome, 1)
	r := &waitingReceive{args: args, answer: func(d *asgi.Delivery, err error) error {
		done <- outcome{d, err}
		return nil
	}}
	state.add(r)
	var got outcome
	select {
	case got = <-done:
	case <-ctx.Done():
		if state.remove(r) {
			return asgi.Delivery{}, context.Cause(ctx)
		}
		got = <-done
	}
	if got.err != nil {
		return asgi.Delivery{}, got.err
	}
	if got.d == nil {
		return asgi.Delivery{}, errRetired
	}
	c.Take(*got.d)
	return *got.d, nil
}

// Poll implements [asgi.Layer].
func (l *loopLayer) Poll(ctx context.Context, c *asgi.Cause, channels ...string) (asgi.Delivery, bool, error) {
	if l.child.isLoop() {
		l.child.receives()
	}
	return l.server.layer.Poll(ctx, c, channels...)
}

// remove removes a receive, and reports whether it waited.
func (l *loopState) remove(r *waitingReceive) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiting, r)
	if i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
		l.interruptLocked()
	}
	return i >= 0
}
