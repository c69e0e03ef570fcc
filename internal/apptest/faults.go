package apptest

import (
	"context"
	"strings"
	"time"

	"asgibox/asgi"
	"asgibox/store"
)

// faulty is the layer of the application with --faults: some messages to ordinary
// channels are lost, and some find their channel full. Replies reach the
// connections.
type faulty struct {
	*store.Store
	schedule *schedule
}

func (l faulty) Send(ctx context.Context, c *asgi.Cause, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	if !strings.Contains(channel, "!") {
		switch l.schedule.fault(channel, allFaults) {
		case dropped:
			return nil
		case channelFull:
			return &asgi.ChannelFullError{Channel: channel, Reason: "made so by --faults"}
		}
	}
	return l.Store.Send(ctx, c, channel, m, opts...)
}

func (l faulty) SendLater(ctx context.Context, c *asgi.Cause, due time.Time, channel string, m asgi.Message) error {
	if l.schedule.fault(channel, channelFull) == dropped {
		return nil
	}
	return l.Store.SendLater(ctx, c, due, channel, m)
}
