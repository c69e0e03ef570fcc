package script

import (
	"context"
	"errors"
	"time"

	"asgibox/asgi"
)

// direct is the outlet of code that no message triggered, such as a hook. It
// calls the layer immediately.
type direct struct {
	layer asgi.Layer
	cause *asgi.Cause
}

func (u *unit) direct() direct {
	c := asgi.NewCause(asgi.NewTrace())
	c.Generation = u.number
	return direct{u.loader.opts.Layer, c}
}

func (o direct) groups() asgi.Groups { return asgi.OrUnsupported[asgi.Groups](o.layer) }

func (o direct) Send(ctx context.Context, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	return o.layer.Send(ctx, o.cause, channel, m, opts...)
}

func (o direct) SendLater(ctx context.Context, due time.Time, channel string, m asgi.Message) error {
	return asgi.OrUnsupported[asgi.Later](o.layer).SendLater(ctx, o.cause, due, channel, m)
}

func (o direct) SendGroup(ctx context.Context, group string, m asgi.Message, opts ...asgi.SendOption) error {
	return o.groups().SendGroup(ctx, o.cause, group, m, opts...)
}

func (o direct) GroupAdd(ctx context.Context, group, channel string) error {
	return o.groups().GroupAdd(ctx, o.cause, group, channel)
}

func (o direct) GroupDiscard(ctx context.Context, group, channel string) error {
	return o.groups().GroupDiscard(ctx, o.cause, group, channel)
}

func (o direct) GroupChannels(ctx context.Context, group string) ([]string, error) {
	return o.groups().GroupChannels(ctx, o.cause, group)
}

// staged is the outlet of a file that is being loaded. It holds the file's calls
// until the generation is live. If the load fails, they are dropped.
type staged struct {
	direct
	calls []func(context.Context, outlet) error
}

func (s *staged) stage(call func(context.Context, outlet) error) error {
	s.calls = append(s.calls, call)
	return nil
}

func (s *staged) Send(_ context.Context, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	if err := asgi.CheckSend(channel); err != nil {
		return err
	}
	return s.stage(func(ctx context.Context, o outlet) error { return o.Send(ctx, channel, m, opts...) })
}

func (s *staged) SendLater(_ context.Context, due time.Time, channel string, m asgi.Message) error {
	if err := asgi.CheckTarget(channel); err != nil {
		return err
	}
	return s.stage(func(ctx context.Context, o outlet) error { return o.SendLater(ctx, due, channel, m) })
}

func (s *staged) SendGroup(_ context.Context, group string, m asgi.Message, opts ...asgi.SendOption) error {
	if err := asgi.CheckGroup(group); err != nil {
		return err
	}
	return s.stage(func(ctx context.Context, o outlet) error { return o.SendGroup(ctx, group, m, opts...) })
}

func (s *staged) GroupAdd(_ context.Context, group, channel string) error {
	if err := errors.Join(asgi.CheckGroup(group), asgi.CheckTarget(channel)); err != nil {
		return err
	}
	return s.stage(func(ctx context.Context, o outlet) error { return o.GroupAdd(ctx, group, channel) })
}

func (s *staged) GroupDiscard(_ context.Context, group, channel string) error {
	if err := errors.Join(asgi.CheckGroup(group), asgi.CheckSend(channel)); err != nil {
		return err
	}
	return s.stage(func(ctx context.Context, o outlet) error { return o.GroupDiscard(ctx, group, channel) })
}

// release makes the staged calls.
func (s *staged) release(ctx context.Context, o outlet) error {
	calls := s.calls
	s.calls = nil
	for _, call := range calls {
		if err := call(ctx, o); err != nil {
			return err
		}
	}
	return nil
}
