package script

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool/routing"
	"asgibox/workerpool/script/value"
	"asgibox/workerpool/script/web"

	"go.starlark.net/starlark"
)

// viewCall implements view(path, fn, methods=None, concurrency=None).
func viewCall(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	o := route{opaque: opaque{b.Name(), callPos(r)}, Route: routing.Route{Channel: asgi.HTTPRequest, View: &routing.View{}}}
	var path string
	var fn, methods, concurrency starlark.Value = nil, starlark.None, starlark.None
	err := starlark.UnpackArgs(b.Name(), args, kwargs, "path", &path, "fn", &fn, "methods?", &methods, "concurrency?", &concurrency)
	if err != nil {
		return nil, err
	}
	if err := o.setConsumer(b.Name(), fn); err != nil {
		return nil, err
	}
	if o.View.Path, err = web.CompilePath(path); err != nil {
		return nil, err
	}
	if o.Concurrency, err = concurrencyArg(concurrency); err != nil {
		return nil, err
	}
	o.View.Methods, err = methodNames(methods)
	return &o, err
}

// methodNames converts a list of methods, or one method.
func methodNames(v starlark.Value) ([]string, error) {
	if v == starlark.None {
		return nil, nil
	}
	if one, ok := starlark.AsString(v); ok {
		return []string{strings.ToUpper(one)}, nil
	}
	list, ok := v.(starlark.Iterable)
	if !ok {
		return nil, fmt.Errorf(`view: methods must be a list like ["GET", "POST"], not %s`, value.An(v))
	}
	var names []string
	for item := range starlark.Elements(list) {
		name, ok := starlark.AsString(item)
		if !ok {
			return nil, fmt.Errorf(`view: a method must be text like "GET", not %s`, value.An(item))
		}
		names = append(names, strings.ToUpper(name))
	}
	return names, nil
}

// staticCall implements static(prefix, directory).
func staticCall(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	o := route{opaque: opaque{b.Name(), callPos(r)}, Route: routing.Route{Channel: asgi.HTTPRequest, View: &routing.View{}}}
	var prefix, directory string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "prefix", &prefix, "directory", &directory); err != nil {
		return nil, err
	}
	var err error
	o.View.Files, err = r.unit.web.Static(prefix, directory)
	o.Consumer, o.Name = b, b.Name()
	return &o, err
}

// serveView responds to a request with a view.
func (r *run) serveView(m *match, v *routing.View, msg *message) error {
	if v.Files != nil {
		return r.serveFile(m, v, msg)
	}
	req := r.request(msg)
	req.SetParams(m.Params)
	result, err := r.call(m.consumer(), starlark.Tuple{req}, m.kwargs())
	if err != nil {
		return err
	}
	if result == starlark.None && (r.held || r.job.Replied()) {
		return nil
	}
	if result == starlark.None {
		if err := r.checkReturn(m); err != nil || r.held {
			return placeAtFunction(m.consumer(), err)
		}
	}
	return placeAtFunction(m.consumer(), r.unit.web.Respond(r.thread, req, result, r.pageSender(msg.content.Origin())))
}

// placeAtFunction places an error in a function's result at the function,
// because no line of the script was running when the error occurred.
func placeAtFunction(fn starlark.Callable, err error) error {
	pos, ok := position(fn)
	if err == nil || !ok {
		return err
	}
	var running *starlark.EvalError
	switch {
	case !errors.As(err, &running):
		return &placedError{err, pos}
	case hasLine(running.CallStack):
		return err
	}
	return &placedError{cmp.Or(running.Unwrap(), errors.New(running.Msg)), pos} // a builtin's error
}

// hasLine reports whether a call stack contains a line of a file.
func hasLine(stack starlark.CallStack) bool {
	return slices.ContainsFunc(stack, func(f starlark.CallFrame) bool { return f.Pos.Line > 0 })
}

// serveFile responds to a request with a static file.
func (r *run) serveFile(m *match, v *routing.View, msg *message) error {
	request := msg.content.Origin()
	if m.Path != request.Text(asgi.KeyPath) {
		var err error
		if request, err = request.With(asgi.KeyPath, m.Path); err != nil {
			return err
		}
	}
	return v.Files.Serve(web.NewRequest(request, web.Hooks{}), r.sender())
}

// serveWSGI responds to a request with the file's application function.
func (r *run) serveWSGI(fn starlark.Callable, d asgi.Delivery) error {
	r.unit.loader.opts.Coverage.reached(r.unit.table.WSGI)
	warn := func(text string) { r.unit.logAt(r.thread, slog.LevelWarn, text) }
	return web.ServeWSGI(r.thread, fn, r.request(newMessage(r, d)), r.sender(), warn)
}

// request returns the request that a view receives.
func (r *run) request(msg *message) *web.Request {
	m := msg.content.Origin()
	hooks := web.Hooks{Attr: msg.requestAttr, Names: requestNames, Memory: r.memory}
	if m.Text(asgi.KeyBodyChannel) != "" {
		body := asgi.NewBodyReader(r.unit.loader.opts.Layer, m)
		hooks.More = func() (asgi.Bytes, error) { return r.moreBody(body) }
		hooks.Arrived = func() error { return r.job.StepBack(r.ctx) }
	}
	return web.NewRequest(m, hooks)
}

var requestNames = []string{"channel_session", "http_session", "message", "reply_channel", "session"}

// requestAttr returns an attribute in requestNames.
func (m *message) requestAttr(name string) (starlark.Value, error) {
	switch name {
	case "message":
		return m, nil
	case "session":
		return m.browserSession()
	case "reply_channel", "http_session", "channel_session":
		return m.Attr(name)
	}
	return nil, nil
}

// moreBody waits for the next part of a body.
func (r *run) moreBody(body *asgi.BodyReader) (asgi.Bytes, error) {
	done := r.job.AwaitBody()
	piece, more, err := r.nextPiece(body)
	done(len(piece))
	switch {
	case errors.Is(err, asgi.ErrBodyClosed):
		return "", &web.RequestError{Status: 400, Err: err}
	case err == nil && !more:
		err = io.EOF
	}
	return piece, err
}

// nextPiece waits for a piece. The handler steps aside if it has waited long for pieces;
// the limits for bodies bound what it holds.
func (r *run) nextPiece(body *asgi.BodyReader) (asgi.Bytes, bool, error) {
	soon, cancel := context.WithTimeout(r.ctx, max(asideFrom-r.waited, time.Millisecond))
	defer cancel()
	began := time.Now()
	piece, more, err := body.Next(soon, r.cause())
	r.waited += time.Since(began)
	if !errors.Is(err, context.DeadlineExceeded) || r.ctx.Err() != nil {
		return piece, more, err
	}
	r.job.StepAside(0)
	return body.Next(r.ctx, r.cause())
}

// sender sends the messages of a response. It waits for clients that read slowly.
func (r *run) sender() *web.Sender {
	s := &web.Sender{}
	s.Send = func(m asgi.Message) error {
		if err := r.saveSessions(); err != nil {
			return err
		}
		m, err := r.withCookie(m)
		if err != nil {
			return err
		}
		channel := r.job.ReplyChannel()
		return r.retryWhileFull(channel, forever, s.Held, func() error { return r.out.Send(r.ctx, channel, m) })
	}
	return s
}

// pageSender is a sender that adds the script of pages to documents.
func (r *run) pageSender(request asgi.Message) *web.Sender {
	s := r.sender()
	s.Edit = r.unit.loader.pages.Editor(request)
	return s
}
