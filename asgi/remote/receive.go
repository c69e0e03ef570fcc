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

// maxWaits is how many receives may wait over HTTP at once, because each keeps a
// connection.
const maxWaits = 2000

// maxID is the maximum length of the id of a receive, in bytes.
const maxID = 100

// errWaitEnded ends a wait that timed out or that its client cancelled.
var errWaitEnded = errors.New("the wait has ended")

func receive(w *work) (asgi.Fields, error) {
	id := w.args.textOr("id", "")
	if len(id) > maxID {
		w.args.invalid("id", "at most 100 bytes long")
	}
	r := w.args.receive()
	if w.args.err != nil {
		return nil, w.args.err
	}
	if r.Wait < 0 && !w.patient {
		r.Wait = defaultWait
	}
	ended := w.h.readers.began(w.from, r.Channels)
	d, ok, err := w.next(r.Channels, r.Block, id, r.Wait)
	if ok {
		ended(&d)
	} else {
		ended(nil)
	}
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return r.Result(nil), nil
	}
	w.delivery = &d
	return r.Result(&d), nil
}

// A Receive holds the arguments of a receive.
type Receive struct {
	Channels []string
	Block    bool
	Wait     time.Duration // the timeout; negative if none was given
	Envelope bool
}

// ParseReceive returns the arguments of a receive without an id.
func ParseReceive(fields asgi.Fields) (Receive, error) {
	args, err := newArguments(fields, calls["receive"].keys)
	if err != nil {
		return Receive{}, err
	}
	return args.receive(), args.err
}

func (a *arguments) receive() Receive {
	r := Receive{Channels: a.texts("channels"), Block: a.boolean("block"), Envelope: a.boolean("envelope"), Wait: -1}
	if wait, given := a.seconds("timeout"); given {
		r.Wait = min(wait, maxWait)
	}
	return r
}

// Result returns the fields of a response with a message, or with none if d is nil.
func (r Receive) Result(d *asgi.Delivery) asgi.Fields {
	if d == nil {
		return asgi.Fields{{Key: "channel"}, {Key: "message"}}
	}
	result := asgi.Fields{{Key: "channel", Value: d.Channel}, {Key: "message", Value: d.Message.Dict}}
	if r.Envelope {
		result = append(result,
			asgi.Field{Key: "trace", Value: d.Trace.String()},
			asgi.Field{Key: "volatile", Value: d.Volatile},
			asgi.Field{Key: "expires_in", Value: time.Until(d.Deadline).Seconds()})
	}
	return result
}

// next polls or, if block is set, waits, without limit if wait is negative. It
// reports whether there was a message.
func (w *work) next(channels []string, block bool, id string, wait time.Duration) (asgi.Delivery, bool, error) {
	if !block {
		return w.layer.Poll(w.ctx, w.cause, channels...)
	}
	if !w.patient {
		defer w.h.waiting.Add(-1)
		if w.h.waiting.Add(1) > maxWaits {
			return asgi.Delivery{}, false, Errorf(TooManyConnections, "%d receives wait over HTTP already; try again when one has ended", maxWaits)
		}
	}
	ctx, cancel := context.WithCancelCause(w.ctx)
	defer cancel(nil)
	if wait >= 0 {
		timer := time.AfterFunc(wait, func() { cancel(errWaitEnded) })
		defer timer.Stop()
	}
	stop := context.AfterFunc(w.h.life, func() { cancel(context.Cause(w.h.life)) })
	defer stop()
	if id != "" {
		if err := w.h.addWait(id, cancel); err != nil {
			return asgi.Delivery{}, false, err
		}
		defer w.h.removeWait(id)
	}
	d, err := w.layer.Receive(ctx, w.cause, channels...)
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

// PutBack returns a message to its queue after its receiver has hung up, or logs that
// it was lost.
func (h *Handler) PutBack(d asgi.Delivery) {
	p, ok := asgi.As[asgi.PutBack](h.layer)
	err := errors.ErrUnsupported
	if ok {
		err = p.PutBack(d)
	}
	if err != nil {
		h.log.Warn("a message was lost: its receiver hung up and it could not be put back", logkey.Channel, d.Channel, logkey.Error, err)
	}
}
