package process

import (
	"context"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool"
)

// A jobLayer is the layer for the calls that belong to a job: the job learns which of
// them are replies. Without a job it is the layer of the server.
type jobLayer struct {
	server *Server
	job    *workerpool.Job // nil for the calls of no job

	// check finds mistakes in messages that the job sends. It may be nil.
	check func(name string, m asgi.Message, group bool) ([]asgi.SendOption, error)

	mu sync.Mutex // guards what the job knows of its reply
}

var _ asgi.Partial = (*jobLayer)(nil)

// Offers implements [asgi.Partial].
func (l *jobLayer) Offers(extension string) bool { return asgi.Offers(l.server.layer, extension) }

// Settings implements [asgi.Layer].
func (l *jobLayer) Settings() asgi.Settings { return l.server.layer.Settings() }

// Send implements [asgi.Layer].
func (l *jobLayer) Send(ctx context.Context, c *asgi.Cause, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	if l.job == nil {
		return l.server.layer.Send(ctx, c, channel, m, opts...)
	}
	opts, err := l.checked(channel, m, false, opts)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.job.Send(ctx, channel, m, opts...)
}

// clientLeft reports whether a call has shown that the client of the job has left.
func (l *jobLayer) clientLeft(f frame, result asgi.Fields) bool {
	return l.job != nil && f.call == "send" && find[bool](result, "gone") && find[string](f.args, "channel") == l.job.ReplyChannel()
}

// ask asks the job what it knows of its reply.
func (l *jobLayer) ask(question func(*workerpool.Job) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return question(l.job)
}

// answered reports whether the job needs no reply. While a call sends one, it does.
func (l *jobLayer) answered() bool {
	if !l.mu.TryLock() {
		return false
	}
	defer l.mu.Unlock()
	return !l.job.Unanswered()
}

// SendLater implements [asgi.Later].
func (l *jobLayer) SendLater(ctx context.Context, c *asgi.Cause, due time.Time, channel string, m asgi.Message) error {
	if l.job == nil {
		return l.server.ext.later.SendLater(ctx, c, due, channel, m)
	}
	if _, err := l.checked(channel, m, false, nil); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.job.SendLater(ctx, due, channel, m)
}

// checked returns the options for sending a message, after a check.
func (l *jobLayer) checked(name string, m asgi.Message, group bool, opts []asgi.SendOption) ([]asgi.SendOption, error) {
	if l.check == nil {
		return opts, nil
	}
	more, err := l.check(name, m, group)
	return append(opts, more...), err
}

// Receive implements [asgi.Layer].
func (l *jobLayer) Receive(ctx context.Context, c *asgi.Cause, channels ...string) (asgi.Delivery, error) {
	return l.server.layer.Receive(ctx, c, channels...)
}

// Poll implements [asgi.Layer].
func (l *jobLayer) Poll(ctx context.Context, c *asgi.Cause, channels ...string) (asgi.Delivery, bool, error) {
	return l.server.layer.Poll(ctx, c, channels...)
}

// NewChannel implements [asgi.Layer].
func (l *jobLayer) NewChannel(ctx context.Context, pattern string) (string, error) {
	return l.server.layer.NewChannel(ctx, pattern)
}

// Bind implements [asgi.Layer].
func (l *jobLayer) Bind(prefix string, deliver func(asgi.Delivery) error) (func(), error) {
	return l.server.layer.Bind(prefix, deliver)
}

// GroupAdd implements [asgi.Groups].
func (l *jobLayer) GroupAdd(ctx context.Context, c *asgi.Cause, group, channel string) error {
	if l.job == nil {
		return l.server.ext.groups.GroupAdd(ctx, c, group, channel)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.job.GroupAdd(ctx, group, channel)
}

// GroupDiscard implements [asgi.Groups].
func (l *jobLayer) GroupDiscard(ctx context.Context, c *asgi.Cause, group, channel string) error {
	return l.server.ext.groups.GroupDiscard(ctx, c, group, channel)
}

// GroupLeave implements [asgi.Groups].
func (l *jobLayer) GroupLeave(ctx context.Context, c *asgi.Cause, channel string) error {
	return l.server.ext.groups.GroupLeave(ctx, c, channel)
}

// GroupChannels implements [asgi.Groups].
func (l *jobLayer) GroupChannels(ctx context.Context, c *asgi.Cause, group string) ([]string, error) {
	return l.server.ext.groups.GroupChannels(ctx, c, group)
}

// SendGroup implements [asgi.Groups].
func (l *jobLayer) SendGroup(ctx context.Context, c *asgi.Cause, group string, m asgi.Message, opts ...asgi.SendOption) error {
	if l.job == nil {
		return l.server.ext.groups.SendGroup(ctx, c, group, m, opts...)
	}
	opts, err := l.checked(group, m, true, opts)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.job.SendGroup(ctx, group, m, opts...)
}

// Flush implements [asgi.Flusher].
func (l *jobLayer) Flush(ctx context.Context, c *asgi.Cause) error {
	return l.server.ext.flusher.Flush(ctx, c)
}

// GlobalStatistics implements [asgi.Statistics].
func (l *jobLayer) GlobalStatistics(ctx context.Context) (asgi.Stats, error) {
	return l.server.ext.stats.GlobalStatistics(ctx)
}

// ChannelStatistics implements [asgi.Statistics].
func (l *jobLayer) ChannelStatistics(ctx context.Context, channel string) (asgi.Stats, error) {
	return l.server.ext.stats.ChannelStatistics(ctx, channel)
}

// HasReader implements [asgi.Readers].
func (l *jobLayer) HasReader(channel string) bool { return l.server.ext.readers.HasReader(channel) }

// stored notes a value that may hold the reply channel of the job.
func (l *jobLayer) stored(v any, err error) error {
	if err == nil && l.job != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.job.NoteStored(v)
	}
	return err
}

// Get implements [asgi.KV].
func (l *jobLayer) Get(ctx context.Context, c *asgi.Cause, key string) (any, bool, error) {
	return l.server.ext.kv.Get(ctx, c, key)
}

// Set implements [asgi.KV].
func (l *jobLayer) Set(ctx context.Context, c *asgi.Cause, key string, value any, ttl time.Duration, opts ...asgi.SendOption) error {
	return l.stored(value, l.server.ext.kv.Set(ctx, c, key, value, ttl, opts...))
}

// Delete implements [asgi.KV].
func (l *jobLayer) Delete(ctx context.Context, c *asgi.Cause, key string) error {
	return l.server.ext.kv.Delete(ctx, c, key)
}

// Incr implements [asgi.KV].
func (l *jobLayer) Incr(ctx context.Context, c *asgi.Cause, key string, n int64) (int64, error) {
	return l.server.ext.kv.Incr(ctx, c, key, n)
}

// Append implements [asgi.KV].
func (l *jobLayer) Append(ctx context.Context, c *asgi.Cause, key string, value any, keep int) (asgi.List, error) {
	list, err := l.server.ext.kv.Append(ctx, c, key, value, keep)
	return list, l.stored(value, err)
}

// Keys implements [asgi.KV].
func (l *jobLayer) Keys(ctx context.Context, c *asgi.Cause, prefix string) ([]string, error) {
	return l.server.ext.kv.Keys(ctx, c, prefix)
}

// Swap implements [asgi.KV].
func (l *jobLayer) Swap(ctx context.Context, c *asgi.Cause, key string, old, new any) (bool, error) {
	swapped, err := l.server.ext.kv.Swap(ctx, c, key, old, new)
	return swapped, l.stored(new, err)
}
