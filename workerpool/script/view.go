package script

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"asgibox/asgi"
	"asgibox/workerpool/script/web"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// view is what a route made by view() or static() has besides.
type view struct {
	path    *web.Path // nil for files
	methods []string  // upper case; none is all
	files   *web.Static
}

func (v *view) String() string {
	if v.files != nil {
		return v.files.String()
	}
	if len(v.methods) == 0 {
		return fmt.Sprintf("view(%q)", v.path)
	}
	return fmt.Sprintf("view(%q, methods=[%q])", v.path, strings.Join(v.methods, `", "`))
}

// params are the names that the path captures.
func (v *view) params() []string {
	if v.path == nil {
		return nil
	}
	return v.path.Names()
}

// viewCall is view(path, fn, methods=None).
func viewCall(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	o := route{opaque: opaque{b.Name(), callPos(r)}, channel: "http.request", view: &view{}}
	var path string
	var fn, methods, concurrency starlark.Value = nil, starlark.None, starlark.None
	err := starlark.UnpackArgs(b.Name(), args, kwargs, "path", &path, "fn", &fn, "methods?", &methods, "concurrency?", &concurrency)
	if err != nil {
		return nil, err
	}
	if o.consumer, err = callable(b.Name(), fn); err != nil {
		return nil, err
	}
	if o.view.path, err = web.CompilePath(path); err != nil {
		return nil, err
	}
	if o.concurrency, err = bound(concurrency); err != nil {
		return nil, err
	}
	o.view.methods, err = methodNames(methods)
	return &o, err
}

// methodNames takes a list of methods, or one.
func methodNames(v starlark.Value) ([]string, error) {
	if v == starlark.None {
		return nil, nil
	}
	if one, ok := starlark.AsString(v); ok {
		return []string{strings.ToUpper(one)}, nil
	}
	list, ok := v.(starlark.Iterable)
	if !ok {
		return nil, fmt.Errorf("view: methods is a list of texts, not %s", v.Type())
	}
	var names []string
	for item := range starlark.Elements(list) {
		name, ok := starlark.AsString(item)
		if !ok {
			return nil, fmt.Errorf("view: a method is a text, not %s", item.Type())
		}
		names = append(names, strings.ToUpper(name))
	}
	return names, nil
}

// staticCall is static(prefix, directory).
func staticCall(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	o := route{opaque: opaque{b.Name(), callPos(r)}, channel: "http.request", view: &view{}}
	var prefix, directory string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "prefix", &prefix, "directory", &directory); err != nil {
		return nil, err
	}
	var err error
	o.view.files, err = r.unit.web.Static(prefix, directory)
	o.consumer = b
	return &o, err
}

// view reports whether a view fits what is left of the path, and notes the
// methods it takes if only that is in the way.
func (m *match) view(v *view, rest *rest) bool {
	path, _ := rest.text("path")
	if len(rest.cut) > 0 && !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if v.files != nil {
		m.path = path
		return v.files.Match(path)
	}
	captured, ok := v.path.Match(path)
	if !ok {
		return false
	}
	if !v.takes(rest.msg.Text("method")) {
		m.allow = append(m.allow, v.allows()...)
		return false
	}
	m.params = captured
	for _, kw := range captured {
		m.capture(string(kw[0].(starlark.String)), kw[1])
	}
	return true
}

// takes reports whether the view answers a method. HEAD is a GET.
func (v *view) takes(method string) bool {
	return len(v.methods) == 0 || slices.Contains(v.methods, method) || method == "HEAD" && slices.Contains(v.methods, "GET")
}

func (v *view) allows() []string {
	if slices.Contains(v.methods, "GET") {
		return append(slices.Clone(v.methods), "HEAD")
	}
	return v.methods
}

// serve answers a request by a view.
func (r *run) serve(m *match, v *view, msg *message) error {
	if v.files != nil {
		return r.serveFile(m, v, msg)
	}
	req := r.request(msg)
	req.SetParams(m.params)
	result, err := r.call(m.entry.route.consumer, starlark.Tuple{req}, m.kwargs)
	if err != nil {
		return blame(err)
	}
	if result == starlark.None && (r.held || r.job.Replied()) {
		return nil
	}
	return blame(returnedBy(m.entry.route.consumer, r.unit.web.Respond(r.thread, req, result, r.sender())))
}

