package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/asgi/remote"
	"asgibox/internal/budget"
	"asgibox/internal/logkey"
	"asgibox/workerpool/process/wire"
)

const (
	// helloTimeout is the time in which the first frame must come.
	helloTimeout = 10 * time.Second
	// writeTimeout is the time in which the other end must take a frame.
	writeTimeout = 30 * time.Second
	// answerWait is how long an answer to a guest waits for memory.
	answerWait = time.Minute
	// maxCalls is the number of calls of a connection that may wait at once, and how many
	// may be answered later.
	maxCalls = 1000
	// maxGuestWaits is how many receives of programs that asgibox did not start may wait
	// at once. Each has a goroutine of 12 KB.
	maxGuestWaits = 10_000
	// maxHello is the maximum length of the first frame, in bytes.
	maxHello = budget.ConnBytes
)

// A conn is a connection of a child or of another program.
type conn struct {
	server *Server
	net    net.Conn
	reader *wire.Reader
	writer *wire.Writer
	out    *deadlineWriter
	ctx    context.Context // done when the connection is closed
	cancel context.CancelCauseFunc

	// Set by hello:
	child   *child // nil for another program
	agent   string
	control bool // it is the first connection of the child

	serving *serving // jobs run on the connection; nil if none do; set by the goroutine that reads

	buffered atomic.Int64 // bytes of frames that do not count in a budget
	unread   atomic.Int64 // bytes of answers that do not count in a budget

	calls sync.WaitGroup // counts the calls that wait on goroutines of their own
	made  chan struct{}  // has one for each call that was made and is answered later

	mu      sync.Mutex                        // guards the rest
	waiting map[int64]context.CancelCauseFunc // calls that wait, by their ids
}

// errWaitEnded ends a receive that its program has cancelled.
var errWaitEnded = errors.New("the program has ended the wait")

// errHandedOver is the end of the goroutine of a connection that runs jobs.
var errHandedOver = errors.New("the connection runs jobs")

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{
		server: s, net: nc, reader: wire.NewReader(nc, maxHello),
		made: make(chan struct{}, maxCalls), waiting: map[int64]context.CancelCauseFunc{},
	}
	c.out = &deadlineWriter{Conn: nc}
	c.writer = wire.NewWriter(c.out)
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	return c
}

// A deadlineWriter limits the time of each write, so that a program that does not
// read holds up no one.
type deadlineWriter struct {
	net.Conn
	patient atomic.Bool // there is no limit, because something else notices that
}

func (w *deadlineWriter) Write(b []byte) (int, error) {
	if w.patient.Load() {
		w.SetWriteDeadline(time.Time{})
	} else {
		w.SetWriteDeadline(time.Now().Add(writeTimeout))
	}
	return w.Conn.Write(b)
}

// serve handles the frames of the connection until its end.
func (c *conn) serve() {
	err := c.hello()
	if err == nil {
		err = c.read()
	}
	if errors.Is(err, errHandedOver) {
		return // the set of the child closes it
	}
	c.logEnd(err)
	c.close()
	c.calls.Wait()
	if c.child != nil {
		c.child.lost(c, err)
	}
}

// logEnd logs why the connection ends, unless the other end has closed it.
func (c *conn) logEnd(err error) {
	if context.Cause(c.ctx) == errCrowded {
		err = errCrowded
	} else if errors.Is(err, io.EOF) || c.ctx.Err() != nil || c.child != nil && c.child.gone() {
		return
	}
	var reset net.Error
	if errors.As(err, &reset) && !reset.Timeout() {
		return // the program has ended and left bytes unread
	}
	c.server.log.Error("a connection to the socket for workers was closed", append(c.who(), logkey.Error, err)...)
}

// who returns the attributes of log records that name the program.
func (c *conn) who() []any {
	if c.child != nil {
		return []any{logkey.Worker, c.child.number, logkey.Generation, c.child.set.generation}
	}
	return []any{"agent", c.agent}
}

// close closes the connection. Calls that wait end.
func (c *conn) close() {
	c.cancel(net.ErrClosed)
	c.net.Close()
	c.server.forget(c)
}

// Interrupt ends the connection, which has been silent within a frame for too long, or has
// not read an answer.
func (c *conn) Interrupt() { c.net.Close() }

// Pause implements [budget.Sender]. A wait for memory changes no time limit.
func (c *conn) Pause(bool) {}

// hello reads the first frame and replies to it.
func (c *conn) hello() error {
	c.net.SetReadDeadline(time.Now().Add(helloTimeout))
	f, err := readFrame(c.reader)
	if err != nil {
		if errors.Is(err, wire.ErrBadFrame) {
			c.refuse(remote.Errorf(remote.BadRequest, "%v", err))
		}
		return fmt.Errorf("its first frame: %w", err)
	}
	c.net.SetReadDeadline(time.Time{})
	if err = f.bad; err == nil {
		err = c.identify(f)
	}
	if err == nil {
		err = c.server.greeted(c)
	}
	if err == nil && c.child != nil {
		err = c.child.connected(c, int(find[int64](f.args, "pid")))
	}
	if err != nil {
		c.refuse(err)
		return err
	}
	memory, turns := c.server.guestFrames, c.server.guestTurns
	if c.child != nil {
		memory, turns = c.server.childFrames, nil
	}
	c.reader.Allow(c.server.limit, memory.Arrival(c, &c.buffered, -1), turns, c.ctx.Done())
	return c.answer(f.id, c.welcome(), nil)
}

