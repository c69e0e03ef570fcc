package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
	"asgibox/workerpool"
)

// sockets are the WebSockets that ASGI 3 applications handle. They belong to no
// generation: when a generation becomes current, the older ones hand theirs over.
type sockets struct {
	layer  asgi.Layer
	log    *slog.Logger
	resume bool // hand over; else close with 1012

	current atomic.Pointer[asgi3] // the newest generation; nil if another kind has replaced it
	wg      *sync.WaitGroup       // counts the goroutines that send to WebSockets or retire a generation

	mu  sync.Mutex            // guards the rest
	all map[string]*webSocket // by their reply channels
}

// newSockets returns no WebSockets yet. The caller must wait for wg, when all of them
// have been closed.
func newSockets(layer asgi.Layer, log *slog.Logger, resume bool, wg *sync.WaitGroup) *sockets {
	return &sockets{layer: layer, log: log, resume: resume, wg: wg, all: map[string]*webSocket{}}
}

// A webSocket is one WebSocket and its task, which may move to the event loop of a
// newer generation.
type webSocket struct {
	hub   *sockets
	reply string
	job   *workerpool.Job // of the handshake

	mu       sync.Mutex // guards the rest
	loop     *eventLoop // nil if there is no task
	id       int64      // of the task
	accepted bool
	closed   bool        // the application has closed or refused it, or has failed
	left     time.Time   // when the client has left; zero if it has not
	late     error       // why the task was cancelled after that; nil if it was not
	inbox    []*delivery // events that receive() has not returned
	outbox   []asgi.Message
	room     bool // send a room frame when outbox is empty
	cause    *asgi.Cause
}

// A delivery is an event for a task.
type delivery struct {
	head  func(id int64) asgi.Fields // nil if the frame that starts the task stands for it
	taken chan struct{}              // closed when receive() has returned it, or never will
	job   *workerpool.Job            // that waits for that; nil if none does any more
}

// connect starts the task of a WebSocket. The handshake counts as handled when the
// application has received it.
func (a *asgi3) connect(ctx context.Context, j *workerpool.Job) error {
	if err := needTexts(j.Delivery.Message, asgi.KeyPath); err != nil {
		return err
	}
	loop, err := a.choose(ctx)
	if err != nil {
		return err
	}
	j.Hold() // the task decides later
	s := &webSocket{hub: a.sockets, reply: j.ReplyChannel(), job: j, cause: j.Cause}
	a.sockets.mu.Lock()
	a.sockets.all[s.reply] = s
	a.sockets.mu.Unlock()
	s.mu.Lock()
	d, err := s.startLocked(loop)
	if err == nil {
		d.job = j
	}
	s.mu.Unlock()
	if err != nil {
		a.sockets.forget(s)
		return err
	}
	if a.isOlder() {
		s.yield(false) // it was not known when the newer generation became current
	}
	s.wait(ctx, d)
	return nil
}

// startLocked starts a task for the WebSocket. It gets websocket.connect, and then
// the events of the inbox.
func (s *webSocket) startLocked(l *eventLoop) (connect *delivery, err error) {
	id, err := l.add(&socketTask{s, l})
	if err != nil {
		return nil, err
	}
	s.loop, s.id = l, id
	if len(s.inbox) == 0 || s.inbox[0].head != nil {
		s.inbox = slices.Insert(s.inbox, 0, &delivery{taken: make(chan struct{})})
	}
	s.sendLocked(socketFrame(id, s.job.Delivery.Message, s.accepted))
	for _, d := range s.inbox[1:] {
		s.sendLocked(d.head(id))
	}
	return s.inbox[0], nil
}

// sendLocked sends a frame.
func (s *webSocket) sendLocked(head asgi.Fields) { s.loop.send(head) }

// deliver gives a message of a WebSocket, or its end, to the task. It returns when
// receive() has returned the event.
func (h *sockets) deliver(ctx context.Context, j *workerpool.Job) error {
	h.mu.Lock()
	s := h.all[j.ReplyChannel()]
	h.mu.Unlock()
	if s == nil {
		h.stray(j)
		return nil
	}
	m := j.Delivery.Message
	if j.Delivery.Channel == asgi.WebSocketDisconnect {
		defer h.forget(s)
		s.mu.Lock()
		s.left = time.Now()
		s.mu.Unlock()
		s.put(ctx, j, func(id int64) asgi.Fields {
			return asgi.Fields{{Key: "closed", Value: id}, {Key: asgi.KeyCode, Value: m.Int(asgi.KeyCode)}}
		})
		return nil
	}
	kind, content := "bytes", m.Bytes(asgi.KeyBytes)
	if text, _ := m.Get(asgi.KeyText); text != nil {
		kind, content = "text", asgi.Bytes(m.Text(asgi.KeyText))
	}
	s.put(ctx, j, func(id int64) asgi.Fields {
		return asgi.Fields{{Key: kind, Value: id}, {Key: asgi.KeyContent, Value: content}}
	})
	return nil
}

