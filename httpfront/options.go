package httpfront

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"time"

	"asgibox/asgi"
)

// Forever, like any negative duration, switches a time limit off.
const Forever = time.Duration(-1)

// Options configure a [Server]. The zero value works.
type Options struct {
	// Name is the first part of the reply channels, "<name>.response.…!".
	// Default: asgibox.
	Name string

	// HTTPTimeout limits the time until a response starts (--http-timeout).
	// Default: 120 s.
	HTTPTimeout time.Duration
	// MaxBody is the longest request body in bytes (--max-body). Default:
	// 100 MiB.
	MaxBody int64
	// BodyMemory limits the memory of all request bodies and WebSocket
	// messages that arrive or wait for the application, in bytes
	// (--body-memory). Each connection may always use 16 KiB. Default:
	// 256 MiB.
	BodyMemory int64
	// RootPath is root_path in every message, written as in a URL: it begins
	// with a slash, and may have percent escapes (--root-path).
	RootPath string
	// ProxyHeaders makes the server trust X-Forwarded-For, -Port and -Proto
	// and Daphne-Root-Path (--proxy-headers). Set it only if all clients
	// must come through a proxy.
	ProxyHeaders bool

	// ConnectTimeout limits the time until a WebSocket handshake gets a reply
	// (--websocket-connect-timeout). Default: 5 s.
	ConnectTimeout time.Duration
	// SocketTimeout is the longest lifetime of a WebSocket
	// (--websocket-timeout). Default: the layer's group expiry.
	SocketTimeout time.Duration
	// PingInterval is how long a WebSocket may be silent before it is pinged
	// (--ping-interval). Default: 20 s.
	PingInterval time.Duration
	// PingTimeout is how long a pong may take (--ping-timeout). Default: 30 s.
	PingTimeout time.Duration
	// Protocols are the supported WebSocket sub-protocols (--ws-protocol,
	// repeatable).
	Protocols []string
	// Compression offers permessage-deflate, without context takeover
	// (--ws-compression).
	Compression bool
	// AllowOrigins are the origins that may open WebSockets besides the
	// server's own: "https://example.com", "null", or "*" for all
	// (--allow-origin, repeatable).
	AllowOrigins []string

	// TLS makes Serve use TLS, and HTTP/2 with clients that support it
	// (--tls, --tls-cert, --tls-key). Package devcert makes a certificate
	// for development.
	TLS *tls.Config
	// H2C makes Serve accept unencrypted HTTP/2 with prior knowledge (--h2c).
	H2C bool
	// Grace limits the shutdown that starts when the context of Serve is done
	// (--grace). Default: 10 s.
	Grace time.Duration

	// Own serves the requests without a body for paths below [asgi.OwnPath]. They
	// do not reach the layer. Its responses are complete when it returns; the
	// context of a request is done when the client has left. They cause no
	// events. By default the application gets these requests, like all others;
	// then they cause events, unless Workerless is set and NoDetails is not.
	Own http.Handler
	// Workerless says that this process has no workers: if nothing receives
	// from the channels of requests and handshakes, the log and the error page
	// say so (--no-workers).
	Workerless bool
	// NoDetails leaves advice out of the server's own error pages
	// (--production).
	NoDetails bool
	// Log receives problems with requests and replies. Default: no log.
	Log *slog.Logger
	// Access is called for every request and every event of a WebSocket, on
	// the goroutine that served it (--access-log). See [LogAccess].
	Access func(Event)
}

// withDefaults returns the options with defaults for the fields that are zero.
func (o Options) withDefaults(s asgi.Settings) Options {
	if o.Name == "" {
		o.Name = "asgibox"
	}
	if o.MaxBody == 0 {
		o.MaxBody = 100 << 20
	}
	if o.BodyMemory == 0 {
		o.BodyMemory = 256 << 20
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
