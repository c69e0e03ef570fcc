package remote

import (
	"context"
	"errors"
	"time"

	"asgibox/asgi"
)

// A call is one operation of the layer.
type call struct {
	keys     []string // allowed keys of the body
	bodyless bool     // the body may be empty
	do       func(*work) (asgi.Fields, error)
}

// work is one running call.
type work struct {
	h        *Handler
	layer    asgi.Layer
	from     readerKey // of the program that makes the call
	ctx      context.Context
	cause    *asgi.Cause
	args     *arguments
	patient  bool                               // a receive without a timeout waits without limit
	delivery *asgi.Delivery                     // the message that receive is about to send
	rest     *func(context.Context) asgi.Fields // see Call
}

// calls holds all calls, by path under [Prefix].
var calls = withState(map[string]*call{
	"send":               {keys: []string{"channel", "message", "delay", "volatile", "trace", "wait"}, do: send},
	"receive":            {keys: []string{"channels", "block", "timeout", "id", "envelope"}, do: receive},
	"receive_many":       {keys: []string{"channels", "block", "timeout", "id", "envelope"}, do: receive},
	"cancel":             {keys: []string{"id"}, do: cancelWait},
	"new_channel":        {keys: []string{"pattern"}, do: newChannel},
	"group_add":          {keys: []string{"group", "channel", "trace"}, do: groupAdd},
	"group_discard":      {keys: []string{"group", "channel", "trace"}, do: groupDiscard},
	"group_leave":        {keys: []string{"channel", "trace"}, do: groupLeave},
	"group_channels":     {keys: []string{"group", "trace"}, do: groupChannels},
	"send_group":         {keys: []string{"group", "message", "volatile", "trace"}, do: sendGroup},
	"flush":              {keys: []string{"trace"}, bodyless: true, do: flush},
	"statistics":         {keys: []string{"channel"}, bodyless: true, do: statistics},
	"global_statistics":  {keys: []string{}, bodyless: true, do: statistics},
	"channel_statistics": {keys: []string{"channel"}, do: channelStatistics},
})

// empty is the result of calls that return nothing.
var empty = asgi.Fields{}

func send(w *work) (asgi.Fields, error) {
	channel, m := w.args.text("channel"), w.args.message("message")
	opts := w.options()
	delay, later := w.args.seconds("delay")
	wait, _ := w.args.seconds("wait")
	switch {
	case w.args.err != nil:
		return nil, w.args.err
	case !later:
		return sendNow(w, channel, m, append(opts, asgi.ReportGone), wait)
	case wait > 0:
		return nil, Errorf(BadRequest, "a call cannot wait for the outcome of a message with a delay")
	case len(opts) > 0:
		return nil, Errorf(BadRequest, "a message with a delay cannot be volatile")
	}
	l, err := extension[asgi.Later](w)
	if err != nil {
		return nil, err
	}
	return empty, l.SendLater(w.ctx, w.cause, time.Now().Add(delay), channel, m)
}

// sendNow sends a message and returns its outcome if it is known, or becomes known
// within the given time.
func sendNow(w *work, channel string, m asgi.Message, opts []asgi.SendOption, wait time.Duration) (asgi.Fields, error) {
	var outcome Outcome
	var err error
	if wait > 0 && w.h.outcome != nil {
		if outcome, err = w.h.outcome(w.cause.Trace(), channel, m); err != nil {
			return nil, err
		}
		defer func() {
			if outcome != nil {
				outcome.Close()
			}
		}()
	}
	err = w.layer.Send(w.ctx, w.cause, channel, m, opts...)
	switch {
	case errors.Is(err, asgi.ErrGone):
		return asgi.Fields{{Key: "gone", Value: true}}, nil
	case err != nil:
		return nil, err
	}
	text := ""
	if readers, ok := asgi.As[asgi.Readers](w.layer); ok && asgi.KindOf(channel) == asgi.Normal && !readers.HasReader(channel) {
		text = Unread
	} else if outcome != nil && w.rest != nil {
		*w.rest, outcome = rest(outcome, wait), nil
	} else if outcome != nil {
		text = outcome.Wait(w.ctx, wait)
	}
	return outcomeFields(text), nil
}

