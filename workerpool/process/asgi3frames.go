package process

import (
	"fmt"
	"iter"
	"net/url"
	"strings"

	"asgibox/asgi"
	"asgibox/asgi/codec"
)

// needTexts checks that a message has the texts without which there is no scope. Any
// program may send one.
func needTexts(m asgi.Message, keys ...string) error {
	for _, key := range keys {
		v, _ := m.Get(key)
		if _, ok := v.(string); !ok {
			return fmt.Errorf("the message has no text %q, which the scope of an ASGI 3 application needs", key)
		}
	}
	return nil
}

// requestFrame returns the frame that starts the task of a request.
func requestFrame(id int64, m asgi.Message) asgi.Fields {
	body := asgi.Bytes(m.Octets(asgi.KeyBody))
	method, _ := m.Get(asgi.KeyMethod)
	head := make(asgi.Fields, 0, 8)
	head = append(head, asgi.Field{Key: "http", Value: id}, asgi.Field{Key: asgi.KeyMethod, Value: method}, asgi.Field{Key: asgi.KeyBody, Value: body})
	head = appendTarget(head, m)
	head = append(head, asgi.Field{Key: "shared", Value: sharedScope(m, nil)})
	if m.Text(asgi.KeyBodyChannel) != "" {
		head = append(head, asgi.Field{Key: "more", Value: true})
	}
	return head
}

// socketFrame returns the frame that starts the task of a WebSocket with the message
// of its handshake.
func socketFrame(id int64, m asgi.Message, resumed bool) asgi.Fields {
	var offered []any
	for name, value := range pairs(m) {
		if name != "sec-websocket-protocol" {
			continue
		}
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name != "" {
				offered = append(offered, name)
			}
		}
	}
	list, _ := asgi.NewList(offered...) // the handshake has been checked
	head := appendTarget(asgi.Fields{{Key: "websocket", Value: id}}, m)
	head = append(head, asgi.Field{Key: "shared", Value: sharedScope(m, asgi.Fields{{Key: "subprotocols", Value: list}})})
	if resumed {
		head = append(head, asgi.Field{Key: "resumed", Value: true})
	}
	return head
}

// appendTarget appends the parts of the URL.
func appendTarget(head asgi.Fields, m asgi.Message) asgi.Fields {
	value, _ := m.Get(asgi.KeyPath)
	path, _ := value.(string)
	head = append(head, asgi.Field{Key: asgi.KeyPath, Value: value})
	if raw := (&url.URL{Path: path}).EscapedPath(); raw != path {
		head = append(head, asgi.Field{Key: "raw", Value: raw})
	}
	return append(head, asgi.Field{Key: "query", Value: asgi.Bytes(m.Octets(asgi.KeyQueryString))})
}

// sharedScope returns the parts of a scope that all requests of a client share that
// sends the same headers: a line of JSON and the headers. The event loop keeps what it
// has made of them.
func sharedScope(m asgi.Message, more asgi.Fields) asgi.Bytes {
	fields := append(make(asgi.Fields, 0, 6), more...)
	for _, key := range []string{asgi.KeyHTTPVersion, asgi.KeyScheme, asgi.KeyRootPath} {
		v, _ := m.Get(key)
		fields = append(fields, asgi.Field{Key: key, Value: v})
	}
	for _, key := range []string{asgi.KeyClient, asgi.KeyServer} {
		v, _ := m.Get(key)
		if _, ok := v.(asgi.List); !ok {
			v = nil
		}
		fields = append(fields, asgi.Field{Key: key, Value: v})
	}
	var none codec.Segments // there are no byte strings
	b := none.AppendFields(make([]byte, 0, 768), fields)
	return asgi.Bytes(appendHeaders(append(b, '\n'), m))
}

// pairs returns an iterator over the names and values of the headers of a message.
func pairs(m asgi.Message) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		v, _ := m.Get(asgi.KeyHeaders)
		list, _ := v.(asgi.List)
		for _, item := range list.All() {
			pair, _ := item.(asgi.List)
			if pair.Len() != 2 {
				continue
			}
			name, _ := asgi.Octets(pair.At(0))
			value, _ := asgi.Octets(pair.At(1))
			if !yield(name, value) {
				return
			}
		}
	}
}

// appendHeaders appends the names and values of the headers of a message with line
// feeds between them. None has a line feed: protocol servers refuse it.
func appendHeaders(b []byte, m asgi.Message) []byte {
	start := len(b)
	for name, value := range pairs(m) {
		if len(b) > start {
			b = append(b, '\n')
		}
		b = append(append(append(b, name...), '\n'), value...)
	}
	return b
}

// headerList returns the headers of a block as a message has them.
func headerList(block asgi.Bytes) []any {
	if block == "" {
		return nil
	}
	parts := strings.Split(string(block), "\n")
	items := make([]any, len(parts)&^1)
	list := make([]any, 0, len(items)/2)
	for i := 0; i < len(items); i += 2 {
		items[i], items[i+1] = asgi.Bytes(parts[i]), asgi.Bytes(parts[i+1])
		list = append(list, items[i:i+2:i+2])
	}
	return list
}

var (
	startShape = asgi.NewShape(asgi.KeyStatus, asgi.KeyHeaders, asgi.KeyContent, asgi.KeyMoreContent)
	pieceShape = asgi.NewShape(asgi.KeyContent, asgi.KeyMoreContent)
	textShape  = asgi.NewShape(asgi.KeyText)
	bytesShape = asgi.NewShape(asgi.KeyBytes)
)

// responseMessage returns the message of a start or piece frame.
func responseMessage(f *loopFrame) (asgi.Message, error) {
	switch {
	case f.bad != nil:
		return asgi.Message{}, f.bad
	case f.kind == "piece":
		return pieceShape.Message(f.content, f.more)
	}
	return startShape.Message(f.status, headerList(f.headers), f.content, f.more)
}

// socketReply returns the message of an accept, deny, close, text or bytes frame.
// Accepted reports whether the handshake has been accepted.
func socketReply(f *loopFrame, accepted bool) (asgi.Message, error) {
	switch {
	case f.bad != nil:
		return asgi.Message{}, f.bad
	case f.kind == "accept":
		subprotocol, _ := f.head.Get(asgi.KeySubprotocol)
		return asgi.NewMessage(
			asgi.Field{Key: asgi.KeyAccept, Value: true},
			asgi.Field{Key: asgi.KeySubprotocol, Value: subprotocol},
			asgi.Field{Key: asgi.KeyHeaders, Value: headerList(f.headers)})
	case f.kind == "deny":
		return asgi.NewMessage(
			asgi.Field{Key: asgi.KeyClose, Value: true},
			asgi.Field{Key: asgi.KeyResponse, Value: asgi.Fields{
				{Key: asgi.KeyStatus, Value: f.status},
				{Key: asgi.KeyHeaders, Value: headerList(f.headers)},
				{Key: asgi.KeyContent, Value: f.content},
			}})
	case f.kind == "close" && !accepted:
		return asgi.NewMessage(asgi.Field{Key: asgi.KeyAccept, Value: false})
	case f.kind == "close":
		return asgi.NewMessage(
			asgi.Field{Key: asgi.KeyClose, Value: f.code},
			asgi.Field{Key: asgi.KeyReason, Value: find[string](f.head, asgi.KeyReason)})
	case f.kind == "text":
		return textShape.Message(string(f.content))
	}
	return bytesShape.Message(f.content)
}
