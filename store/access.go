package store

import "asgibox/asgi"

// An Access is one use of a key's value by an application.
type Access struct {
	Trace  asgi.TraceID
	Key    string
	Before any  // asgi.Absent if the key had no value
	After  any  // the same
	Read   bool // the result of the use depends on Before
	Size   int  // of Before and After, roughly, in bytes
}

// noteAccess records a use of a value, in the order of uses. The caller holds the
// lock of the values.
func (s *Store) noteAccess(c *asgi.Cause, read bool, key string, before, after any, size int) {
	if rec := s.recorder.Load(); rec != nil && c.Trace() != 0 && rec.Wants(c.Trace()) {
		rec.addAccess(Access{Trace: c.Trace(), Key: key, Before: before, After: after, Read: read, Size: size})
	}
}

func (r *Recorder) addAccess(a Access) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.accesses) >= r.limit {
		r.lostAccesses = true
		return
	}
	r.accesses = append(r.accesses, a)
}

// FetchAccesses returns the uses of values since the last call, and whether some
// were lost.
func (r *Recorder) FetchAccesses() (accesses []Access, lost bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	accesses, lost = r.accesses, r.lostAccesses
	r.accesses, r.lostAccesses = nil, false
	return accesses, lost
}

// dataOf returns the data of a value that may be nil.
func dataOf(v *value) any {
	if v == nil {
		return asgi.Absent
	}
	return v.data
}

func sizeOfValue(v *value) int {
	if v == nil {
		return 0
	}
	return v.size
}