// rest returns the rest of a call, see [Call].
func rest(o Outcome, wait time.Duration) func(context.Context) asgi.Fields {
	return func(ctx context.Context) asgi.Fields {
		defer o.Close()
		return outcomeFields(o.Wait(ctx, wait))
	}
}

func outcomeFields(text string) asgi.Fields {
	if text == "" {
		return empty
	}
	return asgi.Fields{{Key: "outcome", Value: text}}
}

// options returns the options for sending the message.
func (w *work) options() []asgi.SendOption {
	if w.args.boolean("volatile") {
		return []asgi.SendOption{asgi.Volatile}
	}
	return nil
}

// extension returns the layer as the extension E. It fails if the layer does not
// have it, or if an argument is invalid.
func extension[E any](w *work) (E, error) {
	e, ok := asgi.As[E](w.layer)
	if !ok {
		return e, Errorf(NotFound, "this layer does not have the extension that the call needs")
	}
	return e, w.args.err
}

func newChannel(w *work) (asgi.Fields, error) {
	pattern := w.args.text("pattern")
	if w.args.err != nil {
		return nil, w.args.err
	}
	name, err := w.layer.NewChannel(w.ctx, pattern)
	return asgi.Fields{{Key: "channel", Value: name}}, err
}

func groupAdd(w *work) (asgi.Fields, error)     { return changeMembership(w, asgi.Groups.GroupAdd) }
func groupDiscard(w *work) (asgi.Fields, error) { return changeMembership(w, asgi.Groups.GroupDiscard) }

func changeMembership(w *work, change func(g asgi.Groups, ctx context.Context, c *asgi.Cause, group, channel string) error) (asgi.Fields, error) {
	group, channel := w.args.text("group"), w.args.text("channel")
	g, err := extension[asgi.Groups](w)
	if err != nil {
		return nil, err
	}
	return empty, change(g, w.ctx, w.cause, group, channel)
}

func groupLeave(w *work) (asgi.Fields, error) {
	channel := w.args.text("channel")
	g, err := extension[asgi.Groups](w)
	if err != nil {
		return nil, err
	}
	return empty, g.GroupLeave(w.ctx, w.cause, channel)
}

func groupChannels(w *work) (asgi.Fields, error) {
	group := w.args.text("group")
	g, err := extension[asgi.Groups](w)
	if err != nil {
		return nil, err
	}
	channels, err := g.GroupChannels(w.ctx, w.cause, group)
	return asgi.Fields{{Key: "channels", Value: items(channels)}}, err
}

func sendGroup(w *work) (asgi.Fields, error) {
	group, m := w.args.text("group"), w.args.message("message")
	opts := w.options()
	g, err := extension[asgi.Groups](w)
	if err != nil {
		return nil, err
	}
	return empty, g.SendGroup(w.ctx, w.cause, group, m, opts...)
}

func flush(w *work) (asgi.Fields, error) {
	f, err := extension[asgi.Flusher](w)
	if err != nil {
		return nil, err
	}
	return empty, f.Flush(w.ctx, w.cause)
}

func statistics(w *work) (asgi.Fields, error) {
	if channel := w.args.textOr("channel", ""); channel != "" || w.args.err != nil {
		return channelStatistics(w)
	}
	s, err := extension[asgi.Statistics](w)
	if err != nil {
		return nil, err
	}
	stats, err := s.GlobalStatistics(w.ctx)
	return statsFields(stats), err
}

func channelStatistics(w *work) (asgi.Fields, error) {
	channel := w.args.text("channel")
	s, err := extension[asgi.Statistics](w)
	if err != nil {
		return nil, err
	}
	stats, err := s.ChannelStatistics(w.ctx, channel)
	return statsFields(stats), err
}

func statsFields(s asgi.Stats) asgi.Fields {
	return asgi.Fields{
		{Key: "messages_count", Value: s.MessagesCount},
		{Key: "messages_count_per_second", Value: s.MessagesCountPerSecond},
		{Key: "messages_pending", Value: s.MessagesPending},
		{Key: "messages_max_age", Value: s.MessagesMaxAge.Seconds()},
		{Key: "channel_full_count", Value: s.ChannelFullCount},
		{Key: "channel_full_count_per_second", Value: s.ChannelFullCountPerSecond},
	}
}

func items(texts []string) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}
