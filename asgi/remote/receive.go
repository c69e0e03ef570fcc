package remote

import (
	"context"
	"errors"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// The default and the maximum time that a blocking receive waits.
const (
	defaultWait = 30 * time.Second
	maxWait     = 300 * time.Second
)

// errWaitEnded ends a wait that timed out or that its client cancelled.
var errWaitEnded = errors.New("the wait has ended")

func receive(w *work) (asgi.Fields, error) {
	channels, block, id := w.args.texts("channels"), w.args.boolean("block"), w.args.textOr("id", "")
	wait, given := w.args.seconds("timeout")
	envelope := w.args.boolean("envelope")
	if w.args.err != nil {
		return nil, w.args.err
	}
	if !given {
		wait = defaultWait
	}
	ended := w.h.readers.began(w.from, channels)
	d, ok, err := w.next(channels, block, id, min(wait, maxWait))
	if ok {
		ended(&d)
	} else {
		ended(nil)
	}
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return asgi.Fields{{Key: "channel"}, {Key: "message"}}, nil
	}
	w.delivery = &d
	result := asgi.Fields{{Key: "channel", Value: d.Channel}, {Key: "message", Value: d.Message.Dict}}
	if envelope {
		result = append(result,
			asgi.Field{Key: "trace", Value: d.Trace.String()},
			asgi.Field{Key: "volatile", Value: d.Volatile},
			asgi.Field{Key: "expires_in", Value: time.Until(d.Deadline).Seconds()})
	}
	return result, nil
}

// next polls or, if block is set, waits. It reports whether there was a message.
func (w *work) next(channels []string, block bool, id string, wait time.Duration) (asgi.Delivery, bool, error) {
	if !block {
		return w.h.layer.Poll(w.ctx, w.cause, channels...)
	}
	ctx, cancel := context.WithCancelCause(w.ctx)
	defer cancel(nil)
	timer := time.AfterFunc(wait, func() { cancel(errWaitEnded) })
	defer timer.Stop()
	stop := context.AfterFunc(w.h.life, func() { cancel(context.Cause(w.h.life)) })
	defer stop()
	if id != "" {
		if err := w.h.addWait(id, cancel); err != nil {
			return asgi.Delivery{}, false, err
		}
		defer w.h.removeWait(id)
	}
	d, err := w.h.layer.Receive(ctx, w.cause, channels...)
	if errors.Is(err, errWaitEnded) {
		return asgi.Delivery{}, false, nil
	}
	return d, err == nil, err
}

// addWait registers a wait, so that its client can end it.
func (h *Handler) addWait(id string, cancel context.CancelCauseFunc) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waits[id] != nil {
		return Errorf(BadRequest, "another receive with the id %q is waiting", id)
	}
	h.waits[id] = cancel
	return nil
}

func (h *Handler) removeWait(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waits, id)
}

// cancelWait ends the wait of a receive. That receive returns the message that
// was assigned to it before, or none.
func cancelWait(w *work) (asgi.Fields, error) {
	id := w.args.text("id")
	w.h.mu.Lock()
	cancel := w.h.waits[id]
	w.h.mu.Unlock()
	if cancel != nil {
		cancel(errWaitEnded)
	}
	return asgi.Fields{{Key: "waited", Value: cancel != nil}}, w.args.err
}

// putBack returns the message to its queue after its receiver has hung up.
func (w *work) putBack() {
	p, ok := asgi.As[asgi.PutBack](w.h.layer)
	err := errors.ErrUnsupported
	if ok {
		err = p.PutBack(*w.delivery)
	}
	if err != nil {
		w.h.log.Warn("a message was lost: its receiver hung up and it could not be put back", logkey.Channel, w.delivery.Channel, logkey.Error, err)
	}
}
