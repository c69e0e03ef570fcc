package workerpool

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// A Job is one message and its handler's access to the channel layer. The
// calls of a Job carry its cause, and the pool learns from them whether the
// handler has replied. A Job belongs to one goroutine.
type Job struct {
	Delivery asgi.Delivery
	Cause    *asgi.Cause

	pool   *Pool
	worker *worker
	gen    *generation
	reply  string

	replied    bool   // to the sender of the message, perhaps not completely
	completed  bool   // the response is complete or the WebSocket is closed
	handedOver bool   // the reply may come later or from another handler
	putBack    bool   // the message comes again
	streaming  bool   // a part of the response was sent, and more will follow
	joined     string // group that the reply channel joined
	ignored    string // why a reply to a handshake is ignored, or ""
	unrouted   bool   // the message was dropped because no route matches it
	failed     bool

	cookie string // of the error reply, as its header Set-Cookie has it; the pool's mutex guards it

	output, input await       // for the client to read, and to send
	waits         atomic.Bool // output began

	goneSince time.Time // when the job first sent to its connection after that had ended
}

// Generation returns the number of the generation that handles the job.
func (j *Job) Generation() uint64 { return j.gen.number }

// ReplyChannel returns the channel for replies to the sender of the message,
// or "".
func (j *Job) ReplyChannel() string { return j.reply }

// Layer returns the channel layer, for calls that are not replies. Pass the
// cause of the job to them.
func (j *Job) Layer() asgi.Layer { return j.pool.layer }

// Replied reports whether the handler has replied, though perhaps not
// completely.
func (j *Job) Replied() bool { return j.replied }

// Completed reports whether the handler has sent the complete response or
// closed the WebSocket.
func (j *Job) Completed() bool { return j.completed }

// Gone reports whether the connection of a reply channel is known to have
// ended.
func (j *Job) Gone(channel string) bool {
	return channel == j.reply && (isDisconnect(j.Delivery.Channel) || j.completed) || j.Disconnected(channel)
}

// Disconnected reports whether the disconnect of a connection has been handled, as far
// as that is known. Nothing deletes a session that is stored for it.
func (j *Job) Disconnected(channel string) bool {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	return j.pool.gone.Has(channel)
}

// SetCookie sets the value of the header Set-Cookie of an error reply. It does not
// change a response that the handler sends.
func (j *Job) SetCookie(cookie string) {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	j.cookie = cookie
}

// Progress starts the handler timeout again. It must not be called after Consume
// has returned.
func (j *Job) Progress() { j.pool.noteProgress(j.worker) }

// Fail reports a failure of the connection of the job and sends an error reply, as
// for an error that Consume returns. A consumer whose work for the connection goes
// on after Consume has returned may call it from any goroutine.
func (j *Job) Fail(consumer string, err error) { j.pool.fail(j, consumer, err) }

// Unrouted says that the message was dropped because no route matches it.
func (j *Job) Unrouted() { j.unrouted = true }

// Hold says that the reply will be sent later, perhaps by another handler.
func (j *Job) Hold() { j.handedOver = true }

// Send sends a message and records whether it is a reply. A reply to a
// connection that has ended cancels the handler and fails with [asgi.ErrGone].
func (j *Job) Send(ctx context.Context, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	if channel == j.reply && channel != "" {
		return j.sendReply(ctx, m, opts)
	}
	if err := j.pool.layer.Send(ctx, j.Cause, channel, m, opts...); err != nil {
		return err
	}
	j.sent(channel, m)
	return nil
}

// SendLater sends a message at a later time. It fails if the layer does not
// support that.
func (j *Job) SendLater(ctx context.Context, due time.Time, channel string, m asgi.Message) error {
	if err := j.pool.later.SendLater(ctx, j.Cause, due, channel, m); err != nil {
		return err
	}
	if channel == j.reply {
		j.handedOver = true
		return nil
	}
	j.sent(channel, m)
	return nil
}

// PutBack sends the message of the job, or a changed one, to its channel again
// after a time, so that another handler can reply. A volatile message stays
// volatile and is dropped if the pool shuts down before then.
func (j *Job) PutBack(ctx context.Context, after time.Duration, channel string, m asgi.Message) error {
	if !j.Delivery.Volatile {
		if err := j.SendLater(ctx, time.Now().Add(after), channel, m); err != nil {
			return err
		}
	} else if err := j.pool.sendDelayed(after, j.Cause, channel, m); err != nil {
		return err
	}
	j.handedOver, j.putBack = true, true
	return nil
}

// retriesKey is the key of the number of times that a message was put back, as
// in Django Channels.
const (
	retriesKey = "__retries__"
	maxRetries = 10
	retryAfter = 50 * time.Millisecond
)

// ConsumeLater puts the message of the job back, with a longer delay each time. After
// ten times it logs that the message is dropped.
func (j *Job) ConsumeLater(ctx context.Context) error {
	retries := j.Delivery.Message.Int(retriesKey) + 1
	if retries > maxRetries {
		args := []any{logkey.Channel, j.Delivery.Channel, "times", maxRetries, logkey.Generation, j.gen.number}
		if j.Cause.Place != nil {
			args = append(args, logkey.At, j.Cause.Place())
		}
		j.pool.log.Warn("message dropped: consume_later has put it back too many times", args...)
		return nil
	}
	again, err := j.Delivery.Message.With(retriesKey, retries)
	if err != nil {
		return err
	}
	return j.PutBack(ctx, retryAfter<<(retries-1), j.Delivery.Channel, again)
}

