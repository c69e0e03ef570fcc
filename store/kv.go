package store

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"asgibox/asgi"
)

// maxKey is the longest key, in bytes.
const maxKey = 1024

// values is the key-value part of a store.
type values struct {
	wakeBy func(int64)

	mu       sync.Mutex // guards the rest
	closed   bool
	families map[string]map[string]*value // by the key up to its first "/", then by key
	due      schedule[*value]             // those that end
}

// A value is what one key holds.
type value struct {
	key     string
	data    any
	expires int64 // never, if it does not
	at      int   // in the schedule; -1 if it is not there
	durable bool
}

func (v *value) when() int64  { return v.expires }
func (v *value) turn() uint64 { return 0 }
func (v *value) place() *int  { return &v.at }

func newValues(wakeBy func(int64)) *values {
	return &values{wakeBy: wakeBy, families: make(map[string]map[string]*value)}
}

// Get answers a key's value. See [asgi.KV].
func (s *Store) Get(ctx context.Context, c *asgi.Cause, key string) (data any, ok bool, err error) {
	err = s.withValue(key, func(now int64, v *value) error {
		if v != nil {
			data, ok = v.data, true
		}
		return nil
	})
	return data, ok, err
}

// Set puts a value. See [asgi.KV].
func (s *Store) Set(ctx context.Context, c *asgi.Cause, key string, data any, ttl time.Duration, opts ...asgi.SendOption) error {
	data, err := s.checkValue(data)
	if err != nil {
		return err
	}
	durable := !slices.Contains(opts, asgi.Volatile)
	return s.withValue(key, func(now int64, v *value) error {
		expires := never
		if ttl > 0 {
			expires = now + int64(ttl)
		}
		s.kv.putLocked(v, key, data, expires, durable)
		return nil
	})
}

// Delete removes a value. See [asgi.KV].
func (s *Store) Delete(ctx context.Context, c *asgi.Cause, key string) error {
	return s.withValue(key, func(now int64, v *value) error {
		if v != nil {
			s.kv.deleteLocked(v)
		}
		return nil
	})
}

// Incr adds to an integer. See [asgi.KV].
func (s *Store) Incr(ctx context.Context, c *asgi.Cause, key string, n int64) (sum int64, err error) {
	err = s.withValue(key, func(now int64, v *value) error {
		var old int64
		if v != nil {
			var ok bool
			if old, ok = v.data.(int64); !ok {
				return wrongType(key, "an integer", v.data)
			}
		}
		sum = old + n
		if (sum > old) != (n > 0) && n != 0 {
			sum = 0
			return tooBig(key)
		}
		s.kv.changeLocked(v, key, sum)
		return nil
	})
	return sum, err
}

// Append adds to a list. See [asgi.KV].
func (s *Store) Append(ctx context.Context, c *asgi.Cause, key string, item any, keep int) (list asgi.List, err error) {
	err = s.withValue(key, func(now int64, v *value) error {
		var old asgi.List
		if v != nil {
			var ok bool
			if old, ok = v.data.(asgi.List); !ok {
				return wrongType(key, "a list", v.data)
			}
		}
		grown, err := old.Append(item, keep)
		if err != nil {
			return err
		}
		if err := s.fits(grown.Size()); err != nil {
			return err
		}
		list = grown
		s.kv.changeLocked(v, key, list)
		return nil
	})
	return list, err
}

// Swap sets a value if it is what the caller thinks. See [asgi.KV].
func (s *Store) Swap(ctx context.Context, c *asgi.Cause, key string, old, with any) (swapped bool, err error) {
	if old, err = s.checkSwap(old); err != nil {
		return false, err
	}
	if with, err = s.checkSwap(with); err != nil {
		return false, err
	}
	err = s.withValue(key, func(now int64, v *value) error {
		current := any(asgi.Absent)
		if v != nil {
			current = v.data
		}
		if !asgi.Equal(current, old) {
			return nil
		}
		swapped = true
		switch {
		case with != any(asgi.Absent):
			s.kv.changeLocked(v, key, with)
		case v != nil:
			s.kv.deleteLocked(v)
		}
		return nil
	})
	return swapped, err
}