// returnedBy gives what is wrong with a function's answer a place: nothing of
// the script was running when it was found out.
func returnedBy(fn starlark.Callable, err error) error {
	pos, ok := position(fn)
	var running *starlark.EvalError
	switch {
	case err == nil || !ok:
		return err
	case !errors.As(err, &running):
		return &returned{err, pos}
	case placed(running.CallStack):
		return err
	}
	return &returned{cmp.Or(running.Unwrap(), errors.New(running.Msg)), pos} // a builtin's, called by nobody's script
}

// placed reports whether a call stack leads to a line of a file.
func placed(stack starlark.CallStack) bool {
	return slices.ContainsFunc(stack, func(f starlark.CallFrame) bool { return f.Pos.Line > 0 })
}

type returned struct {
	err error
	pos syntax.Position
}

func (e *returned) Error() string { return e.err.Error() }
func (e *returned) Unwrap() error { return e.err }

// Place answers where the function is.
func (e *returned) Place() (file string, line, col int) {
	return e.pos.Filename(), int(e.pos.Line), int(e.pos.Col)
}

// serveFile answers a request by a file.
func (r *run) serveFile(m *match, v *view, msg *message) error {
	origin := msg.content.Origin()
	if m.path != origin.Text("path") {
		within, err := origin.With("path", m.path)
		if err != nil {
			return err
		}
		origin = within
	}
	return blame(v.files.Serve(web.NewRequest(origin, web.Hooks{}), r.sender()))
}

// serveWSGI answers a request by the file's application.
func (r *run) serveWSGI(fn starlark.Callable, d asgi.Delivery) error {
	errors := func(text string) { r.unit.logAt(r.thread, slog.LevelWarn, text) }
	return blame(web.ServeWSGI(r.thread, fn, r.request(newMessage(r, d)), r.sender(), errors))
}

// request makes what a view is called with.
func (r *run) request(msg *message) *web.Request {
	return web.NewRequest(msg.content.Origin(), web.Hooks{
		More:  func() (asgi.Bytes, error) { return r.moreBody(msg) },
		Attr:  msg.requestAttr,
		Names: requestNames,
	})
}

var requestNames = []string{"channel_session", "http_session", "message", "reply_channel", "session"}

// requestAttr answers what the host adds to a request.
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

var errClientGone = errors.New("the client went away before it had sent the whole body")

// moreBody waits for the next piece of a body.
func (r *run) moreBody(msg *message) (asgi.Bytes, error) {
	d, err := r.unit.loader.opts.Layer.Receive(r.ctx, r.cause(), msg.content.Origin().Text("body_channel"))
	if err != nil {
		return "", err
	}
	if closed, _ := d.Message.Get("closed"); closed == true {
		return "", &web.RequestError{Status: 400, Err: errClientGone}
	}
	if more, _ := d.Message.Get("more_content"); more != true {
		return d.Message.Bytes("content"), io.EOF
	}
	return d.Message.Bytes("content"), nil
}

// sender takes the messages of a response and waits for clients that read
// slowly.
func (r *run) sender() *web.Sender {
	return &web.Sender{Send: func(m asgi.Message) error {
		if err := r.saveSessions(); err != nil {
			return err
		}
		m, err := r.dress(m)
		if err != nil {
			return err
		}
		return r.patient(forever, func() error { return r.out.Send(r.ctx, r.job.ReplyChannel(), m) })
	}}
}

// dress adds to a response what the handler need not think of.
func (r *run) dress(m asgi.Message) (asgi.Message, error) {
	m, err := r.withCookie(m)
	if err != nil {
		return m, err
	}
	return r.withLive(m)
}

// requestFault is a failure for which the request is to blame.
type requestFault struct {
	err    error
	status int
}

func (e *requestFault) Error() string   { return e.err.Error() }
func (e *requestFault) Unwrap() error   { return e.err }
func (e *requestFault) HTTPStatus() int { return e.status }

// blame tells a request's fault from the application's.
func blame(err error) error {
	if err == nil {
		return nil // before there is anything to allocate
	}
	var fault *web.RequestError
	if errors.As(err, &fault) {
		return &requestFault{err, fault.Status}
	}
	return err
}
