package workerpool

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"asgibox/asgi"
)

// A Job is one message in the hands of its handler, and the handler's way to
// the channel layer: what goes through it carries the job's cause, and tells
// the pool whether the message has been answered. It belongs to one goroutine.
type Job struct {
	Delivery asgi.Delivery
	Cause    *asgi.Cause

	pool   *Pool
	worker *worker
	gen    *generation
	reply  string

	answered bool
	ended    bool   // the HTTP response is complete
	passed   bool   // somebody else will answer
	joined   string // a group that the reply channel joined
	ignored  string // why a reply to a WebSocket will be ignored
}

// Generation answers the number of the generation that handles the job.
func (j *Job) Generation() uint64 { return j.gen.number }

// ReplyChannel answers where the message's sender is to be answered, or "".
func (j *Job) ReplyChannel() string { return j.reply }

// Layer answers the channel layer, for calls that have nothing to do with
// answering. They should be given the job's cause.
func (j *Job) Layer() asgi.Layer { return j.pool.layer }

// Answered reports whether the handler has answered the message's sender,
// though perhaps not to the end.
func (j *Job) Answered() bool { return j.answered }

// Ended reports whether the handler has answered to the end.
func (j *Job) Ended() bool { return j.ended }

// Gone reports whether the connection that a reply channel belongs to is known
// to have ended.
func (j *Job) Gone(channel string) bool {
	if channel == j.reply && (isDisconnect(j.Delivery.Channel) || j.ended) {
		return true
	}
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	return j.pool.gone.has(channel)
}

// Hold says that the message will be answered later, by somebody else.
func (j *Job) Hold() { j.passed = true }

// Send sends a message and notes what it means for the job.
func (j *Job) Send(ctx context.Context, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	if err := j.pool.layer.Send(ctx, j.Cause, channel, m, opts...); err != nil {
		return err
	}
	j.sent(channel, m)
	return nil
}

// SendLater sends a message at a time, if the layer can.
func (j *Job) SendLater(ctx context.Context, due time.Time, channel string, m asgi.Message) error {
	if j.pool.later == nil {
		return errors.New("this channel layer cannot send later")
	}
	if err := j.pool.later.SendLater(ctx, j.Cause, due, channel, m); err != nil {
		return err
	}
	if channel == j.reply {
		j.passed = true
		return nil
	}
	j.sent(channel, m)
	return nil
}

// PutBack sends the job's message, or what became of it, to its channel again
// after a time: for somebody else to answer. What was volatile stays so, and
// is dropped if the pool shuts down before.
func (j *Job) PutBack(ctx context.Context, after time.Duration, channel string, m asgi.Message) error {
	if !j.Delivery.Volatile {
		if err := j.SendLater(ctx, time.Now().Add(after), channel, m); err != nil {
			return err
		}
	} else if err := j.pool.again(after, j.Cause, channel, m); err != nil {
		return err
	}
	j.passed = true
	return nil
}

// SendGroup sends a message to the members of a group.
func (j *Job) SendGroup(ctx context.Context, group string, m asgi.Message) error {
	groups, err := j.groups()
	if err != nil {
		return err
	}
	if err := groups.SendGroup(ctx, j.Cause, group, m); err != nil {
		return err
	}
	j.Keep(m.Dict)
	if j.joined == group && (j.isHTTP() || accepts(m)) {
		j.answered = true
	}
	return nil
}

// GroupAdd makes a channel a member of a group.
func (j *Job) GroupAdd(ctx context.Context, group, channel string) error {
	groups, err := j.groups()
	if err != nil {
		return err
	}
	if err := groups.GroupAdd(ctx, j.Cause, group, channel); err != nil {
		return err
	}
	if channel == j.reply {
		j.joined = group
	}
	return nil
}

// GroupDiscard ends a membership.
func (j *Job) GroupDiscard(ctx context.Context, group, channel string) error {
	groups, err := j.groups()
	if err != nil {
		return err
	}
	return groups.GroupDiscard(ctx, j.Cause, group, channel)
}

// GroupChannels answers the members of a group.
func (j *Job) GroupChannels(ctx context.Context, group string) ([]string, error) {
	groups, err := j.groups()
	if err != nil {
		return nil, err
	}
	return groups.GroupChannels(ctx, j.Cause, group)
}

// Keep notes a value that outlives the handler, in state or a session: with
// the reply channel in it, somebody else can answer.
func (j *Job) Keep(v any) {
	if !j.passed && !j.answered && j.reply != "" && holds(v, j.reply) {
		j.passed = true
	}
}

// UseSession notes that the connection has a session, which ends with it.
func (j *Job) UseSession() {
	p := j.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sessions = true
	if j.isHTTP() && !p.httpSessions {
		p.httpSessions = true
		p.subscribeLocked()
	}
}

func (j *Job) groups() (asgi.Groups, error) {
	if j.pool.groups == nil {
		return nil, errors.New("this channel layer has no groups")
	}
	return j.pool.groups, nil
}

func (j *Job) isHTTP() bool { return j.Delivery.Channel == httpRequest }

// sent notes what a message that was sent means for the job.
func (j *Job) sent(channel string, m asgi.Message) {
	if channel != j.reply || channel == "" {
		j.Keep(m.Dict)
		return
	}
	if !j.isHTTP() {
		if j.Delivery.Channel == websocketConnect {
			if j.ignored = ignored(m); j.ignored != "" {
				return
			}
		}
		j.answered = j.answered || answers(m)
		j.ended = j.ended || closes(m)
		j.pool.alive(j.worker)
		return
	}
	j.answered = true
	if more, _ := m.Get("more_content"); more == true {
		j.pool.alive(j.worker)
		return
	}
	j.ended = !m.Has("request")
}

// ignored answers why a reply to a WebSocket will be ignored whole, or "".
func ignored(m asgi.Message) string {
	text, hasText := m.Get("text")
	data, hasData := m.Get("bytes")
	hasText, hasData = hasText && text != nil, hasData && data != nil
	if _, ok := text.(string); hasText && !ok {
		return "its text is not text"
	}
	if hasText && hasData {
		return "it has text and bytes"
	}
	for key := range m.All() {
		switch key {
		case "text", "bytes", "close", "accept", "subprotocol", "reason", "response":
		default:
			return "its key " + strconv.Quote(key) + " is not known"
		}
	}
	return ""
}

// accepts reports whether a reply lets a handshake succeed.
func accepts(m asgi.Message) bool {
	accept, _ := m.Get("accept")
	return accept == true || m.Text("text") != "" || m.Bytes("bytes") != "" || m.Text("bytes") != ""
}

// answers reports whether a reply decides a handshake.
func answers(m asgi.Message) bool {
	accept, _ := m.Get("accept")
	if accept == false {
		return true
	}
	return closes(m) || accepts(m)
}

// closes reports whether a reply ends a WebSocket.
func closes(m asgi.Message) bool {
	switch code, _ := m.Get("close"); code {
	case nil, false, int64(0):
		return false
	}
	return true
}

// holds reports whether a value holds a text somewhere.
func holds(v any, text string) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, text)
	case asgi.Bytes:
		return strings.Contains(string(v), text)
	case asgi.List:
		for _, item := range v.All() {
			if holds(item, text) {
				return true
			}
		}
	case asgi.Dict:
		for key, item := range v.All() {
			if strings.Contains(key, text) || holds(item, text) {
				return true
			}
		}
	}
	return false
}

// IsWebSocket reports whether a reply channel is known to be an open
// WebSocket's.
func (j *Job) IsWebSocket(channel string) bool {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	l := j.pool.lanes[channel]
	return l != nil && l.order > 0
}
