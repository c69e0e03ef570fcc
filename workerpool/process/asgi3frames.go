package process

import (
	"iter"
	"net/url"
	"strings"

	"asgibox/asgi"
)

// requestFrame returns the frame that starts the task of a request.
func requestFrame(id int64, m asgi.Message) asgi.Fields {
	body, _ := m.Get(asgi.KeyBody)
	if body == nil {
		body = asgi.Bytes("")
	}
	method, _ := m.Get(asgi.KeyMethod)
	head := make(asgi.Fields, 0, 14)
	head = append(head, asgi.Field{Key: "http", Value: id}, asgi.Field{Key: asgi.KeyMethod, Value: method}, asgi.Field{Key: asgi.KeyBody, Value: body})
	head = appendScope(head, m)
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
	head := appendScope(asgi.Fields{{Key: "websocket", Value: id}, {Key: "subprotocols", Value: list}}, m)
	if resumed {
		head = append(head, asgi.Field{Key: "resumed", Value: true})
	}
	return head
}

// appendScope appends the parts of a scope that requests and WebSockets share.
func appendScope(head asgi.Fields, m asgi.Message) asgi.Fields {
	for _, key := range []string{asgi.KeyHTTPVersion, asgi.KeyScheme, asgi.KeyPath, asgi.KeyRootPath, asgi.KeyClient, asgi.KeyServer} {
		v, _ := m.Get(key)
		head = append(head, asgi.Field{Key: key, Value: v})
	}
	path := m.Text(asgi.KeyPath)
	if raw := (&url.URL{Path: path}).EscapedPath(); raw != path {
		head = append(head, asgi.Field{Key: "raw", Value: raw})
	}
	return append(head,
		asgi.Field{Key: "query", Value: asgi.Bytes(m.Octets(asgi.KeyQueryString))},
		asgi.Field{Key: asgi.KeyHeaders, Value: headerBlock(m)})
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

// headerBlock returns the headers of a message as names and values with line feeds
// between them. None has a line feed: protocol servers refuse it.
func headerBlock(m asgi.Message) asgi.Bytes {
	b := make([]byte, 0, 512)
	for name, value := range pairs(m) {
		if len(b) > 0 {
			b = append(b, '\n')
		}
		b = append(append(append(b, name...), '\n'), value...)
	}
	return asgi.Bytes(b)
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
)

// responseMessage returns the message of a start or piece frame.
func responseMessage(head asgi.Fields) (asgi.Message, error) {
	content, more := find[asgi.Bytes](head, asgi.KeyContent), find[bool](head, "more")
	if head[0].Key == "piece" {
		return pieceShape.Message(content, more)
	}
	return startShape.Message(find[int64](head, asgi.KeyStatus), headerList(find[asgi.Bytes](head, asgi.KeyHeaders)), content, more)
}

// socketReply returns the message of an accept, deny, close, text or bytes frame.
// Accepted reports whether the handshake has been accepted.
func socketReply(head asgi.Fields, accepted bool) (asgi.Message, error) {
	headers := headerList(find[asgi.Bytes](head, asgi.KeyHeaders))
	switch kind := head[0].Key; {
	case kind == "accept":
		subprotocol, _ := head.Get(asgi.KeySubprotocol)
		return asgi.NewMessage(
			asgi.Field{Key: asgi.KeyAccept, Value: true},
			asgi.Field{Key: asgi.KeySubprotocol, Value: subprotocol},
			asgi.Field{Key: asgi.KeyHeaders, Value: headers})
	case kind == "deny":
		return asgi.NewMessage(
			asgi.Field{Key: asgi.KeyClose, Value: true},
			asgi.Field{Key: asgi.KeyResponse, Value: asgi.Fields{
				{Key: asgi.KeyStatus, Value: find[int64](head, asgi.KeyStatus)},
				{Key: asgi.KeyHeaders, Value: headers},
				{Key: asgi.KeyContent, Value: find[asgi.Bytes](head, asgi.KeyContent)},
			}})
	case kind == "close" && !accepted:
		return asgi.NewMessage(asgi.Field{Key: asgi.KeyAccept, Value: false})
	case kind == "close":
		return asgi.NewMessage(
			asgi.Field{Key: asgi.KeyClose, Value: find[int64](head, asgi.KeyCode)},
			asgi.Field{Key: asgi.KeyReason, Value: find[string](head, asgi.KeyReason)})
	case kind == "text":
		return asgi.NewMessage(asgi.Field{Key: asgi.KeyText, Value: string(find[asgi.Bytes](head, asgi.KeyContent))})
	}
	return asgi.NewMessage(asgi.Field{Key: asgi.KeyBytes, Value: find[asgi.Bytes](head, asgi.KeyContent)})
}