// identify checks the first frame.
func (c *conn) identify(f frame) error {
	if f.call != "hello" {
		return remote.Errorf(remote.BadRequest, "the first frame must be hello")
	}
	if v, _ := f.args.Get("version"); v != int64(version) {
		return remote.Errorf(remote.BadRequest, "version %v of the protocol is not supported; use version %d", v, version)
	}
	if c.agent = find[string](f.args, "agent"); c.agent == "" {
		c.agent = "process " + strconv.FormatInt(find[int64](f.args, "pid"), 10)
	}
	var err error
	c.child, err = c.server.identify(find[string](f.args, "token"))
	return err
}

// refuse sends the reason why the connection is closed.
func (c *conn) refuse(err error) {
	e := remote.ErrorOf(err)
	_ = c.send(asgi.Fields{{Key: "error", Value: e.Kind}, {Key: "detail", Value: e.Detail}})
}

// welcome returns the answer to hello.
func (c *conn) welcome() asgi.Fields {
	result := asgi.Fields{{Key: "version", Value: int64(version)}, {Key: "server", Value: "asgibox " + c.server.opts.Version}}
	for _, f := range c.server.calls.About() {
		if f.Key != "version" {
			result = append(result, f)
		}
	}
	if c.child == nil {
		return result
	}
	return append(result,
		asgi.Field{Key: "generation", Value: c.child.set.generation},
		asgi.Field{Key: "worker", Value: c.child.number},
		asgi.Field{Key: "memory", Value: c.child.set.opts.Memory / int64(c.child.set.opts.Processes)},
		asgi.Field{Key: "settings", Value: settings(c.child.set.command.Settings)})
}

func settings(values map[string]string) map[string]any {
	m := make(map[string]any, len(values))
	for key, v := range values {
		m[key] = v
	}
	return m
}

// send writes a frame of values that [asgi.NewMessage] takes. An error ends the
// connection.
func (c *conn) send(head asgi.Fields) error {
	remote.CheckValues(head)
	return c.write(head)
}

// write writes a frame of values that a message may hold.
func (c *conn) write(head asgi.Fields) error {
	err := c.writer.Write(head)
	if err != nil {
		c.net.Close() // the goroutine that reads finds that out
	}
	return err
}

// answer sends the result or the error of a call. It fails with
// [remote.ErrTooManyAnswers] if it has sent that instead of the result.
func (c *conn) answer(id int64, result asgi.Fields, err error) error {
	var crowded error
	if err == nil {
		head := append(asgi.Fields{{Key: "id", Value: id}}, result...)
		remote.CheckValues(head)
		a := c.newAnswer()
		defer a.End()
		if err = c.hold(a, codec.MaxSizeJSON(head)); err == nil {
			return a.Write(func() error { return c.write(head) })
		}
		crowded = err
	}
	e := remote.ErrorOf(err)
	if e.Kind == remote.Internal && c.ctx.Err() == nil {
		c.server.log.Error("a call over the socket failed", append(c.who(), logkey.Error, err)...)
	}
	return cmp.Or(c.send(asgi.Fields{{Key: "id", Value: id}, {Key: "error", Value: e.Kind}, {Key: "detail", Value: e.Detail}}), crowded)
}

// hold waits for the memory of an answer of n bytes. Those to children are never refused
// for lack of it.
func (c *conn) hold(a *budget.Arrival, n int) error {
	if int64(n) > math.MaxUint32 {
		return remote.Errorf(remote.MessageTooLarge, "the answer may have %d bytes, but a frame at most %d", n, uint32(math.MaxUint32))
	}
	if c.child != nil {
		return a.Reserve(c.ctx.Done(), int64(n), int64(n))
	}
	err := a.HoldAnswer(c.ctx.Done(), int64(n))
	if errors.Is(err, budget.ErrNoRoom) {
		err = remote.ErrTooManyAnswers
	}
	return err
}

// newAnswer returns the memory of an answer.
func (c *conn) newAnswer() *budget.Arrival {
	if c.child != nil {
		return c.server.childAnswers.Arrival(c, &c.unread, -1)
	}
	return c.server.guestAnswers.Arrival(c, &c.unread, answerWait)
}

// answerCall replies to a call, unless it has succeeded and is quiet.
func (c *conn) answerCall(f frame, result asgi.Fields, err error) error {
	if f.quiet && err == nil {
		return nil
	}
	return c.answer(f.id, result, err)
}

// read handles frames until the connection ends.
func (c *conn) read() error {
	for {
		f, err := readFrame(c.reader)
		if err == nil {
			err = c.handle(f)
		}
		if err != nil {
			return err
		}
	}
}

