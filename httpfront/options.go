package httpfront

import (
	"crypto/tls"
	"log/slog"
	"time"

	"asgibox/asgi"
)

// Forever, or any negative duration, switches a time limit off.
const Forever = time.Duration(-1)

// Options are how a [Server] is set up. The zero value works.
type Options struct {
	// Name begins the reply channels, "<name>.response.…!". Default: asgibox.
	Name string

	// HTTPTimeout is how long a request waits for its response to begin
	// (--http-timeout). Default: 120 s.
	HTTPTimeout time.Duration
	// MaxBody is the longest request body, in bytes (--max-body). Default:
	// 100 MiB.
	MaxBody int64
	// RootPath is the root_path of every message (--root-path).
	RootPath string
	// ProxyHeaders believes X-Forwarded-For, -Port and -Proto and
	// Daphne-Root-Path (--proxy-headers). Only for a server that nobody but
	// a proxy can reach.
	ProxyHeaders bool

	// ConnectTimeout is how long a WebSocket handshake waits for an answer
	// (--websocket-connect-timeout). Default: 5 s.
	ConnectTimeout time.Duration
	// SocketTimeout is how long a WebSocket may live (--websocket-timeout).
	// Default: the layer's group expiry.
	SocketTimeout time.Duration
	// PingInterval is the silence after which a WebSocket is pinged
	// (--ping-interval). Default: 20 s.
	PingInterval time.Duration
	// PingTimeout is how long a pong may take (--ping-timeout). Default: 30 s.
	PingTimeout time.Duration
	// Protocols are the WebSocket sub-protocols that are spoken
	// (--ws-protocol, several).
	Protocols []string
	// Compression offers permessage-deflate, without context takeover
	// (--ws-compression).
	Compression bool
	// AllowOrigins are the origins besides the server's own that may open
	// WebSockets: "https://example.com", "null", or "*" for all
	// (--allow-origin, several).
	AllowOrigins []string

	// TLS makes Serve speak TLS, and HTTP/2 where the client can (--tls,
	// --tls-cert, --tls-key; sub-package devcert makes a certificate for
	// development).
	TLS *tls.Config
	// H2C makes Serve understand HTTP/2 in clear text, with prior knowledge
	// (--h2c).
	H2C bool
	// Grace bounds the shutdown that begins when the context of Serve ends
	// (--grace). Default: 10 s.
	Grace time.Duration

	// Log gets what is wrong with requests and replies. Default: nothing.
	Log *slog.Logger
	// Access is told of every request and every event of a WebSocket, on the
	// goroutine that served it (--access-log). See [LogAccess].
	Access func(Event)
}

// withDefaults fills what is not set.
func (o Options) withDefaults(s asgi.Settings) Options {
	if o.Name == "" {
		o.Name = "asgibox"
	}
	if o.MaxBody == 0 {
		o.MaxBody = 100 << 20
	}
	setDuration(&o.HTTPTimeout, 120*time.Second)
	setDuration(&o.ConnectTimeout, 5*time.Second)
	setDuration(&o.SocketTimeout, s.GroupExpiry)
	setDuration(&o.PingInterval, 20*time.Second)
	setDuration(&o.PingTimeout, 30*time.Second)
	setDuration(&o.Grace, 10*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDuration(d *time.Duration, otherwise time.Duration) {
	if *d == 0 {
		*d = otherwise
	}
}
