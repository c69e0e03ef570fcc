package store

import (
	"sync"

	"asgibox/asgi"
)

// values is the key-value part of a store.
type values struct {
	wakeBy      func(int64)
	journal     *journal
	maxBytes    int // of each family
	maxSessions int

	mu        sync.Mutex // guards the rest
	closed    bool
	seq       uint64             // the journal's number of the last durable change
	families  map[string]*family // by the prefix that names them
	expiring  schedule[*value]   // values that expire
	discarded discardLog
}

// A value is the value of one key.
type value struct {
	key       string
	data      any
	size      int   // memory in bytes
	expires   int64 // never if it does not expire
	heapIndex int   // in the schedule; -1 if it is not in it
	durable   bool
	seq       uint64 // the journal's number of the last durable change

	// Only in a family that discards values.
	list *list[*value] // fresh or used; nil in other families
	link link[*value]
}

func (v *value) when() int64 { return v.expires }
func (v *value) tie() uint64 { return 0 }
func (v *value) index() *int { return &v.heapIndex }

func newValues(o *Options, wakeBy func(int64)) *values {
	return &values{wakeBy: wakeBy, maxBytes: o.StateMemory, maxSessions: o.MaxSessions, families: make(map[string]*family)}
}

func (k *values) withLock(f func() error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return asgi.ErrClosed
	}
	return f()
}

// updateLocked changes a key's value. Its expiry and durability do not change.
func (k *values) updateLocked(v *value, key string, data any) (*value, error) {
	if v == nil {
		return k.changeLocked(nil, key, data, never, true)
	}
	return k.changeLocked(v, key, data, v.expires, v.durable)
}

// changeLocked changes a key's value in memory and in the journal. It fails if
// there is no room for the value.
func (k *values) changeLocked(v *value, key string, data any, expires int64, durable bool) (*value, error) {
	if durable || v != nil && v.durable {
		if err := k.journal.err(); err != nil {
			return v, err
		}
	}
	if err := k.makeRoomLocked(v, key, data); err != nil {
		return v, err
	}
	wasDurable := v != nil && v.durable
	v = k.putLocked(v, key, data, expires, durable)
	switch {
	case durable:
		v.seq = k.journal.putValue(v, opValue)
	case wasDurable:
		v.seq = k.journal.putValue(v, opNoValue)
	}
	k.seq = max(k.seq, v.seq)
	return v, nil
}

// removeLocked deletes a value in memory and in the journal. It fails if the
// value is durable and the disk fails.
func (k *values) removeLocked(v *value) (*value, error) {
	if v == nil {
		return nil, nil
	}
	if v.durable {
		if err := k.journal.err(); err != nil {
			return v, err
		}
	}
	k.deleteLocked(v)
	return nil, nil
}

// putLocked changes a key's value in memory.
func (k *values) putLocked(v *value, key string, data any, expires int64, durable bool) *value {
	if v == nil {
		v = &value{key: key, size: sizeOf(key, data), heapIndex: -1}
		v.link.entry = v
		k.addLocked(v)
	} else {
		k.resizeLocked(v, sizeOf(key, data))
	}
	v.data, v.durable, v.expires = data, durable, expires
	switch {
	case expires == never && v.heapIndex >= 0:
		k.expiring.remove(v)
	case expires == never:
	case v.heapIndex >= 0:
		k.expiring.fix(v)
	default:
		k.expiring.add(v)
	}
	k.wakeBy(expires)
	return v
}

func (k *values) deleteLocked(v *value) {
	k.forgetLocked(v)
	if v.heapIndex >= 0 {
		k.expiring.remove(v)
	}
	if v.durable {
		k.seq = max(k.seq, k.journal.putValue(v, opNoValue))
	}
}

// sweep deletes expired values, up to a step, and returns when the next one
// expires.
func (k *values) sweep(now int64) (next int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return never
	}
	for range sweepStep {
		v, ok := k.expiring.next(now)
		if !ok {
			break
		}
		k.deleteLocked(v)
	}
	if len(k.expiring) == 0 {
		return never
	}
	return k.expiring[0].expires
}

// close makes further calls fail.
func (k *values) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
}