// closeRestart is the close code of a WebSocket whose application was replaced and
// cannot go on with it.
const closeRestart = 1012

// stray closes a WebSocket that another kind of application has accepted. The client
// can connect again.
func (h *sockets) stray(j *workerpool.Job) {
	if j.Delivery.Channel == asgi.WebSocketReceive {
		h.close(j.Cause, j.ReplyChannel(), closeRestart, reasonReplaced)
	}
}

const reasonReplaced = "the application was replaced"

// close closes a WebSocket.
func (h *sockets) close(c *asgi.Cause, reply string, code int, reason string) {
	m := asgi.MustMessage(asgi.Field{Key: asgi.KeyClose, Value: code}, asgi.Field{Key: asgi.KeyReason, Value: reason})
	if err := h.layer.Send(context.Background(), c, reply, m, asgi.Volatile); err != nil {
		h.log.Error("a WebSocket could not be closed", logkey.Channel, reply, logkey.Error, err)
	}
}

// put gives an event to the task, or to the next one, and waits until it is taken.
func (s *webSocket) put(ctx context.Context, j *workerpool.Job, head func(id int64) asgi.Fields) {
	d := &delivery{head, make(chan struct{}), j}
	s.mu.Lock()
	if s.loop == nil {
		s.mu.Unlock()
		return // the task has ended
	}
	s.cause = j.Cause
	s.inbox = append(s.inbox, d)
	s.sendLocked(head(s.id))
	s.mu.Unlock()
	s.wait(ctx, d)
}

// wait waits until an event is taken. If the handler is cancelled before, the event
// stays in the inbox, for this task or the next one.
func (s *webSocket) wait(ctx context.Context, d *delivery) {
	select {
	case <-d.taken:
	case <-ctx.Done():
		s.mu.Lock()
		d.job = nil
		s.mu.Unlock()
	}
}

// A socketTask is the task of a WebSocket in one event loop.
type socketTask struct {
	socket *webSocket
	loop   *eventLoop
}

// end closes the WebSocket because its process has ended.
func (t *socketTask) end(why error) {
	s := t.socket
	s.mu.Lock()
	open, accepted := !s.closed, s.accepted
	s.closed = true
	s.dropLocked()
	s.forgetIfOverLocked()
	s.mu.Unlock()
	switch {
	case open && accepted:
		s.hub.close(s.job.Cause, s.reply, asgi.CloseFailed, workerpool.FailedReason)
	case open:
		s.job.Fail(t.loop.app.name, why)
	}
}

// check starts the handler timeout again while an event waits. It cancels a task that
// has not ended within timeout after its client has left.
func (t *socketTask) check(timeout time.Duration) {
	s := t.socket
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loop != t.loop {
		return
	}
	for _, d := range s.inbox {
		if d.job != nil {
			d.job.Progress()
		}
	}
	if timeout > 0 && !s.left.IsZero() && time.Since(s.left) >= timeout && t.loop.silent(time.Now()) == 0 {
		s.late = fmt.Errorf("the task did not end within %v after its client had left (--handler-timeout)", timeout)
		s.sendLocked(asgi.Fields{{Key: "cancel", Value: s.id}})
	}
}

// dropLocked removes the task from the WebSocket. No event will be taken.
func (s *webSocket) dropLocked() {
	for _, d := range s.inbox {
		close(d.taken)
	}
	s.loop, s.inbox = nil, nil
}

func (t *socketTask) frame(f loopFrame) {
	s, id := t.socket, f.id
	s.mu.Lock()
	if s.loop != t.loop || s.id != id {
		s.mu.Unlock()
		return
	}
	var err error
	switch f.kind {
	case "taken":
		if len(s.inbox) > 0 {
			close(s.inbox[0].taken)
			s.inbox = s.inbox[1:]
		}
	case "accept", "deny", "close", "text", "bytes":
		err = s.replyLocked(&f)
	case "yielded":
		err = s.moveLocked(f.lost)
	case "done":
		err = s.doneLocked(&f)
	}
	left := s.loop != t.loop
	s.forgetIfOverLocked()
	s.mu.Unlock()
	if left {
		t.loop.remove(id)
	}
	if err != nil {
		s.job.Fail(t.loop.app.name, err)
	}
}

// doneLocked ends a WebSocket whose application has returned.
func (s *webSocket) doneLocked(f *loopFrame) error {
	loop := s.loop
	failure, failed := f.head.Get("error")
	open := !s.closed && s.left.IsZero()
	s.closed = true
	switch {
	case failed || !open:
	case s.accepted:
		_ = s.replyLocked(&loopFrame{kind: "close", code: asgi.CloseNormal})
	default:
		s.dropLocked()
		return &UnfinishedError{"the application returned without accepting or closing the WebSocket"}
	}
	s.dropLocked()
	if failed {
		return loop.explain(failure, s.late)
	}
	return nil
}

