package inspector

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/inspector/api"
	"asgibox/store"
)

// previewLength is the length of a message's preview, in bytes.
const previewLength = 160

func messageOf(e *entry) api.Message { return messageWith(e, e.message()) }

func messageWith(e *entry, m asgi.Message) api.Message {
	v := api.Message{
		ID: e.id, Trace: e.trace.String(), Channel: e.channel, Group: e.group, Path: e.chain.path,
		Kind: e.outcome(), Preview: preview(e.channel, m), Data: frameType(m), Bytes: len(e.content),
		Sent: api.UnixMilli(e.sent), Ended: api.UnixMilli(e.ended), WaitedMS: api.Milliseconds(e.waited),
		Generation: e.generation, Taker: e.taker, Place: e.place, Reason: e.reason,
	}
	if f := e.failure; f != nil {
		v.Reason, v.Error = f.text, f.err
	}
	if s := e.span; s != nil {
		v.Worker, v.Handler, v.Began, v.HandledMS = s.Worker, s.Handler, api.UnixMilli(s.Began), api.Milliseconds(s.Ended.Sub(s.Began))
	}
	return v
}

func fullMessageOf(e *entry) api.FullMessage {
	m := e.message()
	return api.FullMessage{Message: messageWith(e, m), Content: jsonOf(m)}
}

func traceOf(c *chain) api.Trace {
	v := api.Trace{Trace: c.trace.String(), Path: c.path, Reply: c.reply}
	room := maxResponse
	for _, e := range c.entries {
		if len(v.Messages) == 300 || room <= 0 {
			break
		}
		room -= len(e.content)
		v.Messages = append(v.Messages, fullMessageOf(e))
	}
	if c.visit != nil {
		visit := visitOf(c.visit)
		v.Visit = &visit
	}
	return v
}

func visitOf(v *Visit) api.Visit {
	w := api.Visit{
		At: api.UnixMilli(v.At), Kind: v.Kind, Channel: v.Channel, Method: v.Method, Path: v.Path, Client: v.Client,
		Status: v.Status, Bytes: v.Bytes, DurationMS: api.Milliseconds(v.Duration),
	}
	if v.Trace != 0 {
		w.Trace = v.Trace.String()
	}
	if v.Kind == visitDisconnect {
		w.Why = closeReason(v.Status, v.By)
	}
	return w
}

// maxResponse is roughly the total size of the messages or values in one
// response, in bytes. A response has at least one.
const maxResponse = 4 << 20

// maxQueued is maxResponse of the messages that wait, in a frame. A page reads them
// exactly, which takes long, each time they change.
const maxQueued = 256 << 10

// queuedMessages describes messages of about a number of bytes, at least one.
func queuedMessages(queued []store.MessageView, room int) []api.QueuedMessage {
	messages := make([]api.QueuedMessage, 0, len(queued))
	for ; len(queued) > 0 && room > 0; queued = queued[1:] {
		m := queued[0]
		room -= m.Message.Size()
		messages = append(messages, api.QueuedMessage{
			ID: m.ID, Channel: m.Channel, Trace: m.Trace.String(), Sent: api.UnixMilli(m.Sent), Deadline: api.UnixMilli(m.Deadline),
			Durable: m.Durable, Preview: preview(m.Channel, m.Message), Message: jsonOf(m.Message),
		})
	}
	return messages
}

func jsonOf(m asgi.Message) json.RawMessage { return codec.AppendJSON(nil, m) }

// preview returns a one-line summary of a message.
func preview(channel string, m asgi.Message) string {
	switch {
	case m.Has(asgi.KeyMethod) && m.Has(asgi.KeyPath):
		return cut(m.Text(asgi.KeyMethod) + " " + m.Text(asgi.KeyPath) + queryString(m))
	case m.Has(asgi.KeyStatus):
		return cut(strconv.FormatInt(m.Int(asgi.KeyStatus), 10) + " · " + contentOf(m, asgi.KeyContent))
	case m.Has(asgi.KeyContent) && m.Has(asgi.KeyMoreContent):
		return cut(contentOf(m, asgi.KeyContent))
	case channel == asgi.WebSocketConnect:
		return cut("connect " + m.Text(asgi.KeyPath) + queryString(m))
	case channel == asgi.WebSocketDisconnect:
		return "disconnect " + strconv.FormatInt(m.Int(asgi.KeyCode), 10)
	case m.Text(asgi.KeyText) != "":
		return cut(m.Text(asgi.KeyText))
	case m.Bytes(asgi.KeyBytes) != "":
		return cut(contentOf(m, asgi.KeyBytes))
	}
	return cut(byteStrings.ReplaceAllStringFunc(string(jsonOf(m)), func(found string) string {
		data := strings.TrimSuffix(found[len(`"\uffff`):], `"`)
		return fmt.Sprintf("bytes(%d)", base64.StdEncoding.DecodedLen(len(data))-strings.Count(data, "="))
	}))
}

// byteStrings matches byte strings in the layer's JSON.
var byteStrings = regexp.MustCompile(`"\\uffff[A-Za-z0-9+/]+=*"`)

func queryString(m asgi.Message) string {
	if q := m.Bytes(asgi.KeyQueryString); q != "" {
		return "?" + string(q)
	}
	return ""
}

// frameType returns the type of a WebSocket frame, or "" for other messages.
func frameType(m asgi.Message) string {
	switch {
	case m.Text(asgi.KeyText) != "":
		return "text"
	case m.Bytes(asgi.KeyBytes) != "":
		return "binary"
	}
	return ""
}

// contentOf returns a text, a byte string that is text, or the number of bytes.
func contentOf(m asgi.Message, key string) string {
	if text := m.Text(key); text != "" {
		return text
	}
	b := string(m.Bytes(key))
	if !utf8.ValidString(b) || strings.ContainsRune(b, 0) {
		return fmt.Sprintf("%d bytes", len(b))
	}
	return b
}

func cut(s string) string { return cutAt(s, previewLength) }

// cutAt shortens a text to a length in bytes. It returns a copy, because the text may
// share the memory of a long head, which a list must not keep.
func cutAt(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return strings.Clone(s)
	}
	n := most
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
