package remote

import (
	"context"
	"slices"
	"time"

	"asgibox/asgi"
)

// Send implements [asgi.Layer]. It returns when the message is on disk, has been
// received, or need not be journalled.
func (c *Client) Send(ctx context.Context, work *asgi.Cause, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	if err := c.checkSend(channel, m); err != nil {
		return err
	}
	result, err := c.call(ctx, "send", withCause(work, opts,
		asgi.Field{Key: "channel", Value: channel}, asgi.Field{Key: "message", Value: m}))
	if err == nil && find[bool](result, "gone") && slices.Contains(opts, asgi.ReportGone) {
		return asgi.ErrGone
	}
	return err
}

// SendLater implements [asgi.Later].
func (c *Client) SendLater(ctx context.Context, work *asgi.Cause, due time.Time, channel string, m asgi.Message) error {
	if err := c.checkSend(channel, m); err != nil {
		return err
	}
	_, err := c.call(ctx, "send", withCause(work, nil,
		asgi.Field{Key: "channel", Value: channel}, asgi.Field{Key: "message", Value: m},
		asgi.Field{Key: "delay", Value: max(0, time.Until(due).Seconds())}))
	return err
}

// checkSend checks what the server would refuse, to save the request.
func (c *Client) checkSend(channel string, m asgi.Message) error {
	if err := asgi.CheckSend(channel); err != nil {
		return err
	}
	return c.checkSize(m)
}

func (c *Client) checkSize(m asgi.Message) error {
	if limit := c.settings.MaxMessage + asgi.MessageOverhead; m.Size() > limit {
		return &asgi.MessageTooLargeError{Size: m.Size(), Limit: limit}
	}
	return nil
}

// withCause adds the trace and the options to the arguments of a call.
func withCause(work *asgi.Cause, opts []asgi.SendOption, args ...asgi.Field) asgi.Fields {
	if trace := work.Trace(); trace != 0 {
		args = append(args, asgi.Field{Key: "trace", Value: trace.String()})
	}
	if slices.Contains(opts, asgi.Volatile) {
		args = append(args, asgi.Field{Key: "volatile", Value: true})
	}
	return args
}

// NewChannel implements [asgi.Layer].
func (c *Client) NewChannel(ctx context.Context, pattern string) (string, error) {
	fields, err := c.call(ctx, "new_channel", asgi.Fields{{Key: "pattern", Value: pattern}})
	return find[string](fields, "channel"), err
}

// GroupAdd implements [asgi.Groups].
func (c *Client) GroupAdd(ctx context.Context, work *asgi.Cause, group, channel string) error {
	_, err := c.call(ctx, "group_add", withCause(work, nil, asgi.Field{Key: "group", Value: group}, asgi.Field{Key: "channel", Value: channel}))
	return err
}

// GroupDiscard implements [asgi.Groups].
func (c *Client) GroupDiscard(ctx context.Context, work *asgi.Cause, group, channel string) error {
	_, err := c.call(ctx, "group_discard", withCause(work, nil, asgi.Field{Key: "group", Value: group}, asgi.Field{Key: "channel", Value: channel}))
	return err
}

// GroupLeave implements [asgi.Groups].
func (c *Client) GroupLeave(ctx context.Context, work *asgi.Cause, channel string) error {
	_, err := c.call(ctx, "group_leave", withCause(work, nil, asgi.Field{Key: "channel", Value: channel}))
	return err
}

// GroupChannels implements [asgi.Groups].
func (c *Client) GroupChannels(ctx context.Context, work *asgi.Cause, group string) ([]string, error) {
	fields, err := c.call(ctx, "group_channels", withCause(work, nil, asgi.Field{Key: "group", Value: group}))
	return texts(find[asgi.List](fields, "channels")), err
}

// SendGroup implements [asgi.Groups].
func (c *Client) SendGroup(ctx context.Context, work *asgi.Cause, group string, m asgi.Message, opts ...asgi.SendOption) error {
	if err := c.checkSize(m); err != nil {
		return err
	}
	_, err := c.call(ctx, "send_group", withCause(work, opts,
		asgi.Field{Key: "group", Value: group}, asgi.Field{Key: "message", Value: m}))
	return err
}

// Flush implements [asgi.Flusher].
func (c *Client) Flush(ctx context.Context, work *asgi.Cause) error {
	_, err := c.call(ctx, "flush", withCause(work, nil))
	return err
}

// GlobalStatistics implements [asgi.Statistics].
func (c *Client) GlobalStatistics(ctx context.Context) (asgi.Stats, error) {
	return stats(c.call(ctx, "statistics", nil))
}

// ChannelStatistics implements [asgi.Statistics].
func (c *Client) ChannelStatistics(ctx context.Context, channel string) (asgi.Stats, error) {
	return stats(c.call(ctx, "channel_statistics", asgi.Fields{{Key: "channel", Value: channel}}))
}

func stats(fields asgi.Fields, err error) (asgi.Stats, error) {
	return asgi.Stats{
		MessagesCount:             uint64(find[int64](fields, "messages_count")),
		MessagesCountPerSecond:    find[float64](fields, "messages_count_per_second"),
		MessagesPending:           int(find[int64](fields, "messages_pending")),
		MessagesMaxAge:            inSeconds(fields, "messages_max_age"),
		ChannelFullCount:          uint64(find[int64](fields, "channel_full_count")),
		ChannelFullCountPerSecond: find[float64](fields, "channel_full_count_per_second"),
	}, err
}

func texts(l asgi.List) []string {
	out := make([]string, 0, l.Len())
	for _, item := range l.All() {
		text, _ := item.(string)
		out = append(out, text)
	}
	return out
}
