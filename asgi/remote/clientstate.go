package remote

import (
	"context"
	"time"

	"asgibox/asgi"
)

// Get implements [asgi.KV].
func (c *Client) Get(ctx context.Context, work *asgi.Cause, key string) (any, bool, error) {
	fields, err := c.call(ctx, "kv/get", withCause(work, nil, asgi.Field{Key: "key", Value: key}))
	return find[any](fields, "value"), find[bool](fields, "found"), err
}

// Set implements [asgi.KV].
func (c *Client) Set(ctx context.Context, work *asgi.Cause, key string, value any, ttl time.Duration, opts ...asgi.SendOption) error {
	args := withCause(work, opts, asgi.Field{Key: "key", Value: key}, asgi.Field{Key: "value", Value: value})
	if ttl > 0 {
		args = append(args, asgi.Field{Key: "ttl", Value: ttl.Seconds()})
	}
	_, err := c.call(ctx, "kv/set", args)
	return err
}

// Delete implements [asgi.KV].
func (c *Client) Delete(ctx context.Context, work *asgi.Cause, key string) error {
	_, err := c.call(ctx, "kv/delete", withCause(work, nil, asgi.Field{Key: "key", Value: key}))
	return err
}

// Incr implements [asgi.KV].
func (c *Client) Incr(ctx context.Context, work *asgi.Cause, key string, n int64) (int64, error) {
	fields, err := c.call(ctx, "kv/incr", withCause(work, nil, asgi.Field{Key: "key", Value: key}, asgi.Field{Key: "n", Value: n}))
	return find[int64](fields, "value"), err
}

// Append implements [asgi.KV].
func (c *Client) Append(ctx context.Context, work *asgi.Cause, key string, value any, keep int) (asgi.List, error) {
	args := asgi.Fields{{Key: "key", Value: key}, {Key: "value", Value: value}}
	if keep > 0 {
		args = append(args, asgi.Field{Key: "keep", Value: keep})
	}
	fields, err := c.call(ctx, "kv/append", withCause(work, nil, args...))
	return find[asgi.List](fields, "value"), err
}

// Keys implements [asgi.KV].
func (c *Client) Keys(ctx context.Context, work *asgi.Cause, prefix string) ([]string, error) {
	fields, err := c.call(ctx, "kv/keys", withCause(work, nil, asgi.Field{Key: "prefix", Value: prefix}))
	return texts(find[asgi.List](fields, "keys")), err
}

// Swap implements [asgi.KV].
func (c *Client) Swap(ctx context.Context, work *asgi.Cause, key string, old, new any) (bool, error) {
	args := withCause(work, nil, asgi.Field{Key: "key", Value: key})
	if old != any(asgi.Absent) {
		args = append(args, asgi.Field{Key: "old", Value: old})
	}
	if new != any(asgi.Absent) {
		args = append(args, asgi.Field{Key: "new", Value: new})
	}
	fields, err := c.call(ctx, "kv/swap", args)
	return find[bool](fields, "swapped"), err
}
