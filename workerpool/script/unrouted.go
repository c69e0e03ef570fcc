package script

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"asgibox/asgi"

	"go.starlark.net/starlark"
)

// NotFoundError says that no route fits a request or handshake, and which
// there are.
type NotFoundError struct {
	Channel, Method, Path string
	Tried                 []string // the routes of the channel, as they are written

	table *table
}

func (e *NotFoundError) Error() string {
	if len(e.Tried) == 0 {
		return e.summary()
	}
	return fmt.Sprintf("%s; tried %s", e.summary(), strings.Join(e.Tried, ", "))
}

// summary is the error without the routes that were tried.
func (e *NotFoundError) summary() string {
	subject := e.Channel + " " + e.Path
	if e.Method != "" {
		subject = e.Method + " " + e.Path
	}
	if len(e.Tried) == 0 {
		return fmt.Sprintf("no route for %s: there is none for %s", subject, e.Channel)
	}
	return "no route for " + subject
}

// Hint says what comes near.
func (e *NotFoundError) Hint() string {
	return strings.Join(Routing{table: e.table}.near(e.Channel, e.Method, e.Path), "; ")
}

// HTTPStatus is how the request is answered.
func (e *NotFoundError) HTTPStatus() int { return http.StatusNotFound }

// unrouted deals with a request or handshake that no route fits.
func (r *run) unrouted(m *match, d asgi.Delivery) error {
	t := m.table
	switch {
	case d.Channel == "http.request" && len(m.allow) > 0:
		return r.notAllowed(m.allow)
	case d.Channel == "http.request" && t.wsgi != nil:
		return r.serveWSGI(t.wsgi, d)
	case d.Channel == "websocket.connect" && len(t.entries[d.Channel]) == 0 && t.receives(d):
		return r.accept()
	}
	return &NotFoundError{d.Channel, d.Message.Text("method"), d.Message.Text("path"), t.tried(d.Channel), t}
}

// receives reports whether the WebSocket's messages will have a route.
func (t *table) receives(d asgi.Delivery) bool {
	d.Channel = "websocket.receive"
	for i := range t.entries[d.Channel] {
		e := &t.entries[d.Channel][i]
		if onlyPath(e) {
			m := &match{table: t}
			if m.fits(e, d.Message) {
				return true
			}
			continue
		}
		return true // what it looks at is not known yet
	}
	return false
}

// onlyPath reports whether an entry looks at nothing but the path, which all
// messages of a connection share.
func onlyPath(e *entry) bool {
	other := func(p pattern) bool { return p.key != "path" }
	for _, in := range e.within {
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

var acceptance = asgi.MustMessage(asgi.Field{Key: "accept", Value: true})

// accept lets a handshake succeed.
func (r *run) accept() error {
	return r.out.Send(r.ctx, r.job.ReplyChannel(), acceptance)
}

// notAllowed answers a request that only the methods of the routes keep from
// them.
func (r *run) notAllowed(allow []string) error {
	slices.Sort(allow)
	m, err := asgi.NewMessage(
		asgi.Field{Key: "status", Value: http.StatusMethodNotAllowed},
		asgi.Field{Key: "headers", Value: []any{
			[]any{asgi.Bytes("allow"), asgi.Bytes(strings.Join(slices.Compact(allow), ", "))},
			[]any{asgi.Bytes("content-type"), asgi.Bytes("text/plain; charset=utf-8")},
		}},
		asgi.Field{Key: "content", Value: asgi.Bytes("this path takes " + strings.Join(slices.Compact(allow), ", ") + "\n")},
	)
	if err != nil {
		return err
	}
	return r.out.Send(r.ctx, r.job.ReplyChannel(), m)
}

// hold is hold(request): somebody else will answer.
func hold(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "request", &v); err != nil {
		return nil, err
	}
	if r.job == nil {
		return nil, fmt.Errorf("hold: there is no request to hold here")
	}
	r.job.Hold()
	r.held = true
	return starlark.None, nil
}
