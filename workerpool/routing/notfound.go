package routing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// NotFoundError is the error for a request or handshake that matches no route.
type NotFoundError struct {
	Channel, Method, Path string
	Tried                 []string // the routes of the channel, as the author wrote them

	table *Table
}

// NotFound returns the error for a message that matches no route.
func (t *Table) NotFound(d asgi.Delivery) *NotFoundError {
	return &NotFoundError{d.Channel, d.Message.Text(asgi.KeyMethod), d.Message.Text(asgi.KeyPath), t.tried(d.Channel), t}
}

func (e *NotFoundError) Error() string {
	if len(e.Tried) == 0 {
		return e.Summary()
	}
	return fmt.Sprintf("%s; tried %s", e.Summary(), strings.Join(e.Tried, ", "))
}

// Summary returns the error's text without the routes that were tried.
func (e *NotFoundError) Summary() string {
	subject := strings.TrimSpace(e.Channel + " " + e.Path)
	if e.Method != "" {
		subject = e.Method + " " + e.Path
	}
	if len(e.Tried) == 0 {
		return fmt.Sprintf("no route for %s: the application has no routes for %s", subject, e.Channel)
	}
	return "no route for " + subject
}

// Hint suggests similar paths and routes.
func (e *NotFoundError) Hint() string {
	return strings.Join(e.table.near(e.Channel, e.Method, e.Path), "; ")
}

// HTTPStatus is the status of the response.
func (e *NotFoundError) HTTPStatus() int { return http.StatusNotFound }

func (t *Table) tried(channel string) []string {
	var tried []string
	for i := range t.Entries[channel] {
		tried = append(tried, t.Entries[channel][i].Describe())
	}
	return tried
}

// ErrNoReply says that a message without a route needs no reply.
var ErrNoReply = errors.New("no reply is needed")

// Unrouted returns the reply to a message that no entry matches: 405, or the
// acceptance of a WebSocket whose messages have routes. It returns a
// [*NotFoundError] for any other request or handshake, and one joined with
// [ErrNoReply] for any other message.
func (t *Table) Unrouted(m *Match, d asgi.Delivery) (asgi.Message, error) {
	switch {
	case d.Channel == asgi.HTTPRequest && len(m.Allow) > 0:
		return notAllowed(m.Allow)
	case d.Channel == asgi.WebSocketConnect && len(t.Entries[d.Channel]) == 0 && t.Receives(d):
		return acceptance, nil
	case d.Channel == asgi.HTTPRequest || d.Channel == asgi.WebSocketConnect:
		return asgi.Message{}, t.NotFound(d)
	}
	return asgi.Message{}, errors.Join(ErrNoReply, t.NotFound(d))
}

var acceptance = asgi.MustMessage(asgi.Field{Key: asgi.KeyAccept, Value: true})

func allowed(methods []string) []string {
	slices.Sort(methods)
	return slices.Compact(methods)
}

// notAllowed returns the response to a request whose path matches but whose method
// does not.
func notAllowed(allow []string) (asgi.Message, error) {
	methods := strings.Join(allowed(allow), ", ")
	return asgi.NewMessage(
		asgi.Field{Key: asgi.KeyStatus, Value: http.StatusMethodNotAllowed},
		asgi.Field{Key: asgi.KeyHeaders, Value: []any{
			[]any{asgi.Bytes("allow"), asgi.Bytes(methods)},
			[]any{asgi.Bytes("content-type"), asgi.Bytes("text/plain; charset=utf-8")},
		}},
		asgi.Field{Key: asgi.KeyContent, Value: asgi.Bytes("this path allows only " + methods + "\n")},
	)
}

// maxDropped limits the warnings about dropped messages, because clients choose
// paths.
const maxDropped = 200

// Dropped logs a warning about each message that was dropped because it matches no
// route, once for each channel and path. It is safe for concurrent use.
type Dropped struct {
	Log        *slog.Logger
	Generation uint64

	warned Warned
}

// Warn logs the warning.
func (w *Dropped) Warn(e *NotFoundError) {
	if !w.warned.First(e.Channel+" "+e.Path, maxDropped) {
		return
	}
	text := "a message was dropped: " + e.Error()
	if hint := e.Hint(); hint != "" {
		text += " (" + hint + ")"
	}
	args := []any{logkey.Channel, e.Channel, logkey.Generation, w.Generation}
	if at, ok := e.table.Nearest(e.Channel, e.Path); ok {
		args = append(args, logkey.At, at.String())
	}
	w.Log.Log(context.Background(), slog.LevelWarn, text, args...)
}
