package script

import (
	"errors"
	"fmt"

	"asgibox/asgi"
	"asgibox/workerpool/routing"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"
	"asgibox/workerpool/script/web"

	"go.starlark.net/starlark"
)

// unrouted handles a message that matches no route.
func (r *run) unrouted(m *match, d asgi.Delivery) error {
	t := m.table
	if d.Channel == asgi.HTTPRequest && len(m.Allow) == 0 && t.wsgi != nil {
		return r.serveWSGI(t.wsgi, d)
	}
	reply, err := t.Unrouted(&m.Match, d)
	if err == nil {
		return r.out.Send(r.ctx, r.job.ReplyChannel(), reply)
	}
	var e *routing.NotFoundError
	if !errors.Is(err, routing.ErrNoReply) || !errors.As(err, &e) {
		return err
	}
	r.job.Unrouted()
	if at, ok := t.Nearest(e.Channel, e.Path); ok && t.unit.loader.opts.Strict {
		return &placedError{explain.Hintf(e.Hint(), "a message was dropped: %s", e.Error()), positionAt(at)}
	}
	t.dropped.Warn(e)
	return nil
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
