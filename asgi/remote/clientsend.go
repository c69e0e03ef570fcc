package remote

import (
	"context"
	"slices"
	"time"

	"asgibox/asgi"
)

// Send sends a message; see [asgi.Layer]. It returns once the message is
// taken, on disk, or of a kind that is not journalled.
func (c *Client) Send(ctx context.Context, work *asgi.Cause, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	if err := c.refuse(channel, m); err != nil {
		return err
	}
	_, err := c.call(ctx, "send", within(work, opts,
		asgi.Field{Key: "channel", Value: channel}, asgi.Field{Key: "message", Value: m}))
	return err
}

// SendLater sends a message at a time; see [asgi.Later].
func (c *Client) SendLater(ctx context.Context, work *asgi.Cause, due time.Time, channel string, m asgi.Message) error {
	if err := c.refuse(channel, m); err != nil {
		return err
	}
	_, err := c.call(ctx, "send", within(work, nil,
		asgi.Field{Key: "channel", Value: channel}, asgi.Field{Key: "message", Value: m},
		asgi.Field{Key: "delay", Value: max(0, time.Until(due).Seconds())}))
	return err
}

// refuse spares the way to what is refused at its end.
func (c *Client) refuse(channel string, m asgi.Message) error {
	if err := asgi.CheckSend(channel); err != nil {
		return err
	}
	return c.tooLarge(m)
}

func (c *Client) tooLarge(m asgi.Message) error {
	if limit := c.settings.MaxMessage + asgi.MessageOverhead; m.Size() > limit {
		return &asgi.MessageTooLargeError{Size: m.Size(), Limit: limit}
	}
	return nil
}

// within adds to the arguments what travels beside a message.
func within(work *asgi.Cause, opts []asgi.SendOption, args ...asgi.Field) asgi.Fields {
	if trace := work.Trace(); trace != 0 {
		args = append(args, asgi.Field{Key: "trace", Value: trace.String()})
	}
	if slices.Contains(opts, asgi.Volatile) {
		args = append(args, asgi.Field{Key: "volatile", Value: true})
	}
	return args
}

// NewChannel returns a single-reader channel name; see [asgi.Layer].
func (c *Client) NewChannel(ctx context.Context, pattern string) (string, error) {
	fields, err := c.call(ctx, "new_channel", asgi.Fields{{Key: "pattern", Value: pattern}})
	return find[string](fields, "channel"), err
}

// GroupAdd makes the channel a member; see [asgi.Groups].
func (c *Client) GroupAdd(ctx context.Context, work *asgi.Cause, group, channel string) error {
	_, err := c.call(ctx, "group_add", within(work, nil, asgi.Field{Key: "group", Value: group}, asgi.Field{Key: "channel", Value: channel}))
	return err
}

// GroupDiscard ends a membership; see [asgi.Groups].
func (c *Client) GroupDiscard(ctx context.Context, work *asgi.Cause, group, channel string) error {
	_, err := c.call(ctx, "group_discard", within(work, nil, asgi.Field{Key: "group", Value: group}, asgi.Field{Key: "channel", Value: channel}))
	return err
}

// GroupLeave ends all memberships of a channel; see [asgi.Groups].
func (c *Client) GroupLeave(ctx context.Context, work *asgi.Cause, channel string) error {
	_, err := c.call(ctx, "group_leave", within(work, nil, asgi.Field{Key: "channel", Value: channel}))
	return err
}

// GroupChannels returns the members; see [asgi.Groups].
func (c *Client) GroupChannels(ctx context.Context, work *asgi.Cause, group string) ([]string, error) {
	fields, err := c.call(ctx, "group_channels", within(work, nil, asgi.Field{Key: "group", Value: group}))
	return texts(find[asgi.List](fields, "channels")), err
}

// SendGroup sends to each member; see [asgi.Groups].
func (c *Client) SendGroup(ctx context.Context, work *asgi.Cause, group string, m asgi.Message, opts ...asgi.SendOption) error {
	if err := c.tooLarge(m); err != nil {
		return err
	}
	_, err := c.call(ctx, "send_group", within(work, opts,
		asgi.Field{Key: "group", Value: group}, asgi.Field{Key: "message", Value: m}))
	return err
}

// Flush drops what is queued; see [asgi.Flusher].
func (c *Client) Flush(ctx context.Context, work *asgi.Cause) error {
	_, err := c.call(ctx, "flush", within(work, nil))
	return err
}

// GlobalStatistics returns the figures of all channels; see [asgi.Statistics].
func (c *Client) GlobalStatistics(ctx context.Context) (asgi.Stats, error) {
	return stats(c.call(ctx, "statistics", nil))
}

// ChannelStatistics returns the figures of one channel; see [asgi.Statistics].
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
