package script

import (
	"errors"
	"fmt"

	"asgibox/asgi"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// message is a message that a consumer or a receive gets. It is a dict that
// belongs to the handler, with the attributes of messages in Django Channels. It
// converts each value on its first use.
type message struct {
	run     *run
	channel string
	reply   string // reply channel; empty if there is none
	content value.Content
	exposed bool // the script may have changed the content

	session     *session        // of the connection; nil until it is used
	httpSession *browserSession // nil until it is used
}

var (
	_ starlark.IterableMapping = (*message)(nil)
	_ starlark.HasSetKey       = (*message)(nil)
	_ starlark.HasAttrs        = (*message)(nil)
	_ starlark.Sequence        = (*message)(nil)
	_ starlark.HasBinary       = (*message)(nil)
	_ starlark.Comparable      = (*message)(nil)
	_ value.Native             = (*message)(nil)
)

func newMessage(r *run, d asgi.Delivery) *message {
	m := &message{run: r, channel: d.Channel, content: value.NewContent(d.Message)}
	m.reply = d.Message.Octets(asgi.KeyReplyChannel)
	return m
}

func (m *message) Freeze()               { m.dict().Freeze() }
func (m *message) Type() string          { return "message" }
func (m *message) Truth() starlark.Bool  { return m.dict().Truth() }
func (m *message) Hash() (uint32, error) { return 0, errors.New("unhashable: message") }
func (m *message) Native() (any, error)  { return m.dict(), nil }

// String returns the text of the dict. A message may contain itself.
func (m *message) String() string {
	s, err := value.Text(m.dict())
	if err != nil {
		return "<message>"
	}
	return s
}

// Binary implements the union of a message and a dict, which is a new dict.
func (m *message) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	other, ok := value.DictOf(y)
	switch {
	case op != syntax.PIPE || !ok:
		return nil, nil
	case side == starlark.Left:
		return m.dict().Union(other), nil
	}
	return other.Union(m.dict()), nil
}

// CompareSameType compares two messages inside other values. The operands of ==
// are compared as dicts.
func (m *message) CompareSameType(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	return m.dict().CompareSameType(op, y.(*message).dict(), depth)
}

// dict returns the content as a dict, which the script may change.
func (m *message) dict() *starlark.Dict {
	m.exposed = true
	return m.content.Dict()
}

// unchanged returns the message as it was received, and reports whether it is
// certainly unchanged.
func (m *message) unchanged() (asgi.Message, bool) { return m.content.Origin(), !m.exposed }

func (m *message) Len() int                         { return m.dict().Len() }
func (m *message) Iterate() starlark.Iterator       { return m.dict().Iterate() }
func (m *message) Items() []starlark.Tuple          { return m.dict().Items() }
func (m *message) SetKey(k, v starlark.Value) error { return m.dict().SetKey(k, v) }

func (m *message) Get(k starlark.Value) (starlark.Value, bool, error) {
	name, ok := starlark.AsString(k)
	if !ok {
		return m.dict().Get(k)
	}
	v, ok := m.lookup(name)
	if !ok {
		return nil, false, explain.Hintf("message.get("+starlark.String(name).String()+") returns None for a missing key",
			"the message has no key %q%s", name, didYouMean(name, m.content.Keys()))
	}
	return v, true, nil
}

// lookup returns a value. It sets exposed if the script can change the value.
func (m *message) lookup(name string) (starlark.Value, bool) {
	v, ok := m.content.Get(name)
	switch v.(type) {
	case *starlark.List, *starlark.Dict:
		m.exposed = true
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

// Attr returns an attribute of the message or a method of its dict.
func (m *message) Attr(name string) (starlark.Value, error) {
	switch name {
	case "content":
		return m.dict(), nil
	case "channel":
		return &channel{named{m.channel}}, nil
	case "reply_channel":
		if m.reply == "" {
			return nil, fmt.Errorf("a message on %s has no reply channel", m.channel)
		}
		return &channel{named{m.reply}}, nil
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
	if v, ok := m.lookup(name); ok {
		return v, nil
	}
	if def == nil {
		return starlark.None, nil
	}
	return def, nil
}

func messageReply(r *run, m *message, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if m.reply == "" {
		return nil, fmt.Errorf("a message on %s has no reply channel to send to", m.channel)
	}
	return channelSend(r, &channel{named{m.reply}}, b, args, kwargs)
}

func messageDeny(r *run, m *message, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	if m.channel != asgi.WebSocketConnect {
		return nil, explain.Hintf("to close an open WebSocket: message.reply_channel.send({\"close\": True})",
			"only a message on websocket.connect can be denied, and this message is on %s", m.channel)
	}
	deny := starlark.NewDict(1)
	if err := deny.SetKey(starlark.String(asgi.KeyAccept), starlark.False); err != nil {
		return nil, err
	}
	return starlark.None, r.send("deny", m.reply, deny, 0)
}

// messageConsumeLater puts the message back, with a longer delay each time.
func messageConsumeLater(r *run, m *message, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	if err := r.prepareSend("consume_later"); err != nil {
		return nil, err
	}
	if r.job == nil {
		return nil, errors.New("consume_later: no message is being handled here")
	}
	return starlark.None, r.job.ConsumeLater(r.ctx)
}
