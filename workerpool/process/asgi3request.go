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
	"asgibox/workerpool/script/web"
)

// A request is the task of one HTTP request. The goroutine of its worker sends the
// response, in the order of the frames.
type request struct {
	app  *asgi3
	loop *eventLoop
	id   int64
	job  *workerpool.Job

	reading context.Context // done when no more of the body is read; nil without a body channel

	// Used by the goroutine of the worker only:
	started  bool // a part of the response was sent
	complete bool

	wake chan struct{} // of one: there are frames, the event loop is lost, or a check is due

	mu      sync.Mutex // guards the rest
	frames  []loopFrame
	first   [1]loopFrame     // initial memory of frames: most tasks send one
	due     bool             // a check is due
	lost    error            // why there is no event loop any more
	waiting bool             // the application waits in receive()
	gone    bool             // the task knows that the client has left
	body    *asgi.BodyReader // nil if the rest of the body has arrived
	cut     error            // why the rest of the body will not come; nil if it may
	fetches bool             // a piece of the body is on its way
	reads   sync.WaitGroup
}

// serveRequest runs the task of a request until the application returns.
func (a *asgi3) serveRequest(ctx context.Context, j *workerpool.Job) error {
	m := j.Delivery.Message
	if err := needTexts(m, asgi.KeyPath, asgi.KeyMethod); err != nil {
		return err
	}
	loop, err := a.choose(ctx)
	if err != nil {
		return err
	}
	j.Hold() // the task says itself what is missing
	q := &request{app: a, loop: loop, job: j, wake: make(chan struct{}, 1)}
	q.frames = q.first[:0]
	if m.Text(asgi.KeyBodyChannel) != "" {
		q.body = asgi.NewBodyReader(j.Layer(), m)
	}
	if q.id, err = loop.add(q); err != nil {
		return err
	}
	defer loop.remove(q.id)
	if q.body != nil {
		reading, stop := context.WithCancel(context.Background())
		q.reading = reading
		defer q.reads.Wait()
		defer q.endReads(stop)
	}
	loop.send(requestFrame(q.id, m))
	return q.run(ctx)
}

// frame queues a frame for run, which may wait for the client. An application may say any
// number of times meanwhile that it waits in receive(), so such a frame is handled at once.
func (q *request) frame(f loopFrame) {
	if f.kind == "wait" {
		q.wait(!f.off)
		return
	}
	q.mu.Lock()
	q.frames = append(q.frames, f)
	q.mu.Unlock()
	q.signal()
}

func (q *request) end(why error) {
	q.mu.Lock()
	q.lost = why
	q.mu.Unlock()
	q.signal()
}

func (q *request) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *request) check(time.Duration) {
	q.mu.Lock()
	q.due = true
	q.mu.Unlock()
	q.signal()
}

// run handles the frames of the task until it ends.
func (q *request) run(ctx context.Context) error {
	cancelled := ctx.Done()
	for {
		select {
		case <-q.wake:
		case <-cancelled:
			cancelled = nil
			q.loop.interrupt(time.Now())
			q.loop.send(asgi.Fields{{Key: "cancel", Value: q.id}})
		}
		for {
			f, lost, ok := q.next()
			if lost != nil {
				return lost
			}
			if !ok {
				break
			}
			if done, err := q.handle(ctx, &f); done || err != nil {
				return err
			}
		}
		q.checkIfDue()
	}
}

// next returns the next frame, if there is one, and else why the event loop is lost.
func (q *request) next() (f loopFrame, lost error, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.frames) == 0 {
		return f, q.lost, false
	}
	f = q.frames[0]
	q.frames[0] = loopFrame{}
	if q.frames = q.frames[1:]; len(q.frames) == 0 {
		q.frames = nil
	}
	return f, nil, true
}

// checkIfDue tells the task if its client has left. While the application waits in
// receive(), the handler timeout starts again.
func (q *request) checkIfDue() {
	q.mu.Lock()
	due, waiting, gone := q.due, q.waiting, q.gone
	q.due = false
	q.mu.Unlock()
	if !due {
		return
	}
	if waiting {
		q.job.Progress()
	}
	if !gone && !q.complete && !q.app.readers.HasReader(q.job.ReplyChannel()) {
		q.leave()
	}
}

// leave tells the task that the client has left.
func (q *request) leave() {
	q.mu.Lock()
	first := !q.gone
	q.gone, q.waiting = true, false
	q.mu.Unlock()
	if first {
		q.loop.send(asgi.Fields{{Key: "gone", Value: q.id}})
	}
}

