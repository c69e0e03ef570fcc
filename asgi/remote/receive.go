package remote

import (
	"context"
	"errors"
	"time"

	"asgibox/asgi"
)

// How long a receive that blocks waits, unless it says so, and at most.
const (
	defaultWait = 30 * time.Second
	longestWait = 300 * time.Second
)

// errEnough ends a wait that its caller, or its time, has had enough of.
var errEnough = errors.New("enough waited")

func receive(w *work) (asgi.Fields, error) {
	channels, block, id := w.args.texts("channels"), w.args.flag("block"), w.args.textOr("id", "")
	wait, given := w.args.seconds("timeout")
	envelope := w.args.flag("envelope")
	if w.args.bad != nil {
		return nil, w.args.bad
	}
	if !given {
		wait = defaultWait
	}
	d, ok, err := w.take(channels, block, id, min(wait, longestWait))
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return asgi.Fields{{Key: "channel"}, {Key: "message"}}, nil
	}
	w.taken = &d
	result := asgi.Fields{{Key: "channel", Value: d.Channel}, {Key: "message", Value: d.Message.Dict}}
	if envelope {
		result = append(result,
			asgi.Field{Key: "trace", Value: d.Trace.String()},
			asgi.Field{Key: "volatile", Value: d.Volatile},
			asgi.Field{Key: "expires_in", Value: time.Until(d.Deadline).Seconds()})
	}
	return result, nil
}

// take polls, or waits. That nothing came is no error.
func (w *work) take(channels []string, block bool, id string, wait time.Duration) (asgi.Delivery, bool, error) {
	if !block {
		return w.h.layer.Poll(w.ctx, w.cause, channels...)
	}
	ctx, cancel := context.WithCancelCause(w.ctx)
	defer cancel(nil)
	timer := time.AfterFunc(wait, func() { cancel(errEnough) })
	defer timer.Stop()
	stop := context.AfterFunc(w.h.life, func() { cancel(context.Cause(w.h.life)) })
	defer stop()
	if id != "" {
		if err := w.h.beginWait(id, cancel); err != nil {
			return asgi.Delivery{}, false, err
		}
		defer w.h.waited(id)
	}
	d, err := w.h.layer.Receive(ctx, w.cause, channels...)
	if errors.Is(err, errEnough) {
		return asgi.Delivery{}, false, nil
	}
	return d, err == nil, err
}

// beginWait notes a wait, so that its caller can end it.
func (h *Handler) beginWait(id string, cancel context.CancelCauseFunc) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waits[id] != nil {
		return badRequest("another receive with the id %q waits", id)
	}
	h.waits[id] = cancel
	return nil
}

func (h *Handler) waited(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waits, id)
}

// cancelWait ends the wait of a receive, which then answers what it was
// assigned before, or nothing.
func cancelWait(w *work) (asgi.Fields, error) {
	id := w.args.text("id")
	w.h.mu.Lock()
	cancel := w.h.waits[id]
	w.h.mu.Unlock()
	if cancel != nil {
		cancel(errEnough)
	}
	return asgi.Fields{{Key: "waited", Value: cancel != nil}}, w.args.bad
}

// putBack returns a message whose receiver is not there to get it.
func (w *work) putBack() {
	p, ok := asgi.As[asgi.PutBack](w.h.layer)
	err := errors.ErrUnsupported
	if ok {
		err = p.PutBack(*w.taken)
	}
	if err != nil {
		w.h.log.Warn("a message was lost: its receiver hung up and it could not be put back", "channel", w.taken.Channel, "error", err)
	}
}