// moveLocked starts a task for the WebSocket in the current generation. If there is
// none, another kind of application goes on with the WebSocket.
func (s *webSocket) moveLocked(lost bool) error {
	if lost {
		s.hub.log.Warn("a task was cancelled that did not wait in receive() for as long as --grace after its code was replaced; the message that it handled is lost",
			logkey.Channel, s.reply, "consumer", s.loop.app.name, logkey.Generation, s.loop.app.generation)
	}
	if s.closed || !s.loop.app.isOlder() {
		s.dropLocked()
		return nil
	}
	loop := s.hub.current.Load().chooseNow()
	err := errNoProcess
	if loop != nil {
		_, err = s.startLocked(loop)
	}
	if err != nil {
		s.closed = true
		s.dropLocked()
	}
	return err
}

// yield asks the task to hand the WebSocket over.
func (s *webSocket) yield(force bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loop != nil {
		s.sendLocked(asgi.Fields{{Key: "yield", Value: s.id}, {Key: "force", Value: force}})
	}
}

// handOver makes the tasks of older generations hand their WebSockets over to the
// current one.
func (h *sockets) handOver() {
	for _, s := range h.of((*asgi3).isOlder) {
		if h.resume {
			s.yield(false)
		} else {
			h.close(s.job.Cause, s.reply, closeRestart, reasonReplaced)
		}
	}
}

// leave makes the tasks of a closed generation give up their WebSockets, if it is the
// newest one.
func (h *sockets) leave(a *asgi3) {
	a.retire()
	if h.current.CompareAndSwap(a, nil) {
		for _, s := range h.of(func(b *asgi3) bool { return a == b }) {
			s.yield(false)
		}
	}
}

// force ends the tasks of a generation.
func (h *sockets) force(a *asgi3) {
	for _, s := range h.of(func(b *asgi3) bool { return a == b }) {
		s.yield(true)
	}
}

// of returns the WebSockets that have a task in one of the matching generations.
func (h *sockets) of(matches func(*asgi3) bool) (list []*webSocket) {
	h.mu.Lock()
	all := slices.Collect(maps.Values(h.all))
	h.mu.Unlock()
	for _, s := range all {
		s.mu.Lock()
		if s.loop != nil && matches(s.loop.app) {
			list = append(list, s)
		}
		s.mu.Unlock()
	}
	return list
}

// forgetIfOverLocked forgets a WebSocket that has no task and for which no message waits.
func (s *webSocket) forgetIfOverLocked() {
	if s.loop == nil && s.outbox == nil {
		s.hub.forget(s)
	}
}

func (h *sockets) forget(s *webSocket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, s.reply)
}

// replyLocked sends what the application sends. If that is not valid, it ends the task.
func (s *webSocket) replyLocked(f *loopFrame) error {
	m, err := socketReply(f, s.accepted)
	if err != nil {
		s.sendLocked(asgi.Fields{{Key: "cancel", Value: s.id}})
		s.closed = true
		s.dropLocked()
		return fmt.Errorf("a message to the WebSocket is not valid: %w", err)
	}
	switch f.kind {
	case "accept":
		s.accepted = true
	case "close", "deny":
		s.closed = true
	}
	err = asgi.ErrChannelFull // those before it wait
	if s.outbox == nil {
		err = s.hub.layer.Send(context.Background(), s.cause, s.reply, m, asgi.Volatile, asgi.ReportGone)
	}
	switch {
	case errors.Is(err, asgi.ErrChannelFull):
		s.room = s.room || f.ack
		s.outbox = append(s.outbox, m)
		if len(s.outbox) == 1 {
			s.hub.wg.Go(s.drain)
		}
		return nil
	case err != nil:
		s.refusedLocked(err)
	}
	if f.ack {
		s.sendLocked(asgi.Fields{{Key: "room", Value: s.id}})
	}
	return nil
}

// refusedLocked tells the task that its client has left, because websocket.disconnect
// may come much later. It logs other errors.
func (s *webSocket) refusedLocked(err error) {
	switch {
	case !errors.Is(err, asgi.ErrGone):
		s.hub.log.Error("a message could not be sent to a WebSocket", logkey.Channel, s.reply, logkey.Error, err)
	case s.loop != nil:
		s.sendLocked(asgi.Fields{{Key: "gone", Value: s.id}})
	}
}

// drain sends what waits for room in the mailbox of the client. It ends when nothing
// waits or the client has left.
func (s *webSocket) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.outbox) > 0 {
		m, cause := s.outbox[0], s.cause
		s.mu.Unlock()
		err := sendWaiting(context.Background(), s.hub.layer, cause, s.reply, m)
		s.mu.Lock()
		if err != nil {
			s.refusedLocked(err)
		}
		s.outbox = s.outbox[1:]
	}
	s.outbox = nil
	if s.room && s.loop != nil {
		s.sendLocked(asgi.Fields{{Key: "room", Value: s.id}})
	}
	s.room = false
	s.forgetIfOverLocked()
}
