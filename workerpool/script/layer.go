package script

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// layerObject returns the script's layer.
func layerObject(l asgi.Layer) *object {
	calls := map[string]builtin{
		"receive": layerReceive, "receive_many": layerReceive,
		"send": layerSend, "new_channel": layerNewChannel,
		"group_add": layerGroupAdd, "group_discard": layerGroupDiscard,
		"group_channels": layerGroupChannels, "send_group": layerSendGroup,
		"flush":             layerFlush,
		"global_statistics": layerGlobalStatistics, "channel_statistics": layerChannelStatistics,
	}
	o := &object{name: "layer", attrs: functions("layer", calls)}
	if l == nil {
		return o
	}
	var extensions []starlark.Value
	for _, name := range asgi.Extensions(l) {
		extensions = append(extensions, starlark.String(name))
	}
	s := l.Settings()
	o.attrs["extensions"] = starlark.NewList(extensions)
	o.attrs["group_expiry"] = seconds(s.GroupExpiry)
	o.attrs["expiry"] = seconds(s.Expiry)
	o.attrs["capacity"] = starlark.MakeInt(s.Capacity)
	o.attrs.Freeze()
	return o
}

// seconds converts a duration to a number of seconds: an int if it is whole.
func seconds(d time.Duration) starlark.Value {
	if d%time.Second == 0 {
		return starlark.MakeInt64(int64(d / time.Second))
	}
	return starlark.Float(d.Seconds())
}

// duration converts a number of seconds.
func duration(what string, v starlark.Value) (time.Duration, error) {
	s, ok := starlark.AsFloat(v)
	if !ok || math.IsNaN(s) || s < 0 {
		return 0, fmt.Errorf("%s must be a number of seconds, 0 or more, not %s", what, value.Brief(v))
	}
	return time.Duration(min(s, 1e9) * float64(time.Second)), nil
}

// layer returns the channel layer, for a call with side effects.
func (r *run) layer(call string) (asgi.Layer, error) {
	if err := r.enter(call); err != nil {
		return nil, err
	}
	l := r.unit.loader.opts.Layer
	if l == nil {
		return nil, errNoLayer
	}
	return l, nil
}

// prepareSend prepares a call whose effect other handlers can see. It saves the
// changed sessions first.
func (r *run) prepareSend(call string) error {
	if _, err := r.layer(call); err != nil {
		return err
	}
	return r.saveSessions()
}

// channelName returns the name of a channel given as text, bytes or a Channel.
func channelName(call string, v starlark.Value) (string, error) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), nil
	case starlark.Bytes:
		return string(v), nil
	case *channel:
		return v.name, nil
	}
	return "", fmt.Errorf("%s: a channel name must be text, not %s", call, v.Type())
}

// message converts a message that the script sends.
func (r *run) message(v starlark.Value) (asgi.Message, error) {
	if m, ok := v.(*message); ok {
		if origin, same := m.unchanged(); same {
			return origin, nil
		}
		v = m.content.Dict()
	}
	limit := 1 << 20
	if l := r.unit.loader.opts.Layer; l != nil {
		limit = l.Settings().MaxMessage
	}
	return value.Message(v, limit+asgi.MessageOverhead)
}

// send sends a message. If the channel is full, it retries until wait is over.
func (r *run) send(call, name string, content starlark.Value, wait time.Duration) error {
	if err := r.prepareSend(call); err != nil {
		return err
	}
	m, err := r.message(content)
	if err != nil {
		return err
	}
	opts, err := r.checkSend(name, m)
	if err != nil {
		return err
	}
	if r.job != nil && name == r.job.ReplyChannel() && m.Has(asgi.KeyStatus) {
		if m, err = r.withCookie(m); err != nil {
			return err
		}
	}
	if wait == unset {
		wait = r.usualWait(name)
	}
	return r.retryWhileFull(name, wait, m.Footprint(), func() error { return r.out.Send(r.ctx, name, m, opts...) })
}

const (
	// forever is a wait that ends only when the handler's context ends.
	forever = time.Duration(-1)
	// unset is the wait of a send without the argument: forever if a handler of a
	// WebSocket sends to its own client, otherwise none.
	unset = time.Duration(-2)
)

const (
	// longestPause is the longest pause between two tries to send to a channel that is
	// full. The first pauses are shorter, so no reader waits much for the next part.
	longestPause = 500 * time.Millisecond
	// asideFrom is the wait for its client after which a handler steps aside.
	asideFrom = 50 * time.Millisecond
)

