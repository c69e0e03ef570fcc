package redisstore

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/codec"
)

// Values are MessagePack, encrypted like messages. No script decodes one, because
// Lua would change numbers and mix byte strings and texts: a change is computed
// here and made if the stored bytes are still those that were read.

func (l *Layer) valueKey(key string) string { return l.ownKey("kv:" + key) }

// Get returns a key's value. See [asgi.KV].
func (l *Layer) Get(ctx context.Context, c *asgi.Cause, key string) (any, bool, error) {
	if err := asgi.CheckKey(key); err != nil {
		return nil, false, err
	}
	v, err := l.read(ctx, key)
	return v.data, v.found, err
}

// A stored is a value with its bytes.
type stored struct {
	data  any
	bytes string
	found bool
}

func (l *Layer) read(ctx context.Context, key string) (stored, error) {
	v, err := l.hostOf(key).do(ctx, "get", "get", l.valueKey(key))
	if err != nil || v == nil {
		return stored{}, err
	}
	text, _ := v.(string)
	return l.decodeValue(key, text)
}

func (l *Layer) decodeValue(key, text string) (stored, error) {
	plain, err := l.openWithin([]byte(text), 0)
	if err != nil {
		return stored{}, fmt.Errorf("%w: the value of %q: %v", asgi.ErrStoreFailed, key, err)
	}
	data, err := codec.DecodeValue(plain)
	if err != nil {
		return stored{}, fmt.Errorf("%w: the value of %q: %v", asgi.ErrStoreFailed, key, err)
	}
	return stored{data, text, true}, nil
}

// encodeValue converts a value to the types of messages and encodes it.
func (l *Layer) encodeValue(data any) ([]byte, error) {
	data, err := asgi.Converter(nil).Value(data)
	if err != nil {
		return nil, err
	}
	if err := l.checkSize(asgi.SizeOf(data)); err != nil {
		return nil, err
	}
	return l.seal(codec.AppendValue(nil, data))
}

// Set sets a key's value. See [asgi.KV].
func (l *Layer) Set(ctx context.Context, c *asgi.Cause, key string, value any, ttl time.Duration, opts ...asgi.SendOption) error {
	if err := asgi.CheckKey(key); err != nil {
		return err
	}
	text, err := l.encodeValue(value)
	if err != nil {
		return err
	}
	args := []any{"set", l.valueKey(key), text}
	if ttl > 0 {
		args = append(args, "px", max(1, ttl.Milliseconds()))
	}
	_, err = l.hostOf(key).do(ctx, "set", args...)
	return stateFull(err)
}

// Delete removes a value. See [asgi.KV].
func (l *Layer) Delete(ctx context.Context, c *asgi.Cause, key string) error {
	if err := asgi.CheckKey(key); err != nil {
		return err
	}
	_, err := l.hostOf(key).do(ctx, "delete", "del", l.valueKey(key))
	return err
}

// Incr adds to an integer. See [asgi.KV].
func (l *Layer) Incr(ctx context.Context, c *asgi.Cause, key string, n int64) (sum int64, err error) {
	err = l.update(ctx, key, func(v stored) (any, bool, error) {
		var old int64
		if v.found {
			var ok bool
			if old, ok = v.data.(int64); !ok {
				return nil, false, fmt.Errorf("%w: %q holds %s, not an integer", asgi.ErrWrongType, key, asgi.TypeName(v.data))
			}
		}
		if n > 0 && old > math.MaxInt64-n || n < 0 && old < math.MinInt64-n {
			return nil, false, fmt.Errorf("%w: the sum for %q does not fit in 64 bits", asgi.ErrWrongType, key)
		}
		sum = old + n
		return sum, true, nil
	})
	return sum, err
}

// Append adds to a list. See [asgi.KV].
func (l *Layer) Append(ctx context.Context, c *asgi.Cause, key string, value any, keep int) (list asgi.List, err error) {
	err = l.update(ctx, key, func(v stored) (any, bool, error) {
		var old asgi.List
		if v.found {
			var ok bool
			if old, ok = v.data.(asgi.List); !ok {
				return nil, false, fmt.Errorf("%w: %q holds %s, not a list", asgi.ErrWrongType, key, asgi.TypeName(v.data))
			}
		}
		list, err = old.Append(value, keep)
		return list, err == nil, err
	})
	return list, err
}

// Swap replaces a value if it equals old. See [asgi.KV].
func (l *Layer) Swap(ctx context.Context, c *asgi.Cause, key string, old, with any) (swapped bool, err error) {
	if old != any(asgi.Absent) {
		if old, err = asgi.Converter(nil).Value(old); err != nil {
			return false, err
		}
	}
	if with != any(asgi.Absent) {
		if _, err := l.encodeValue(with); err != nil {
			return false, err
		}
	}
	err = l.update(ctx, key, func(v stored) (any, bool, error) {
		current := any(asgi.Absent)
		if v.found {
			current = v.data
		}
		swapped = asgi.Equal(current, old)
		return with, swapped && (v.found || with != any(asgi.Absent)), nil
	})
	return swapped && err == nil, err
}

// Keys returns the keys with a prefix, sorted. See [asgi.KV].
func (l *Layer) Keys(ctx context.Context, c *asgi.Cause, prefix string) ([]string, error) {
	var all []string
	for _, h := range l.hosts {
		err := h.scan(ctx, l.valueKey(prefix), "", func(keys []string) error {
			for _, key := range keys {
				all = append(all, key[len(l.valueKey("")):])
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// update changes a value. Change returns the new value, or [asgi.Absent], and
// whether to store it; it is called again if another process was faster.
func (l *Layer) update(ctx context.Context, key string, change func(stored) (any, bool, error)) error {
	if err := asgi.CheckKey(key); err != nil {
		return err
	}
	lock := l.valueLock(key)
	select {
	case lock <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-lock }()
	v, err := l.read(ctx, key)
	for err == nil {
		next, store, err := change(v)
		if err != nil || !store {
			return err
		}
		var done bool
		if v, done, err = l.swap(ctx, key, v, next); err != nil || done {
			return err
		}
	}
	return err
}

// valueLock returns the lock under which this process changes a value, so that
// its goroutines do not make each other try again.
func (l *Layer) valueLock(key string) chan struct{} {
	h := fnv.New32a()
	h.Write([]byte(key))
	return l.values[h.Sum32()%uint32(len(l.values))]
}

// swap stores a value if the current one has the bytes of old. Otherwise it
// returns the current one.
func (l *Layer) swap(ctx context.Context, key string, old stored, next any) (current stored, done bool, err error) {
	var text []byte
	if next != any(asgi.Absent) {
		if text, err = l.encodeValue(next); err != nil {
			return current, false, err
		}
	}
	v, err := l.hostOf(key).eval(ctx, "swap", casScript, []string{l.valueKey(key)},
		oneIf(old.found), old.bytes, oneIf(next != any(asgi.Absent)), text)
	if err != nil {
		return current, false, stateFull(err)
	}
	reply, _ := v.([]any)
	switch {
	case len(reply) > 0 && reply[0] == int64(1):
		return current, true, nil
	case len(reply) > 1 && reply[1] != nil:
		bytes, _ := reply[1].(string)
		current, err = l.decodeValue(key, bytes)
	}
	return current, false, err
}

// oneIf returns a bool as a script's argument.
func oneIf(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// stateFull returns err as the error of a call that stores something other than a
// message.
func stateFull(err error) error {
	if err == errOutOfMemory {
		return fmt.Errorf("%w: %v", asgi.ErrStateFull, err)
	}
	return err
}
