package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strconv"
	"time"

	"asgibox/asgi"
)

// Receive waits for a message; see [asgi.Layer]. Where the server cannot be
// reached, or is shutting down, it goes on waiting, for the one that is started
// next.
func (c *Client) Receive(ctx context.Context, work *asgi.Cause, channels ...string) (asgi.Delivery, error) {
	for _, name := range channels {
		if err := asgi.CheckReceive(name); err != nil {
			return asgi.Delivery{}, err
		}
	}
	for {
		if ctx.Err() != nil {
			return asgi.Delivery{}, context.Cause(ctx)
		}
		d, ok, err := c.wait(ctx, channels)
		switch {
		case ok:
			work.Take(d)
			return d, nil
		case err == nil: // its time was over
		case ctx.Err() != nil:
			return asgi.Delivery{}, context.Cause(ctx)
		case !unreachable(err):
			return asgi.Delivery{}, err
		default:
			c.reached(err)
			c.untilReached(ctx)
		}
	}
}

// untilReached returns when the server answers, whatever it says.
func (c *Client) untilReached(ctx context.Context) {
	for ctx.Err() == nil {
		pause(ctx, retryEvery)
		_, err := c.do(ctx, http.MethodGet, "", nil)
		if err == nil {
			c.reached(nil)
		}
		if err == nil || !unreachable(err) {
			return
		}
	}
}

// reached notes whether the server was, and tells when that changes: once,
// however many receive.
func (c *Client) reached(err error) {
	switch {
	case err == nil && c.lost.CompareAndSwap(true, false):
		c.log.Info("the layer is reached again", "control", c.base)
	case err != nil && c.lost.CompareAndSwap(false, true):
		c.log.Warn("the layer cannot be reached; trying again", "control", c.base, "err", err)
	}
}

// retryEvery is how long to rest before a server that could not be reached is
// asked again.
const retryEvery = time.Second

// unreachable reports whether an error says nothing of the call: it did not
// come through, or came to a server that is shutting down.
func unreachable(err error) bool {
	var broken *transportError
	return errors.As(err, &broken) || errors.Is(err, asgi.ErrClosed)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Poll takes a message if there is one; see [asgi.Layer]. Where the server
// cannot be reached there is none, just as Receive goes on waiting.
func (c *Client) Poll(ctx context.Context, work *asgi.Cause, channels ...string) (asgi.Delivery, bool, error) {
	d, ok, err := delivery(c.call(ctx, "receive", asgi.Fields{
		{Key: "channels", Value: items(channels)},
		{Key: "envelope", Value: true},
	}))
	switch {
	case ok:
		work.Take(d)
	case err != nil && ctx.Err() == nil && unreachable(err):
		c.reached(err)
		return asgi.Delivery{}, false, nil
	}
	return d, ok, err
}

// wait receives once for as long as the server lets it. When ctx ends it does
// not hang up, since a message may be on its way: it has the server end the
// wait, and that answers what there was.
func (c *Client) wait(ctx context.Context, channels []string) (asgi.Delivery, bool, error) {
	calling, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	id := rand.Text()
	stop := context.AfterFunc(ctx, func() { c.endWait(calling, hangUp, id) })
	defer stop()
	return delivery(c.call(calling, "receive", asgi.Fields{
		{Key: "channels", Value: items(channels)},
		{Key: "block", Value: true},
		{Key: "timeout", Value: longestWait.Seconds()},
		{Key: "id", Value: id},
		{Key: "envelope", Value: true},
	}))
}

// How often, and how far apart, the server is asked to end a wait: the receive
// itself may still be on its way to it.
const (
	endTries = 50
	endPause = 100 * time.Millisecond
)

// endWait has the server end a wait, and hangs up if it does not.
func (c *Client) endWait(calling context.Context, hangUp context.CancelFunc, id string) {
	for range endTries {
		fields, err := c.call(calling, "cancel", asgi.Fields{{Key: "id", Value: id}})
		if calling.Err() != nil {
			return // it has ended
		}
		if err != nil {
			break
		}
		if find[bool](fields, "waited") {
			pause(calling, endTries*endPause)
			break
		}
		pause(calling, endPause)
	}
	hangUp()
}

// delivery reads the answer of receive.
func delivery(fields asgi.Fields, err error) (asgi.Delivery, bool, error) {
	channel := find[string](fields, "channel")
	if err != nil || channel == "" {
		return asgi.Delivery{}, false, err
	}
	m, err := asgi.AsMessage(find[asgi.Dict](fields, "message"))
	if err != nil {
		return asgi.Delivery{}, false, err
	}
	trace, err := strconv.ParseUint(find[string](fields, "trace"), 16, 64)
	return asgi.Delivery{
		Channel:  channel,
		Message:  m,
		Trace:    asgi.TraceID(trace),
		Deadline: time.Now().Add(inSeconds(fields, "expires_in")),
		Volatile: find[bool](fields, "volatile"),
	}, err == nil, err
}
