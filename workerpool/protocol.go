package workerpool

import (
	"slices"

	"asgibox/asgi"
)

// protocolChannels are the channels of protocol servers that a routed pool
// receives from even if they have no route. http.disconnect is not one of
// them, because most applications need no message for a request that has been
// replied to.
var protocolChannels = []string{
	asgi.HTTPRequest, asgi.WebSocketConnect, asgi.WebSocketReceive, asgi.WebSocketDisconnect, asgi.UDPReceive,
}

// isProtocol reports whether a protocol server sends to the channel.
func isProtocol(channel string) bool {
	return channel == asgi.HTTPDisconnect || slices.Contains(protocolChannels, channel)
}

// isSocket reports whether the messages of a channel come from WebSockets.
func isSocket(channel string) bool {
	return channel == asgi.WebSocketConnect || channel == asgi.WebSocketReceive || channel == asgi.WebSocketDisconnect
}

// replyChannel returns the reply channel of a message, or "".
func replyChannel(m asgi.Message) string { return m.Octets(asgi.KeyReplyChannel) }