// SendGroup sends a message to the members of a group.
func (j *Job) SendGroup(ctx context.Context, group string, m asgi.Message, opts ...asgi.SendOption) error {
	if err := j.pool.groups.SendGroup(ctx, j.Cause, group, m, opts...); err != nil {
		return err
	}
	j.NoteStored(m.Dict)
	if j.joined == group && (j.isHTTP() || accepts(m)) {
		j.replied = true
	}
	return nil
}

// GroupAdd adds a channel to a group.
func (j *Job) GroupAdd(ctx context.Context, group, channel string) error {
	if err := j.pool.groups.GroupAdd(ctx, j.Cause, group, channel); err != nil {
		return err
	}
	if channel == j.reply {
		j.joined = group
	}
	return nil
}

// GroupDiscard removes a channel from a group.
func (j *Job) GroupDiscard(ctx context.Context, group, channel string) error {
	return j.pool.groups.GroupDiscard(ctx, j.Cause, group, channel)
}

// GroupChannels returns the channels of a group.
func (j *Job) GroupChannels(ctx context.Context, group string) ([]string, error) {
	return j.pool.groups.GroupChannels(ctx, j.Cause, group)
}

// NoteStored records a value that was stored in state or in a session. If the
// value contains the reply channel, another handler can reply later.
func (j *Job) NoteStored(v any) {
	if !j.handedOver && !j.replied && j.reply != "" && containsText(v, j.reply) {
		j.handedOver = true
	}
}

// UseSession records that the connection has a session, which is deleted when
// the connection ends.
func (j *Job) UseSession() {
	p := j.pool
	p.mu.Lock()
	p.sessions = true
	first := j.isHTTP() && !p.httpSessions
	p.httpSessions = p.httpSessions || first
	p.mu.Unlock()
	if first {
		p.listen()
	}
}

func (j *Job) isHTTP() bool { return j.Delivery.Channel == asgi.HTTPRequest }

// sent records whether a message that was sent is a reply.
func (j *Job) sent(channel string, m asgi.Message) {
	if channel != j.reply || channel == "" {
		j.NoteStored(m.Dict)
		return
	}
	if !j.isHTTP() {
		if j.Delivery.Channel == asgi.WebSocketConnect {
			if j.ignored = ignoredReason(m); j.ignored != "" {
				return
			}
		}
		j.replied = j.replied || decides(m)
		j.completed = j.completed || closes(m)
		j.pool.noteProgress(j.worker)
		return
	}
	if m.Has(asgi.KeyRequest) { // a push, which comes before the response
		j.pool.noteProgress(j.worker)
		return
	}
	j.replied = true
	if more, _ := m.Get(asgi.KeyMoreContent); more == true {
		j.streaming = true
		j.pool.noteStreaming(j.worker, true)
		return
	}
	j.completed = true
	if j.streaming {
		j.streaming = false
		j.pool.noteStreaming(j.worker, false)
	}
}

// ignoredReason returns the reason why a whole reply to a WebSocket handshake
// is ignored, or "".
func ignoredReason(m asgi.Message) string {
	text, hasText := m.Get(asgi.KeyText)
	data, hasData := m.Get(asgi.KeyBytes)
	hasText, hasData = hasText && text != nil, hasData && data != nil
	if _, ok := text.(string); hasText && !ok {
		return "its text is not a string"
	}
	if hasText && hasData {
		return "it has both text and bytes"
	}
	for key := range m.All() {
		switch key {
		case asgi.KeyText, asgi.KeyBytes, asgi.KeyClose, asgi.KeyAccept, asgi.KeySubprotocol, asgi.KeyHeaders, asgi.KeyReason, "response":
		default:
			return "its key " + strconv.Quote(key) + " is unknown"
		}
	}
	return ""
}

// accepts reports whether a reply accepts a handshake.
func accepts(m asgi.Message) bool {
	accept, _ := m.Get(asgi.KeyAccept)
	return accept == true || m.Text(asgi.KeyText) != "" || m.Bytes(asgi.KeyBytes) != "" || m.Text(asgi.KeyBytes) != ""
}

// decides reports whether a reply accepts or refuses a handshake.
func decides(m asgi.Message) bool {
	accept, _ := m.Get(asgi.KeyAccept)
	if accept == false {
		return true
	}
	return closes(m) || accepts(m)
}

// closes reports whether a reply closes a WebSocket.
func closes(m asgi.Message) bool {
	switch code, _ := m.Get(asgi.KeyClose); code {
	case nil, false, int64(0):
		return false
	}
	return true
}

// containsText reports whether a text is part of a value, at any depth.
func containsText(v any, text string) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, text)
	case asgi.Bytes:
		return strings.Contains(string(v), text)
	case asgi.List:
		for _, item := range v.All() {
			if containsText(item, text) {
				return true
			}
		}
	case asgi.Dict:
		for key, item := range v.All() {
			if strings.Contains(key, text) || containsText(item, text) {
				return true
			}
		}
	}
	return false
}

// IsWebSocket reports whether a reply channel is known to belong to an open
// WebSocket.
func (j *Job) IsWebSocket(channel string) bool {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	l := j.pool.lanes[channel]
	return l != nil && l.order > 0
}