// handle handles a frame and reports whether the task has ended.
func (q *request) handle(ctx context.Context, f *loopFrame) (done bool, err error) {
	switch f.kind {
	case "start", "piece":
		if err := q.respond(ctx, f); err != nil {
			q.loop.send(asgi.Fields{{Key: "cancel", Value: q.id}})
			return true, err
		}
		if f.done {
			return true, nil
		}
	case "done":
		return true, q.result(ctx, f)
	}
	return false, nil
}

// respond sends a part of the response. While the client does not read, it waits.
func (q *request) respond(ctx context.Context, f *loopFrame) error {
	if f.more {
		q.job.Progress()
	}
	m, err := responseMessage(f)
	if err == nil && !f.more && !q.started && q.app.edit != nil {
		m, err = q.app.edit(q.job.Delivery.Message, m)
	}
	if err != nil {
		return fmt.Errorf("a part of the response is not valid: %w", err)
	}
	q.mu.Lock()
	gone := q.gone
	q.mu.Unlock()
	if !gone {
		err = sendWaiting(ctx, q.job.Layer(), q.job.Cause, q.job.ReplyChannel(), m)
	}
	switch {
	case errors.Is(err, asgi.ErrGone):
		q.leave()
	case err != nil:
		return err
	}
	q.started, q.complete = true, !f.more
	if f.ack {
		q.loop.send(asgi.Fields{{Key: "room", Value: q.id}})
	}
	return nil
}

// sendWaiting sends a message to a connection. It waits while there is no room.
func sendWaiting(ctx context.Context, layer asgi.Layer, c *asgi.Cause, channel string, m asgi.Message) error {
	return retryWhileFull(ctx, func() error { return layer.Send(ctx, c, channel, m, asgi.Volatile, asgi.ReportGone) })
}

// longestWait is the longest pause between two tries to send to a connection that is
// full.
const longestWait = 500 * time.Millisecond

// retryWhileFull calls send again while there is no room, until the context is done.
func retryWhileFull(ctx context.Context, send func() error) error {
	err := asgi.RetryWhileFull(ctx, longestWait, send)
	if errors.Is(err, asgi.ErrChannelFull) {
		return context.Cause(ctx)
	}
	return err
}

// wait records whether the application waits in receive(), and reads the next piece
// of the body for it.
func (q *request) wait(on bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = on && !q.gone
	if !q.waiting || q.body == nil || q.fetches {
		return
	}
	q.fetches = true
	body := q.body
	q.reads.Go(func() { q.readPiece(body) })
}

// endReads ends the reads of the body. No other one begins.
func (q *request) endReads(stop func()) {
	q.mu.Lock()
	q.body = nil
	q.mu.Unlock()
	stop()
}

// readPiece sends the next piece of the body to the task.
func (q *request) readPiece(body *asgi.BodyReader) {
	content, more, err := body.Next(q.reading, q.job.Cause)
	if q.reading.Err() != nil {
		return // the task has ended
	}
	q.mu.Lock()
	q.fetches, q.waiting = false, false
	if !more {
		q.body = nil
	}
	q.cut = err
	q.mu.Unlock()
	if err != nil {
		q.leave() // the rest will not come
		return
	}
	q.loop.send(asgi.Fields{{Key: "body", Value: q.id}, {Key: asgi.KeyContent, Value: content}, {Key: "more", Value: more}})
}

// An UnfinishedError says that an ASGI application has returned too early.
type UnfinishedError struct{ Text string }

func (e *UnfinishedError) Error() string { return e.Text }

// result returns the outcome of a task that has returned.
func (q *request) result(ctx context.Context, f *loopFrame) error {
	if v, failed := f.head.Get("error"); failed {
		return q.loop.explain(v, context.Cause(ctx))
	}
	q.mu.Lock()
	gone, cut := q.gone, q.cut
	q.mu.Unlock()
	if cut != nil && !q.complete && q.app.readers.HasReader(q.job.ReplyChannel()) {
		if errors.Is(cut, asgi.ErrBodyClosed) {
			return &web.RequestError{Status: http.StatusBadRequest, Err: cut}
		}
		return cut
	}
	switch {
	case gone || q.complete:
		return nil
	case q.started:
		return &UnfinishedError{"the application returned before the response was complete: its last http.response.body has more_body"}
	}
	return &UnfinishedError{"the application returned without a response"}
}