// retryWhileFull calls send again while the channel is full, until wait is over. A
// handler that waits long for its own client steps aside; it holds a number of bytes.
func (r *run) retryWhileFull(channel string, wait time.Duration, held int, send func() error) error {
	err := send()
	if wait == 0 || !errors.Is(err, asgi.ErrChannelFull) {
		return err
	}
	ctx := r.ctx
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	longest := longestPause
	if wait > 0 {
		longest = asideFrom // the wait may be over soon
	}
	for pause := time.Millisecond; errors.Is(err, asgi.ErrChannelFull); pause = min(2*pause, longest) {
		if pause >= asideFrom && r.job != nil && channel == r.job.ReplyChannel() {
			r.job.StepAside(held)
		}
		select {
		case <-time.After(pause):
			r.step("send")
			err = send()
		case <-ctx.Done():
			if r.ctx.Err() != nil {
				return context.Cause(r.ctx)
			}
			return err
		}
	}
	return err
}

// usualWait returns how long a send waits that does not say it.
func (r *run) usualWait(channel string) time.Duration {
	if r.job == nil || r.worker != nil || channel != r.job.ReplyChannel() {
		return 0
	}
	switch r.job.Delivery.Channel {
	case asgi.WebSocketConnect, asgi.WebSocketReceive:
		return forever
	}
	return 0
}

// sendWait converts the argument wait of a send, which is nil if there is none.
func sendWait(v starlark.Value) (time.Duration, error) {
	if v == nil {
		return unset, nil
	}
	return duration("wait", v)
}

func layerSend(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) == 2 && len(kwargs) == 0 {
		return r.sendTo(b, args[0], args[1], unset)
	}
	var to, content, wait starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "channel", &to, "message", &content, "wait?", &wait); err != nil {
		return nil, err
	}
	d, err := sendWait(wait)
	if err != nil {
		return nil, err
	}
	return r.sendTo(b, to, content, d)
}

func (r *run) sendTo(b *starlark.Builtin, to, content starlark.Value, wait time.Duration) (starlark.Value, error) {
	name, err := channelName(b.Name(), to)
	if err != nil {
		return nil, err
	}
	return starlark.None, r.send(b.Name(), name, content, wait)
}

func layerReceive(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	list, wait, err := receiveArgs(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	channels, err := r.channelNames(b.Name(), list)
	if err != nil {
		return nil, err
	}
	if _, err := r.layer(b.Name()); err != nil {
		return nil, err
	}
	r.noteReceive(channels)
	if r.loading != nil {
		if err := r.becomeLoop(); err != nil {
			return nil, err
		}
	}
	if err := r.saveSessions(); err != nil {
		return nil, err
	}
	d, ok, err := r.receive(wait, channels)
	if err != nil {
		return nil, err
	}
	if !ok {
		return starlark.Tuple{starlark.None, starlark.None}, nil
	}
	if r.worker != nil {
		r.step("")
	} else {
		r.step(b.Name())
	}
	return starlark.Tuple{starlark.String(d.Channel), newMessage(r, d)}, nil
}

// receiveArgs unpacks the arguments of a receive: the channels and the wait. It
// does not allocate for receive(channels, block=True), which loops call for each
// message.
func receiveArgs(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (list starlark.Value, wait time.Duration, err error) {
	if len(args) == 1 && len(kwargs) == 1 && kwargs[0][0] == starlark.Value(starlark.String("block")) {
		if block, ok := kwargs[0][1].(starlark.Bool); ok {
			wait, err = receiveWait(bool(block), starlark.None)
			return args[0], wait, err
		}
	}
	var channels, timeout starlark.Value = nil, starlark.None
	var block bool
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "channels", &channels, "block?", &block, "timeout?", &timeout); err != nil {
		return nil, 0, err
	}
	wait, err = receiveWait(block, timeout)
	return channels, wait, err
}

// receiveWait returns the wait of a receive; a negative one means forever.
func receiveWait(block bool, timeout starlark.Value) (time.Duration, error) {
	switch {
	case timeout != starlark.None:
		return duration("timeout", timeout)
	case block:
		return forever, nil
	}
	return 0, nil
}

// receive receives a message: from the worker if the application is a loop,
// otherwise from the layer.
func (r *run) receive(wait time.Duration, channels []string) (d asgi.Delivery, ok bool, err error) {
	if r.worker != nil {
		r.memory.Release() // the message before is finished
		d, ok, err = r.worker.Receive(wait, channels...)
		if r.job != r.worker.Job() {
			r.startMessage(r.worker.Job())
		}
		return d, ok, err
	}
	l := r.unit.loader.opts.Layer
	if wait == 0 {
		return l.Poll(r.ctx, r.cause(), channels...)
	}
	ctx := r.ctx
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	d, err = l.Receive(ctx, r.cause(), channels...)
	if err != nil && r.ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return d, false, nil
	}
	return d, err == nil, err
}

// channelNames converts one channel or a list of channels.
func (r *run) channelNames(call string, v starlark.Value) ([]string, error) {
	list, ok := v.(starlark.Iterable)
	if _, isBytes := v.(starlark.Bytes); !ok || isBytes {
		name, err := channelName(call, v)
		r.channel[0] = name
		return r.channel[:], err
	}
	return channelList(call, list)
}

