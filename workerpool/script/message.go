package script

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// message is what a consumer is given and what receive answers: a dict of the
// handler's own, whose values are converted when they are looked at, with what
// Channels has on its messages besides.
type message struct {
	run     *run
	channel string
	reply   string // empty if nobody waits for an answer
	content value.Content
	touched bool // the content may have been changed

	session     *session // of the connection, once touched
	httpSession *session
}

var (
	_ starlark.IterableMapping = (*message)(nil)
	_ starlark.HasSetKey       = (*message)(nil)
	_ starlark.HasAttrs        = (*message)(nil)
	_ starlark.Sequence        = (*message)(nil)
	_ value.Native             = (*message)(nil)
)

func newMessage(r *run, d asgi.Delivery) *message {
	m := &message{run: r, channel: d.Channel, content: value.NewContent(d.Message)}
	m.reply = d.Message.Octets("reply_channel")
	return m
}

func (m *message) String() string        { return m.dict().String() }
func (m *message) Type() string          { return "message" }
func (m *message) Freeze()               {}
func (m *message) Truth() starlark.Bool  { return true }
func (m *message) Hash() (uint32, error) { return 0, errors.New("unhashable: message") }
func (m *message) Native() (any, error)  { return m.dict(), nil }

// dict answers the content as a dict, which the script may change.
func (m *message) dict() *starlark.Dict {
	m.touched = true
	return m.content.Dict()
}

// unchanged answers the message as it was received, if it still is that.
func (m *message) unchanged() (asgi.Message, bool) { return m.content.Origin(), !m.touched }

func (m *message) Len() int                         { return m.dict().Len() }
func (m *message) Iterate() starlark.Iterator       { return m.dict().Iterate() }
func (m *message) Items() []starlark.Tuple          { return m.dict().Items() }
func (m *message) SetKey(k, v starlark.Value) error { return m.dict().SetKey(k, v) }

func (m *message) Get(k starlark.Value) (starlark.Value, bool, error) {
	name, ok := starlark.AsString(k)
	if !ok {
		return m.dict().Get(k)
	}
	v, ok := m.look(name)
	if !ok {
		return nil, false, hintf("message.get("+starlark.String(name).String()+") answers None instead",
			"the message has no key %q%s", name, didYouMean(name, m.content.Keys()))
	}
	return v, true, nil
}

// look answers a value, and notes if what it answers could be changed.
func (m *message) look(name string) (starlark.Value, bool) {
	v, ok := m.content.Get(name)
	switch v.(type) {
	case *starlark.List, *starlark.Dict:
		m.touched = true
	}
	return v, ok
}

var messageMethods = methods[*message]{
	"get":           messageGet,
	"reply":         messageReply,
	"deny":          messageDeny,
	"consume_later": messageConsumeLater,
}

var messageFields = []string{"channel", "reply_channel", "content", "channel_session", "http_session"}

// Attr answers what a message has besides its values.
func (m *message) Attr(name string) (starlark.Value, error) {
	switch name {
	case "content":
		return m.dict(), nil
	case "channel":
		return &channel{m.channel}, nil
	case "reply_channel":
		if m.reply == "" {
			return nil, hintf("", "a message on %s has no reply channel", m.channel)
		}
		return &channel{m.reply}, nil
	case "channel_session":
		return m.channelSession()
	case "http_session":
		return m.browserSession()
	}
	if f := messageMethods.bind(m, name); f != nil {
		return f, nil
	}
	return m.dict().Attr(name)
}

func (m *message) AttrNames() []string {
	return append(messageMethods.names(messageFields...), (*starlark.Dict)(nil).AttrNames()...)
}

func messageGet(_ *run, m *message, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var key, def starlark.Value
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &key, &def); err != nil {
		return nil, err
	}
	name, _ := starlark.AsString(key)
	if v, ok := m.look(name); ok {
		return v, nil
	}
	if def == nil {
		return starlark.None, nil
	}
	return def, nil
}

func messageReply(r *run, m *message, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if m.reply == "" {
		return nil, fmt.Errorf("a message on %s cannot be replied to", m.channel)
	}
	return channelSend(r, &channel{m.reply}, b, args, kwargs)
}

func messageDeny(r *run, m *message, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	if m.channel != "websocket.connect" {
		return nil, hintf("to end a WebSocket that is open: message.reply_channel.send({\"close\": True})",
			"only a handshake, on websocket.connect, can be denied; this message came on %s", m.channel)
	}
	deny := starlark.NewDict(1)
	if err := deny.SetKey(starlark.String("accept"), starlark.False); err != nil {
		return nil, err
	}
	return starlark.None, r.send("deny", m.reply, deny, 0)
}

// retriesKey counts how often a message was put back, as Channels does.
const (
	retriesKey = "__retries__"
	maxRetries = 10
	retryAfter = 50 * time.Millisecond
)

// messageConsumeLater puts the message back, a little later each time.
func messageConsumeLater(r *run, m *message, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	if err := r.sending("consume_later"); err != nil {
		return nil, err
	}
	origin := m.content.Origin()
	retries := origin.Int(retriesKey) + 1
	if retries > maxRetries {
		r.unit.logAt(r.thread, slog.LevelWarn, "a message was put back too often and is dropped", "channel", m.channel, "times", maxRetries)
		return starlark.None, nil
	}
	again, err := origin.With(retriesKey, retries)
	if err != nil {
		return nil, err
	}
	if r.job == nil {
		return nil, errors.New("consume_later: there is no message to put back here")
	}
	return starlark.None, r.job.PutBack(r.ctx, retryAfter<<(retries-1), m.channel, again)
}
