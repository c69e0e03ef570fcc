package remote

import (
	"context"
	"time"

	"asgibox/asgi"
)

// Get returns a value; see [asgi.KV].
func (c *Client) Get(ctx context.Context, work *asgi.Cause, key string) (any, bool, error) {
	fields, err := c.call(ctx, "kv/get", within(work, nil, asgi.Field{Key: "key", Value: key}))
	return find[any](fields, "value"), find[bool](fields, "found"), err
}

// Set puts a value; see [asgi.KV].
func (c *Client) Set(ctx context.Context, work *asgi.Cause, key string, value any, ttl time.Duration, opts ...asgi.SendOption) error {
	args := within(work, opts, asgi.Field{Key: "key", Value: key}, asgi.Field{Key: "value", Value: value})
	if ttl > 0 {
		args = append(args, asgi.Field{Key: "ttl", Value: ttl.Seconds()})
	}
	_, err := c.call(ctx, "kv/set", args)
	return err
}

// Delete removes a value; see [asgi.KV].
func (c *Client) Delete(ctx context.Context, work *asgi.Cause, key string) error {
	_, err := c.call(ctx, "kv/delete", within(work, nil, asgi.Field{Key: "key", Value: key}))
	return err
}

// Incr adds to an integer; see [asgi.KV].
func (c *Client) Incr(ctx context.Context, work *asgi.Cause, key string, n int64) (int64, error) {
	fields, err := c.call(ctx, "kv/incr", within(work, nil, asgi.Field{Key: "key", Value: key}, asgi.Field{Key: "n", Value: n}))
	return find[int64](fields, "value"), err
}

// Append adds to a list; see [asgi.KV].
func (c *Client) Append(ctx context.Context, work *asgi.Cause, key string, value any, keep int) (asgi.List, error) {
	fields, err := c.call(ctx, "kv/append", within(work, nil,
		asgi.Field{Key: "key", Value: key}, asgi.Field{Key: "value", Value: value}, asgi.Field{Key: "keep", Value: keep}))
	return find[asgi.List](fields, "value"), err
}

// Keys returns the keys with a prefix; see [asgi.KV].
func (c *Client) Keys(ctx context.Context, work *asgi.Cause, prefix string) ([]string, error) {
	fields, err := c.call(ctx, "kv/keys", within(work, nil, asgi.Field{Key: "prefix", Value: prefix}))
	return texts(find[asgi.List](fields, "keys")), err
}

// Swap sets a value if the old one is there; see [asgi.KV].
func (c *Client) Swap(ctx context.Context, work *asgi.Cause, key string, old, new any) (bool, error) {
	args := within(work, nil, asgi.Field{Key: "key", Value: key})
	if old != any(asgi.Absent) {
		args = append(args, asgi.Field{Key: "old", Value: old})
	}
	if new != any(asgi.Absent) {
		args = append(args, asgi.Field{Key: "new", Value: new})
	}
	fields, err := c.call(ctx, "kv/swap", args)
	return find[bool](fields, "swapped"), err
}