func channelList(call string, list starlark.Iterable) ([]string, error) {
	var names []string
	for item := range starlark.Elements(list) {
		name, err := channelName(call, item)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: the list of channels is empty; name at least one", call)
	}
	return names, nil
}

func layerNewChannel(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var pattern string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "pattern", &pattern); err != nil {
		return nil, err
	}
	l, err := r.layer(b.Name())
	if err != nil {
		return nil, err
	}
	name, err := l.NewChannel(r.ctx, pattern)
	return starlark.String(name), err
}

func layerGroupAdd(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	group, name, err := r.groupArgs(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	return starlark.None, r.out.GroupAdd(r.ctx, group, name)
}

func layerGroupDiscard(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	group, name, err := r.groupArgs(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	return starlark.None, r.out.GroupDiscard(r.ctx, group, name)
}

// groupArgs unpacks the arguments of group_add and group_discard.
func (r *run) groupArgs(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (group, name string, err error) {
	var g, c starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "group", &g, "channel", &c); err != nil {
		return "", "", err
	}
	if group, err = groupName(b.Name(), g); err != nil {
		return "", "", err
	}
	if name, err = channelName(b.Name(), c); err != nil {
		return "", "", err
	}
	return group, name, r.enter(b.Name())
}

func groupName(call string, v starlark.Value) (string, error) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), nil
	case starlark.Bytes:
		return string(v), nil
	case *group:
		return v.name, nil
	}
	return "", fmt.Errorf("%s: a group name must be text, not %s", call, v.Type())
}

func layerGroupChannels(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var g starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "group", &g); err != nil {
		return nil, err
	}
	name, err := groupName(b.Name(), g)
	if err != nil {
		return nil, err
	}
	return r.groupChannels(b.Name(), name)
}

func (r *run) groupChannels(call, name string) (starlark.Value, error) {
	if _, err := r.layer(call); err != nil {
		return nil, err
	}
	members, err := r.out.GroupChannels(r.ctx, name)
	if err != nil {
		return nil, err
	}
	list := make([]starlark.Value, len(members))
	for i, member := range members {
		list[i] = starlark.String(member)
	}
	return starlark.NewList(list), nil
}

func layerSendGroup(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var g, content starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "group", &g, "message", &content); err != nil {
		return nil, err
	}
	name, err := groupName(b.Name(), g)
	if err != nil {
		return nil, err
	}
	return starlark.None, r.sendGroup(b.Name(), name, content)
}

func (r *run) sendGroup(call, name string, content starlark.Value) error {
	if err := r.prepareSend(call); err != nil {
		return err
	}
	m, err := r.message(content)
	if err != nil {
		return err
	}
	opts, err := r.report(name, r.groupProblem(name, m))
	if err != nil {
		return err
	}
	return r.out.SendGroup(r.ctx, name, m, opts...)
}

func layerFlush(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	l, err := r.layer(b.Name())
	if err != nil {
		return nil, err
	}
	f, ok := asgi.As[asgi.Flusher](l)
	if !ok {
		return nil, errors.New("this channel layer does not support flush")
	}
	return starlark.None, f.Flush(r.ctx, r.cause())
}

func layerGlobalStatistics(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	return r.statistics(b.Name(), func(s asgi.Statistics) (asgi.Stats, error) { return s.GlobalStatistics(r.ctx) })
}

func layerChannelStatistics(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var to starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "channel", &to); err != nil {
		return nil, err
	}
	name, err := channelName(b.Name(), to)
	if err != nil {
		return nil, err
	}
	return r.statistics(b.Name(), func(s asgi.Statistics) (asgi.Stats, error) { return s.ChannelStatistics(r.ctx, name) })
}

func (r *run) statistics(call string, query func(asgi.Statistics) (asgi.Stats, error)) (starlark.Value, error) {
	l, err := r.layer(call)
	if err != nil {
		return nil, err
	}
	s, ok := asgi.As[asgi.Statistics](l)
	if !ok {
		return nil, errors.New("this channel layer does not support statistics")
	}
	stats, err := query(s)
	if err != nil {
		return nil, err
	}
	d := starlark.NewDict(6)
	for _, f := range []struct {
		key   string
		value starlark.Value
	}{
		{"messages_count", starlark.MakeUint64(stats.MessagesCount)},
		{"messages_count_per_second", starlark.Float(stats.MessagesCountPerSecond)},
		{"messages_pending", starlark.MakeInt(stats.MessagesPending)},
		{"messages_max_age", starlark.Float(stats.MessagesMaxAge.Seconds())},
		{"channel_full_count", starlark.MakeUint64(stats.ChannelFullCount)},
		{"channel_full_count_per_second", starlark.Float(stats.ChannelFullCountPerSecond)},
	} {
		if err := d.SetKey(starlark.String(f.key), f.value); err != nil {
			return nil, err
		}
	}
	return d, nil
}

var _ outlet = (*workerpool.Job)(nil)