// Keys answers the keys with a prefix. See [asgi.KV].
func (s *Store) Keys(ctx context.Context, c *asgi.Cause, prefix string) ([]string, error) {
	var keys []string
	err := s.kv.with(func() {
		now := s.now()
		for family, values := range s.kv.families {
			if !strings.HasPrefix(family, prefix) && !strings.HasPrefix(prefix, family) {
				continue
			}
			for key, v := range values {
				if strings.HasPrefix(key, prefix) && v.expires > now {
					keys = append(keys, key)
				}
			}
		}
	})
	slices.Sort(keys)
	return keys, err
}

// withValue calls f, with the lock held, with what the key holds: nil if that
// is nothing.
func (s *Store) withValue(key string, f func(now int64, v *value) error) (err error) {
	if err := checkKey(key); err != nil {
		return err
	}
	if closed := s.kv.with(func() {
		now := s.now()
		v := s.kv.families[familyOf(key)][key]
		if v != nil && v.expires <= now {
			s.kv.deleteLocked(v)
			v = nil
		}
		err = f(now, v)
	}); closed != nil {
		return closed
	}
	return err
}

func (k *values) with(f func()) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return asgi.ErrClosed
	}
	f()
	return nil
}

// changeLocked gives a key another value; how long it lives, and where, stays.
func (k *values) changeLocked(v *value, key string, data any) {
	if v == nil {
		k.putLocked(nil, key, data, never, true)
		return
	}
	k.putLocked(v, key, data, v.expires, v.durable)
}

func (k *values) putLocked(v *value, key string, data any, expires int64, durable bool) {
	if v == nil {
		v = &value{key: key, at: -1}
		family := familyOf(key)
		if k.families[family] == nil {
			k.families[family] = make(map[string]*value)
		}
		k.families[family][key] = v
	}
	v.data, v.durable, v.expires = data, durable, expires
	switch {
	case expires == never && v.at >= 0:
		k.due.remove(v)
	case expires == never:
	case v.at >= 0:
		k.due.fix(v)
	default:
		k.due.add(v)
	}
	k.wakeBy(expires)
}

func (k *values) deleteLocked(v *value) {
	family := familyOf(v.key)
	delete(k.families[family], v.key)
	if len(k.families[family]) == 0 {
		delete(k.families, family)
	}
	if v.at >= 0 {
		k.due.remove(v)
	}
}

// sweep deletes values whose time is over, up to a step, and answers when the
// next is.
func (k *values) sweep(now int64) (next int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for range sweepStep {
		v, ok := k.due.next(now)
		if !ok {
			break
		}
		k.deleteLocked(v)
	}
	if len(k.due) == 0 {
		return never
	}
	return k.due[0].expires
}

func familyOf(key string) string {
	i := strings.IndexByte(key, '/')
	return key[:i+1]
}

func checkKey(key string) error {
	switch {
	case key == "":
		return &asgi.InvalidNameError{Name: key, Reason: "a key is not empty"}
	case len(key) > maxKey:
		return &asgi.InvalidNameError{Name: key[:40] + "…", Reason: "a key is at most 1,024 bytes long"}
	case !utf8.ValidString(key):
		return &asgi.InvalidNameError{Name: key, Reason: "a key is valid UTF-8"}
	}
	return nil
}

// checkValue makes a value fit to be kept.
func (s *Store) checkValue(data any) (any, error) {
	data, err := asgi.Converter(nil).Value(data)
	if err != nil {
		return nil, err
	}
	return data, s.fits(asgi.SizeOf(data))
}

func (s *Store) checkSwap(data any) (any, error) {
	if data == any(asgi.Absent) {
		return data, nil
	}
	return s.checkValue(data)
}

// close refuses further calls.
func (k *values) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
}
