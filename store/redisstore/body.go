package redisstore

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/internal/logkey"
)

// encode returns the body of a message to a channel. That of a process-specific
// channel has the full name as its last entry.
func (l *Layer) encode(channel string, m asgi.Message) ([]byte, error) {
	if asgi.KindOf(channel) != asgi.ProcessSpecific {
		return l.seal(codec.Append(nil, m))
	}
	return l.seal(codec.AppendFields(make([]byte, 0, m.Size()+len(asgi.ReservedKey)+asgi.MaxNameLength+8), withChannel(m, channel)))
}

// decode returns the channel and the message in a body that was in the list of a
// channel.
func (l *Layer) decode(list string, body string) (channel string, m asgi.Message, err error) {
	plain, err := l.open([]byte(body))
	if err != nil {
		return "", m, err
	}
	if err := l.checkSize(len(plain) - len(asgi.ReservedKey) - asgi.MaxNameLength - 8); err != nil {
		return "", m, err
	}
	if asgi.KindOf(list) != asgi.ProcessSpecific {
		m, err = codec.Decode(plain)
		return list, m, err
	}
	fields, err := codec.DecodeFields(plain)
	if err != nil {
		return "", m, err
	}
	i := slices.IndexFunc(fields, func(f asgi.Field) bool { return f.Key == asgi.ReservedKey })
	if i < 0 {
		return "", m, errors.New("it does not say which connection it is for")
	}
	channel, _ = fields[i].Value.(string)
	if asgi.CheckSend(channel) != nil || asgi.ProcessPrefix(channel) != list {
		return "", m, fmt.Errorf("it is for %q", channel)
	}
	m, err = asgi.Converter(nil).OwnMessage(slices.Delete(fields, i, i+1))
	return channel, m, err
}

// groupBody returns the parts of the bodies of a message to a group: all of it
// for normal members, and the first part for process-specific ones.
func groupBody(m asgi.Message) (plain, head []byte) {
	named := codec.AppendFields(make([]byte, 0, m.Size()+32), withChannel(m, ""))
	return codec.Append(nil, m), named[:len(named)-len(tail(""))]
}

// tail returns the last part of the body for a process-specific member.
func tail(channel string) []byte { return codec.AppendValue(nil, channel) }

// withChannel returns the fields of a message and, last, the name of its channel.
func withChannel(m asgi.Message, channel string) asgi.Fields {
	fields := make(asgi.Fields, 0, m.Len()+1)
	for key, value := range m.All() {
		fields = append(fields, asgi.Field{Key: key, Value: value})
	}
	return append(fields, asgi.Field{Key: asgi.ReservedKey, Value: channel})
}

// delivery returns the delivery of a taken message. It logs a message that cannot
// be read and reports false.
func (l *Layer) delivery(t taken) (asgi.Delivery, bool) {
	channel, m, err := l.decode(t.channel, t.body)
	if err != nil {
		l.log.Error("dropped a message that cannot be read", logkey.Channel, t.channel, logkey.Error, err)
		return asgi.Delivery{}, false
	}
	return asgi.Delivery{
		Channel:  channel,
		Message:  m,
		Deadline: time.Now().Add(t.left),
		Volatile: isVolatile(channel),
	}, true
}

// isVolatile reports whether the messages of a channel are about the sockets of a
// protocol server. The wire does not say it, but the name does.
func isVolatile(channel string) bool {
	switch channel {
	case asgi.HTTPRequest, asgi.HTTPDisconnect, asgi.WebSocketConnect, asgi.WebSocketReceive, asgi.WebSocketDisconnect, asgi.UDPReceive:
		return true
	}
	return asgi.KindOf(channel) == asgi.ProcessSpecific || asgi.MatchName(bodyChannels, channel)
}

const bodyChannels = asgi.HTTPRequest + ".body?*"
