package script

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"asgibox/asgi"
	"asgibox/internal/logkey"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"
	"asgibox/workerpool/script/web"

	"go.starlark.net/starlark"
)

// NotFoundError is the error for a request or handshake that matches no route.
type NotFoundError struct {
	Channel, Method, Path string
	Tried                 []string // the routes of the channel, as the author wrote them

	table *table
}

func (e *NotFoundError) Error() string {
	if len(e.Tried) == 0 {
		return e.summary()
	}
	return fmt.Sprintf("%s; tried %s", e.summary(), strings.Join(e.Tried, ", "))
}

// summary returns the error's text without the routes that were tried.
func (e *NotFoundError) summary() string {
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
	return strings.Join(Routing{table: e.table}.near(e.Channel, e.Method, e.Path), "; ")
}

// HTTPStatus is the status of the response.
func (e *NotFoundError) HTTPStatus() int { return http.StatusNotFound }

// unrouted handles a message that matches no route.
func (r *run) unrouted(m *match, d asgi.Delivery) error {
	t := m.table
	switch {
	case d.Channel == asgi.HTTPRequest && len(m.allow) > 0:
		return r.notAllowed(m.allow)
	case d.Channel == asgi.HTTPRequest && t.wsgi != nil:
		return r.serveWSGI(t.wsgi, d)
	case d.Channel == asgi.WebSocketConnect && len(t.entries[d.Channel]) == 0 && t.receives(d):
		return r.out.Send(r.ctx, r.job.ReplyChannel(), acceptance)
	}
	e := &NotFoundError{d.Channel, d.Message.Text(asgi.KeyMethod), d.Message.Text(asgi.KeyPath), t.tried(d.Channel), t}
	if d.Channel == asgi.HTTPRequest || d.Channel == asgi.WebSocketConnect {
		return e
	}
	r.job.Unrouted()
	if pos, ok := t.nearest(e.Channel, e.Path); ok && t.unit.loader.opts.Strict {
		return &placedError{explain.Hintf(e.Hint(), "a message was dropped: %s", e.Error()), pos}
	}
	t.unit.warnDropped(e)
	return nil
}

// maxDropped limits the warnings about dropped messages, because clients choose
// paths.
const maxDropped = 200

// warnDropped logs a warning about a message that was dropped because it matches
// no route, once for each channel and path.
func (u *unit) warnDropped(e *NotFoundError) {
	key := e.Channel + " " + e.Path
	u.mu.Lock()
	known := u.dropped[key] || len(u.dropped) >= maxDropped
	u.dropped[key] = u.dropped[key] || !known
	u.mu.Unlock()
	if known {
		return
	}
	text := "a message was dropped: " + e.Error()
	if hint := e.Hint(); hint != "" {
		text += " (" + hint + ")"
	}
	args := []any{logkey.Channel, e.Channel, logkey.Generation, u.number}
	if pos, ok := e.table.nearest(e.Channel, e.Path); ok {
		args = append(args, logkey.At, fmt.Sprintf("%s:%d", pos.Filename(), pos.Line))
	}
	u.loader.log.Warn(text, args...)
}

var acceptance = asgi.MustMessage(asgi.Field{Key: asgi.KeyAccept, Value: true})

// receives reports whether messages of the WebSocket may match a route.
func (t *table) receives(d asgi.Delivery) bool {
	d.Channel = asgi.WebSocketReceive
	for i := range t.entries[d.Channel] {
		e, m := &t.entries[d.Channel][i], &match{table: t}
		if !onlyPath(e) || m.matches(e, d.Message) { // other texts are not known yet
			return true
		}
	}
	return false
}

// onlyPath reports whether an entry matches only the path, which is the same in
// all messages of a connection.
func onlyPath(e *entry) bool {
	other := func(p pattern) bool { return p.key != asgi.KeyPath }
	for _, in := range e.includes {
		if slices.ContainsFunc(in.patterns, other) {
			return false
		}
	}
	return !slices.ContainsFunc(e.route.patterns, other)
}

func (t *table) tried(channel string) []string {
	var tried []string
	for i := range t.entries[channel] {
		tried = append(tried, t.entries[channel][i].describe())
	}
	return tried
}

// notAllowed responds to a request whose path matches but whose method does not.
func (r *run) notAllowed(allow []string) error {
	slices.Sort(allow)
	methods := strings.Join(slices.Compact(allow), ", ")
	m, err := asgi.NewMessage(
		asgi.Field{Key: asgi.KeyStatus, Value: http.StatusMethodNotAllowed},
		asgi.Field{Key: asgi.KeyHeaders, Value: []any{
			[]any{asgi.Bytes("allow"), asgi.Bytes(methods)},
			[]any{asgi.Bytes("content-type"), asgi.Bytes("text/plain; charset=utf-8")},
		}},
		asgi.Field{Key: asgi.KeyContent, Value: asgi.Bytes("this path allows only " + methods + "\n")},
	)
	if err != nil {
		return err
	}
	return r.out.Send(r.ctx, r.job.ReplyChannel(), m)
}

// hold implements hold(request): another handler will respond.
func hold(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "request", &v); err != nil {
		return nil, err
	}
	switch v.(type) {
	case *message, *web.Request:
	default:
		return nil, fmt.Errorf("hold: the argument is %s; it must be the request or message", value.An(v))
	}
	if r.job == nil {
		return nil, errors.New("hold: no request is being handled here")
	}
	r.job.Hold()
	r.held = true
	return starlark.None, nil
}
