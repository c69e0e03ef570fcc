package script

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"asgibox/asgi"
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
	subject := e.Channel + " " + e.Path
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

// unrouted handles a request or handshake that matches no route.
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
	return &NotFoundError{d.Channel, d.Message.Text(asgi.KeyMethod), d.Message.Text(asgi.KeyPath), t.tried(d.Channel), t}
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
