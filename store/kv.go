package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"asgibox/asgi"
)

// Get returns a key's value. See [asgi.KV].
func (s *Store) Get(ctx context.Context, c *asgi.Cause, key string) (data any, ok bool, err error) {
	err = s.withValue(c, key, true, func(now int64, v *value) (*value, error) {
		if v != nil {
			data, ok = v.data, true
			s.kv.useLocked(v)
		}
		return v, nil
	})
	return data, ok, err
}

// Set sets a key's value. See [asgi.KV].
func (s *Store) Set(ctx context.Context, c *asgi.Cause, key string, data any, ttl time.Duration, opts ...asgi.SendOption) error {
	data, err := s.checkValue(data)
	if err != nil {
		return err
	}
	durable := !slices.Contains(opts, asgi.Volatile)
	set := func(now int64, v *value) (*value, error) {
		expires := never
		if ttl > 0 {
			expires = now + int64(ttl)
		}
		return s.kv.changeLocked(v, key, data, expires, durable)
	}
	if !durable {
		return s.withValue(c, key, false, set)
	}
	return s.changeValue(ctx, c, key, false, set)
}

// Delete removes a value. See [asgi.KV].
func (s *Store) Delete(ctx context.Context, c *asgi.Cause, key string) error {
	return s.withValue(c, key, false, func(now int64, v *value) (*value, error) {
		return s.kv.removeLocked(v)
	})
}

// Incr adds to an integer. See [asgi.KV].
func (s *Store) Incr(ctx context.Context, c *asgi.Cause, key string, n int64) (sum int64, err error) {
	err = s.changeValue(ctx, c, key, true, func(now int64, v *value) (*value, error) {
		var old int64
		if v != nil {
			var ok bool
			if old, ok = v.data.(int64); !ok {
				return v, wrongType(key, "an integer", v.data)
			}
		}
		if n > 0 && old > math.MaxInt64-n || n < 0 && old < math.MinInt64-n {
			return v, tooBig(key)
		}
		sum = old + n
		return s.kv.updateLocked(v, key, sum)
	})
	return sum, err
}

// Append adds to a list. See [asgi.KV].
func (s *Store) Append(ctx context.Context, c *asgi.Cause, key string, item any, keep int) (list asgi.List, err error) {
	err = s.changeValue(ctx, c, key, true, func(now int64, v *value) (*value, error) {
		var old asgi.List
		if v != nil {
			var ok bool
			if old, ok = v.data.(asgi.List); !ok {
				return v, wrongType(key, "a list", v.data)
			}
		}
		if list, err = old.Append(item, keep); err != nil {
			return v, err
		}
		if err := s.checkSize(list.Size()); err != nil {
			return v, err
		}
		return s.kv.updateLocked(v, key, list)
	})
	return list, err
}

// Swap replaces a value if it equals old. See [asgi.KV].
func (s *Store) Swap(ctx context.Context, c *asgi.Cause, key string, old, with any) (swapped bool, err error) {
	if old, err = s.checkSwap(old); err != nil {
		return false, err
	}
	if with, err = s.checkSwap(with); err != nil {
		return false, err
	}
	err = s.changeValue(ctx, c, key, true, func(now int64, v *value) (*value, error) {
		current := any(asgi.Absent)
		if v != nil {
			current = v.data
		}
		if swapped = asgi.Equal(current, old); !swapped {
			return v, nil
		}
		if with == any(asgi.Absent) {
			return s.kv.removeLocked(v)
		}
		return s.kv.updateLocked(v, key, with)
	})
	return swapped && err == nil, err
}

// Keys returns the keys with a prefix, sorted. See [asgi.KV].
func (s *Store) Keys(ctx context.Context, c *asgi.Cause, prefix string) ([]string, error) {
	var keys []string
	err := s.kv.withLock(func() error {
		now := s.now()
		for name, f := range s.kv.families {
			if !strings.HasPrefix(name, prefix) && !strings.HasPrefix(prefix, name) {
				continue
			}
			for key, v := range f.values {
				if strings.HasPrefix(key, prefix) && v.expires > now {
					keys = append(keys, key)
					s.noteAccess(c, true, key, v.data, v.data, v.size)
				}
			}
		}
		c.Raise(s.journal.barrier(s.kv.seq))
		return nil
	})
	slices.Sort(keys)
	return keys, err
}

// changeValue is withValue for a new value that may be durable. It waits first while too
// much is staged. If the disk fails, so does the change, if it is durable. A deletion does
// not wait, because it needs little memory.
func (s *Store) changeValue(ctx context.Context, c *asgi.Cause, key string, read bool, f func(now int64, v *value) (*value, error)) error {
	if err := s.journal.admit(ctx); err != nil && !errors.Is(err, asgi.ErrStoreFailed) {
		return err
	}
	return s.withValue(c, key, read, f)
}

// withValue calls f with the value of the key, or nil if it has none, while the
// lock is held. f returns the key's new value. withValue raises the barrier of c
// to the value's last change or, if there is no value, to the last change of
// any value, because it is not known which change deleted it.
//
// The use is noted for a recorder. Read says whether its result depends on the
// value.
func (s *Store) withValue(c *asgi.Cause, key string, read bool, f func(now int64, v *value) (*value, error)) error {
	if err := asgi.CheckKey(key); err != nil {
		return err
	}
	return s.kv.withLock(func() error {
		now := s.now()
		v := s.kv.lookupLocked(key)
		if v != nil && v.expires <= now {
			s.kv.deleteLocked(v)
			v = nil
		}
		before, size := dataOf(v), sizeOfValue(v) // f may change v
		v, err := f(now, v)
		s.noteAccess(c, read, key, before, dataOf(v), size+sizeOfValue(v))
		seq := s.kv.seq
		if v != nil {
			seq = v.seq
		}
		c.Raise(s.journal.barrier(seq))
		return err
	})
}

// checkValue converts a value to the types of messages and checks its size.
func (s *Store) checkValue(data any) (any, error) {
	data, err := asgi.Converter(nil).Value(data)
	if err != nil {
		return nil, err
	}
	return data, s.checkSize(asgi.SizeOf(data))
}

func (s *Store) checkSwap(data any) (any, error) {
	if data == any(asgi.Absent) {
		return data, nil
	}
	return s.checkValue(data)
}

func wrongType(key, want string, got any) error {
	return fmt.Errorf("%w: %q holds %s, not %s", asgi.ErrWrongType, key, asgi.TypeName(got), want)
}

func tooBig(key string) error {
	return fmt.Errorf("%w: the sum for %q does not fit in 64 bits", asgi.ErrWrongType, key)
}
