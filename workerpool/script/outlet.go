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

var (
	errNoGroups = errors.New("this channel layer does not support groups")
	errNoLater  = errors.New("this channel layer does not support send_later")
	errNoState  = errors.New("this channel layer does not support state and sessions")
)

func (o direct) groups() (asgi.Groups, error) {
	groups, ok := asgi.As[asgi.Groups](o.layer)
	if !ok {
		return nil, errNoGroups
	}
	return groups, nil
}

func (o direct) Send(ctx context.Context, channel string, m asgi.Message, opts ...asgi.SendOption) error {
	return o.layer.Send(ctx, o.cause, channel, m, opts...)
}

func (o direct) SendLater(ctx context.Context, due time.Time, channel string, m asgi.Message) error {
	later, ok := asgi.As[asgi.Later](o.layer)
	if !ok {
		return errNoLater
	}
	return later.SendLater(ctx, o.cause, due, channel, m)
}

func (o direct) SendGroup(ctx context.Context, group string, m asgi.Message) error {
	groups, err := o.groups()
	if err != nil {
		return err
	}
	return groups.SendGroup(ctx, o.cause, group, m)
}

func (o direct) GroupAdd(ctx context.Context, group, channel string) error {
	groups, err := o.groups()
	if err != nil {
		return err
	}
	return groups.GroupAdd(ctx, o.cause, group, channel)
}

func (o direct) GroupDiscard(ctx context.Context, group, channel string) error {
	groups, err := o.groups()
	if err != nil {
		return err
	}
	return groups.GroupDiscard(ctx, o.cause, group, channel)
}

func (o direct) GroupChannels(ctx context.Context, group string) ([]string, error) {
	groups, err := o.groups()
	if err != nil {
		return nil, err
	}
	return groups.GroupChannels(ctx, o.cause, group)
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
	if err := asgi.CheckSend(channel); err != nil {
		return err
	}
	return s.stage(func(ctx context.Context, o outlet) error { return o.SendLater(ctx, due, channel, m) })
}

func (s *staged) SendGroup(_ context.Context, group string, m asgi.Message) error {
	if err := asgi.CheckGroup(group); err != nil {
		return err
	}
	return s.stage(func(ctx context.Context, o outlet) error { return o.SendGroup(ctx, group, m) })
}

func (s *staged) GroupAdd(_ context.Context, group, channel string) error {
	if err := errors.Join(asgi.CheckGroup(group), asgi.CheckSend(channel)); err != nil {
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