// handle handles a frame. If it fails, the connection ends.
func (c *conn) handle(f frame) error {
	switch {
	case f.bad != nil && (c.child == nil && f.done == 0 || f.call == "cancel"):
		return c.answer(f.id, nil, f.bad)
	case f.call == "cancel":
		return c.endWait(f)
	case c.child != nil:
		return c.child.handle(c, f)
	case f.done != 0:
		return fmt.Errorf("%w: there is no job %d", wire.ErrBadFrame, f.done)
	}
	return c.guestCall(f)
}

// guestCall makes a call of a program that asgibox did not start.
func (c *conn) guestCall(f frame) error {
	return c.perform(f, remote.Call{Name: f.call, Args: f.args, Agent: c.agent})
}

// perform makes a call that belongs to no job. The answer waits for the disk, as over
// HTTP.
func (c *conn) perform(f frame, call remote.Call) error {
	if waits(f) {
		return c.wait(f, func(ctx context.Context) (asgi.Fields, *asgi.Delivery, error) {
			return c.durable(ctx, call)
		})
	}
	var rest func(context.Context) asgi.Fields
	call.Rest = &rest
	result, d, cause, err := c.server.calls.Do(c.ctx, call)
	if err != nil || rest == nil && cause.Barrier().Passed() {
		return c.deliver(f, result, d, err)
	}
	f.args = nil // the answer may wait long
	return c.later(func() error {
		if rest != nil {
			result = rest(c.ctx)
		}
		return c.deliver(f, result, d, cause.Barrier().Wait(c.ctx))
	})
}

// later answers a call that was made, when its result is known and on disk. If too many
// calls wait for that, it waits until one of them has its answer.
func (c *conn) later(answer func() error) error {
	select {
	case c.made <- struct{}{}:
	case <-c.ctx.Done(): // answer does not wait
		return answer()
	}
	c.calls.Go(func() {
		_ = answer() // the goroutine that reads reports the error
		<-c.made
	})
	return nil
}

// durable makes a call and waits until what it has changed and read is on disk.
func (c *conn) durable(ctx context.Context, call remote.Call) (asgi.Fields, *asgi.Delivery, error) {
	result, d, cause, err := c.server.calls.Do(ctx, call)
	if errors.Is(err, errWaitEnded) {
		return remote.Receive{}.Result(nil), nil, nil
	}
	if err == nil {
		err = cause.Barrier().Wait(c.ctx)
	}
	return result, d, err
}

// waits reports whether a call is a receive that may wait.
func waits(f frame) bool {
	return isReceive(f) && find[bool](f.args, "block")
}

func isReceive(f frame) bool { return f.call == "receive" || f.call == "receive_many" }

// wait makes a call on a goroutine of its own, until it ends or is cancelled, and
// replies to it.
func (c *conn) wait(f frame, call func(context.Context) (asgi.Fields, *asgi.Delivery, error)) error {
	ctx, cancel := context.WithCancelCause(c.ctx)
	c.mu.Lock()
	var err error
	switch {
	case c.waiting[f.id] != nil:
		err = remote.Errorf(remote.BadRequest, "another call with the id %d waits", f.id)
	case len(c.waiting) >= maxCalls:
		err = remote.Errorf(remote.BadRequest, "%d calls of the connection wait already", maxCalls)
	default:
		err = c.server.addWait(c)
	}
	if err == nil {
		c.waiting[f.id] = cancel
	}
	c.mu.Unlock()
	if err != nil {
		cancel(nil)
		return c.answer(f.id, nil, err)
	}
	c.calls.Go(func() {
		defer c.server.removeWait(c)
		defer cancel(nil)
		result, d, err := call(ctx)
		call, f.args = nil, nil // the answer may wait long, so keep nothing else
		if err != nil {
			err = remote.ErrorOf(err)
		}
		c.mu.Lock()
		delete(c.waiting, f.id)
		c.mu.Unlock()
		_ = c.deliver(f, result, d, err) // the goroutine that reads reports the error
	})
	return nil
}

// deliver replies to a call. A message that the program cannot get goes back to its
// queue.
func (c *conn) deliver(f frame, result asgi.Fields, d *asgi.Delivery, err error) error {
	sent := c.ctx.Err()
	if sent == nil {
		sent = c.answerCall(f, result, err)
	}
	if d != nil && (err != nil || sent != nil) {
		c.server.calls.PutBack(*d)
	}
	if errors.Is(sent, remote.ErrTooManyAnswers) {
		return nil // the connection goes on
	}
	return sent
}

// endWait ends the wait of a call. That call returns the message that was assigned to
// it before, or none.
func (c *conn) endWait(f frame) error {
	of := find[int64](f.args, "of")
	c.mu.Lock()
	cancel := c.waiting[of]
	c.mu.Unlock()
	waited := cancel != nil
	if waited {
		cancel(errWaitEnded)
	} else if c.child != nil {
		waited = c.child.loop.endWait(c, of)
	}
	return c.answer(f.id, asgi.Fields{{Key: "waited", Value: waited}}, nil)
}
