package httpfront

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// EventKind is the kind of an [Event].
type EventKind uint8

const (
	// HTTP: a request was served, or its client disconnected.
	HTTP EventKind = iota
	// SocketConnecting: a WebSocket handshake waits for the application.
	SocketConnecting
	// SocketConnected: a WebSocket was accepted.
	SocketConnected
	// SocketRefused: a WebSocket handshake was refused.
	SocketRefused
	// SocketDisconnected: an accepted WebSocket has ended.
	SocketDisconnected
)

var eventNames = [...]string{"HTTP", "WSCONNECTING", "WSCONNECT", "WSREJECT", "WSDISCONNECT"}

func (k EventKind) String() string { return eventNames[k] }

// An Event describes a served request or a change of a WebSocket.
type Event struct {
	Kind     EventKind
	Client   any       // [host, port] as in messages, or nil
	Method   string    // upper case
	Target   string    // as sent by the client
	Version  string    // "1.1"
	Path     string    // percent-decoded
	Status   int       // HTTP status, or close code of SocketDisconnected; zero if the client disconnected first
	Bytes    int64     // of the response body
	Started  time.Time // when the request began to arrive
	Duration time.Duration
	Disk     time.Duration // the part of Duration in which the response waited for data to be on disk
	Channel  string        // the reply channel; empty if the request was refused before it had one
	Trace    asgi.TraceID  // of the request or of the handshake
	By       string        // for SocketDisconnected: client, application, hand or server; empty if the connection was lost
}

// ClientString returns "host:port", or "" if the client has no address.
func (e Event) ClientString() string { return endpointString(e.Client) }

// Common returns the event as a line of an access log in the common format, as
// Daphne writes it. The time of the line is at.
func (e Event) Common(at time.Time) string {
	client := e.ClientString()
	if client == "" {
		client = "-"
	}
	stamp := at.Format("02/Jan/2006:15:04:05")
	target := strings.Map(printable, e.Target)
	if e.Kind != HTTP {
		return fmt.Sprintf("%s - - [%s] \"%s %s\" - -", client, stamp, e.Kind, target)
	}
	size := "-"
	if e.Bytes > 0 {
		size = itoa(e.Bytes)
	}
	return fmt.Sprintf("%s - - [%s] \"%s %s\" %d %s", client, stamp, e.Method, target, e.Status, size)
}

// printable replaces quotes and control characters in a quoted log field.
func printable(r rune) rune {
	if r < ' ' || r == '"' || r == 0x7f {
		return '?'
	}
	return r
}

// LogAccess returns an [Options.Access] function that logs one record per event,
// at level Debug for [SocketConnecting], so that a WebSocket that connects is one
// line.
func LogAccess(log *slog.Logger) func(Event) {
	return func(e Event) {
		level := slog.LevelInfo
		if e.Kind == SocketConnecting {
			level = slog.LevelDebug
		}
		if !log.Enabled(context.Background(), level) {
			return
		}
		log.Log(context.Background(), level, e.Kind.String(),
			"method", e.Method, logkey.Path, e.Path, "status", e.Status,
			"duration", e.Duration, "bytes", e.Bytes, logkey.Client, e.ClientString())
	}
}

// event reports an event, unless it is about a request that an open page makes for
// the server itself. Without Own, workers elsewhere may serve such requests.
func (s *Server) event(e Event) {
	own := s.opts.Own != nil || s.opts.Workerless && !s.opts.NoDetails
	if s.opts.Access != nil && !(own && strings.HasPrefix(e.Path, asgi.OwnPath)) {
		s.opts.Access(e)
	}
}
