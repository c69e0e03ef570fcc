package asgi

// Channels that protocol servers and applications share. Their names and the
// keys of their messages come from the draft's HTTP, WebSocket, delay and UDP
// specifications.
const (
	HTTPRequest         = "http.request"
	HTTPDisconnect      = "http.disconnect"
	WebSocketConnect    = "websocket.connect"
	WebSocketReceive    = "websocket.receive"
	WebSocketDisconnect = "websocket.disconnect"
	UDPReceive          = "udp.receive"
	UDPSend             = "udp.send." // begins the reply channels of UDP peers
	DelayChannel        = "asgi.delay"
)

// OwnPath begins the paths of requests for the server itself, which pages make that
// the server has changed or generated.
const OwnPath = "/__asgibox__/"

// Prefixes of the keys under which a [KV] stores the values of asgibox itself.
const (
	StatePrefix      = "state/"   // the state of applications
	SessionPrefix    = "session/" // the sessions of browsers
	ConnectionPrefix = "channel/" // the sessions of connections, by reply channel

	// PeerPrefix is a part of ConnectionPrefix: the sessions of UDP peers, which have
	// no disconnect.
	PeerPrefix = ConnectionPrefix + UDPSend
)

// Keys of messages.
const (
	KeyAbort        = "abort"
	KeyAccept       = "accept"
	KeyBody         = "body"
	KeyBodyChannel  = "body_channel"
	KeyBytes        = "bytes"
	KeyChannel      = "channel"
	KeyClient       = "client"
	KeyClose        = "close"
	KeyClosed       = "closed"
	KeyCode         = "code"
	KeyContent      = "content"
	KeyData         = "data"
	KeyDelay        = "delay"
	KeyHeaders      = "headers"
	KeyHTTPVersion  = "http_version"
	KeyMethod       = "method"
	KeyMoreContent  = "more_content"
	KeyOrder        = "order"
	KeyPath         = "path"
	KeyQueryString  = "query_string"
	KeyReason       = "reason"
	KeyReplyChannel = "reply_channel"
	KeyRequest      = "request"
	KeyResponse     = "response"
	KeyRootPath     = "root_path"
	KeyScheme       = "scheme"
	KeyServer       = "server"
	KeyStatus       = "status"
	KeySubprotocol  = "subprotocol"
	KeyText         = "text"
)
