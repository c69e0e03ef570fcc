package httpfront

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"asgibox/asgi"
)

// EventKind says what an [Event] tells of.
type EventKind uint8

const (
	// HTTP: a request has been answered, or its client left.
	HTTP EventKind = iota
	// SocketConnecting: a WebSocket handshake waits for the application.
	SocketConnecting
	// SocketConnected: it was accepted.
	SocketConnected
	// SocketRefused: it was not.
	SocketRefused
	// SocketDisconnected: a WebSocket that was accepted has ended.
	SocketDisconnected
)

var eventNames = [...]string{"HTTP", "WSCONNECTING", "WSCONNECT", "WSREJECT", "WSDISCONNECT"}

func (k EventKind) String() string { return eventNames[k] }

// An Event is a request, or something that happened to a WebSocket.
type Event struct {
	Kind     EventKind
	Client   any    // [host, port] as in messages, or nil
	Method   string // upper case
	Target   string // as sent
	Version  string // "1.1"
	Path     string // decoded
	Status   int    // HTTP status, or close code of SocketDisconnected; zero if the client left before
	Bytes    int64  // of the response body
	Duration time.Duration
	Channel  string       // the reply channel; empty if it was refused before it had one
	Trace    asgi.TraceID // of the request or of the handshake
	By       string       // of SocketDisconnected: who ended it, client, application, hand or server; empty if it was lost
}

// ClientString answers "host:port", or "" if there is no such thing.
func (e Event) ClientString() string { return endpointString(e.Client) }

// Common answers the event as a line of an access log in the common format, at
// that time of day, as Daphne writes it.
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

// printable keeps quotes and control characters out of a quoted log field.
func printable(r rune) rune {
	if r < ' ' || r == '"' || r == 0x7f {
		return '?'
	}
	return r
}

// LogAccess answers an [Options.Access] that writes one record an event.
func LogAccess(log *slog.Logger) func(Event) {
	return func(e Event) {
		if !log.Enabled(context.Background(), slog.LevelInfo) {
			return
		}
		log.Info(e.Kind.String(),
			"method", e.Method, keyPath, e.Path, "status", e.Status,
			"duration", e.Duration, "bytes", e.Bytes, keyClient, e.ClientString())
	}
}

// version answers the version of a request as messages have it.
func version(r *http.Request) string {
	v, _ := (&request{http: r}).httpVersion().(string)
	return v
}

func (s *Server) event(e Event) {
	if s.opts.Access != nil {
		s.opts.Access(e)
	}
}
