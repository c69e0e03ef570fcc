package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strconv"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// Receive implements [asgi.Layer]. If the server cannot be reached or is
// shutting down, Receive continues to wait until a server runs again.
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
		case err == nil: // the wait timed out
		case ctx.Err() != nil:
			return asgi.Delivery{}, context.Cause(ctx)
		case !isUnreachable(err):
			return asgi.Delivery{}, err
		default:
			c.reportReachable(err)
			c.waitUntilReachable(ctx)
		}
	}
}

// waitUntilReachable returns when the server sends any response.
func (c *Client) waitUntilReachable(ctx context.Context) {
	for ctx.Err() == nil {
		pause(ctx, retryInterval)
		_, err := c.do(ctx, http.MethodGet, "", nil)
		if err == nil {
			c.reportReachable(nil)
		}
		if err == nil || !isUnreachable(err) {
			return
		}
	}
}

// reportReachable logs when the server becomes unreachable or reachable again:
// once, even if many calls wait.
func (c *Client) reportReachable(err error) {
	switch {
	case err == nil && c.disconnected.CompareAndSwap(true, false):
		c.log.Info("the layer can be reached again", logkey.Control, c.base)
	case err != nil && c.disconnected.CompareAndSwap(false, true):
		c.log.Warn("the layer cannot be reached; trying again", logkey.Control, c.base, logkey.Error, err)
	}
}

// retryInterval is the pause before the next attempt to reach the server.
const retryInterval = time.Second

// isUnreachable reports whether a call failed because it did not reach the server
// or because the server is shutting down.
func isUnreachable(err error) bool {
	var broken *transportError
	return errors.As(err, &broken) || errors.Is(err, asgi.ErrClosed)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Poll implements [asgi.Layer]. If the server cannot be reached it returns no
// message and no error, as Receive continues to wait then.
func (c *Client) Poll(ctx context.Context, work *asgi.Cause, channels ...string) (asgi.Delivery, bool, error) {
	d, ok, err := delivery(c.call(ctx, "receive", asgi.Fields{
		{Key: "channels", Value: items(channels)},
		{Key: "envelope", Value: true},
	}))
	switch {
	case ok:
		work.Take(d)
	case err != nil && ctx.Err() == nil && isUnreachable(err):
		c.reportReachable(err)
		return asgi.Delivery{}, false, nil
	}
	return d, ok, err
}

// wait makes one receive call that waits as long as the server allows. When ctx
// ends it does not hang up, because the server may be sending a message: it asks
// the server to end the wait, and returns the message if there was one.
func (c *Client) wait(ctx context.Context, channels []string) (asgi.Delivery, bool, error) {
	calling, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	id := rand.Text()
	stop := context.AfterFunc(ctx, func() { c.endWait(calling, hangUp, id) })
	defer stop()
	return delivery(c.call(calling, "receive", asgi.Fields{
		{Key: "channels", Value: items(channels)},
		{Key: "block", Value: true},
		{Key: "timeout", Value: maxWait.Seconds()},
		{Key: "id", Value: id},
		{Key: "envelope", Value: true},
	}))
}

// The number of requests to end a wait, and the pause between them. Several may
// be necessary, because the receive call may reach the server later.
const (
	cancelTries = 50
	cancelPause = 100 * time.Millisecond
)

// endWait asks the server to end a wait, and hangs up if it does not.
func (c *Client) endWait(calling context.Context, hangUp context.CancelFunc, id string) {
	for range cancelTries {
		fields, err := c.call(calling, "cancel", asgi.Fields{{Key: "id", Value: id}})
		if calling.Err() != nil {
			return // the wait has ended
		}
		if err != nil {
			break
		}
		if find[bool](fields, "waited") {
			pause(calling, cancelTries*cancelPause)
			break
		}
		pause(calling, cancelPause)
	}
	hangUp()
}

// delivery returns the message in the result of a receive call, if there is one.
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
